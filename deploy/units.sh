# shellcheck shell=bash
# What systemd is told of each service: the units that node.sh, which sources this, writes.

# One user for both services, and a fixed one: the manager's folder outlives any process, its token is put there before the first
# start, and `manyeyes store` is to be run as its owner. A DynamicUser= has none of that.
user=manyeyes
state=/var/lib/manyeyes
token_environment=/etc/manyeyes/token.env
# Kept for what a service needs beyond its own grace to end.
stop_margin_s=7
# What SIGTERM gives a worker to finish what it is at.
worker_grace_s=10

# Its data folder, its grace in seconds, its command.
unit_of_manager() {
    local data=$1 grace_s=$2
    shift 2
    unit_head manager "$@"
    # Standard output has the page's address with the token in it, which is not for the journal; the log is on standard error.
    # 2,048 connections of pages, 1,152 of workers, and a file for what each does: systemd's own 1,024 would not do.
    cat <<UNIT
Environment=MANYEYES_DATA=$state
StateDirectory=manyeyes
StateDirectoryMode=0700
ReadWritePaths=$(quoted "$data")
StandardOutput=null
LimitNOFILE=8192
RestartPreventExitStatus=2
TimeoutStopSec=$((10#$grace_s + stop_margin_s))
UNIT
    unit_foot
}

# Its command.
unit_of_worker() {
    unit_head worker "$@"
    # Status 3 is a worker that has failed for good, as an experiment wanted it to.
    cat <<UNIT
EnvironmentFile=-$token_environment
RestartPreventExitStatus=2 3
TimeoutStopSec=$((worker_grace_s + stop_margin_s))
UNIT
    unit_foot
}

unit_head() {
    local role=$1
    shift
    cat <<UNIT
# Written by deploy/node.sh, which writes it anew when it is run with other options.
[Unit]
Description=manyeyes $role
Wants=network-online.target
After=network-online.target
# An address, or the manager, may be long in coming: it is tried for ever.
StartLimitIntervalSec=0

[Service]
Type=exec
User=$user
Group=$user
ExecStart=$(command_line "$@")
Restart=always
RestartSec=2
# The manager itself ends what it has started.
KillMode=mixed
SyslogIdentifier=manyeyes-$role
UMask=0077
# Models that are downloaded, and ONNX Runtime's library where somebody puts it there, are in /var/cache/manyeyes.
CacheDirectory=manyeyes
Environment=XDG_CACHE_HOME=/var/cache
UNIT
}

# No home, no devices, no privileges, no way to write but its own folders. `seccomp` and `landlock_*` are for the children that decode pictures, which
# take from themselves what they do not need. Neither engine makes code as it runs, so memory is never both written and executed.
unit_foot() {
    cat <<UNIT

NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
PrivateDevices=yes
PrivateTmp=yes
RemoveIPC=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
UNIT
}

command_line() {
    local word line=''
    for word in "$@"; do line+=" $(quoted "$word")"; done
    printf '%s' "${line# }"
}

# A word as systemd reads it back: without specifiers (%) and variables ($), whole.
quoted() {
    if [[ $1 =~ ^[A-Za-z0-9_./:=,+@-]+$ ]]; then
        printf '%s' "$1"
    else
        printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g; s/%/%%/g; s/\$/$$/g')"
    fi
}
