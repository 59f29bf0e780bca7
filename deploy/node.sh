#!/usr/bin/env bash
# Makes a bare Debian or Ubuntu machine a node: the program, a service that survives a reboot, the token. Needs units.sh beside it.
#
#   node.sh [SETTING...] manager|worker|program [OPTION of manyeyes manager or manyeyes worker...]
#
# Settings, which come before the role:
#   --binary FILE          the program to install; MANYEYES_BINARY names it too
#   --url URL --sha256 HEX the same from an https address. Nothing is published yet, so none is known here.
#                          With neither: `manyeyes` beside this script, else one that is installed already.
#   --token-file FILE      the token of manager and workers, one line; MANYEYES_TOKEN has it too
#   --experiment-token     makes it from the key that all nodes of a CloudLab or Emulab experiment share
#                          With neither: the one that was given before. A manager without one makes its own.
#
# `program` only installs. Run it again at any time: what is as it was asked for stays as it is, and a service is
# restarted only where its program, its unit or its token is another than it was started with.
#
# Exit status: 0 done, 1 it could not be done, 2 wrong usage.
#
# MANYEYES_ROOT is for tests: all paths of the node are below it.
set -euo pipefail
umask 022
export LC_ALL=C

root=${MANYEYES_ROOT:-}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
installed=/usr/local/bin/manyeyes
settings=/etc/manyeyes
# The first with ProtectProc=, which Debian 11 and Ubuntu 22.04 have.
least_systemd=247
# shellcheck source=units.sh source-path=SCRIPTDIR
. "$here/units.sh"

main() {
    parse "$@"
    refuse_secrets_and_questions
    find_data
    check_machine
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    find_token
    install_program
    [ "$role" = program ] || install_service
    keep_token
    start_services
}

say() { printf 'node.sh: %s\n' "$*"; }

fail() {
    printf 'node.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

wrong_usage() { fail "$1; usage: node.sh [SETTING...] manager|worker|program [OPTION...]; the settings are at the top of $here/node.sh" 2; }

# Sets binary, url, sha256, token_file, experiment_token, role and options.
parse() {
    binary=${MANYEYES_BINARY:-} url='' sha256='' token_file='' experiment_token=''
    while [ $# -gt 0 ]; do
        case "$1" in
        --binary | --url | --sha256 | --token-file)
            [ $# -ge 2 ] || wrong_usage "$1 needs a value"
            case "$1" in
            --binary) binary=$2 ;;
            --url) url=$2 ;;
            --sha256) sha256=$2 ;;
            --token-file) token_file=$2 ;;
            esac
            shift 2
            ;;
        --experiment-token) experiment_token=yes && shift ;;
        manager | worker | program) break ;;
        -*) wrong_usage "there is no setting '$1' (options of manyeyes come after the role)" ;;
        *) wrong_usage "there is no role '$1'" ;;
        esac
    done
    [ $# -ge 1 ] || wrong_usage 'no role is given'
    role=$1
    shift
    options=("$@")
    if [ "$role" = program ] && [ $# -gt 0 ]; then wrong_usage "program starts nothing, and so takes no option: '$1'"; fi
    [ -z "$url" ] || [[ $url == https://* ]] || wrong_usage "--url takes an https address, not '$url'"
    [ -z "$url" ] || [[ $sha256 =~ ^[0-9a-fA-F]{64}$ ]] || wrong_usage '--url needs --sha256 and the 64 hexadecimal digits of the file'
    [ -z "$url" ] || [ -z "$binary" ] || wrong_usage 'both a file and an address are given for the program'
    [ -z "$token_file" ] || [ -z "$experiment_token" ] || wrong_usage 'both --token-file and --experiment-token are given'
}

# What a unit says anyone on the machine may read, and a service that only answers a question would be started for ever.
refuse_secrets_and_questions() {
    local option
    for option in ${options[@]+"${options[@]}"}; do
        case "$option" in
        --token | --token=*) wrong_usage 'a token among the options could be read by everyone on this machine: give --token-file before the role' ;;
        -h | --help | -V | --version) wrong_usage "$option is a question, and no service: ask manyeyes itself" ;;
        esac
        if [[ $option == *[[:cntrl:]]* ]]; then wrong_usage 'an option has a control character in it, such as a line break'; fi
    done
}

# Sets data, the manager's folder. Services see no home and have a /tmp of their own.
find_data() {
    data=$(value_of --data "$state")
    case "$data" in
    /home/* | /root/* | /run/* | /tmp/* | /var/tmp/*) wrong_usage "a service cannot keep its data in $data: take a folder such as /srv/manyeyes" ;;
    /*) ;;
    *) wrong_usage "a service has no working directory: --data takes a whole path, not '$data'" ;;
    esac
}

check_machine() {
    [ "$(id -u)" = 0 ] || fail 'this needs root: sudo /bin/bash deploy/node.sh ...'
    local ID='' ID_LIKE='' PRETTY_NAME=''
    # shellcheck source=/dev/null
    [ ! -r "$root/etc/os-release" ] || . "$root/etc/os-release"
    case " $ID $ID_LIKE " in
    *' debian '* | *' ubuntu '*) ;;
    *) fail "this is for Debian and Ubuntu, and here is ${PRETTY_NAME:-an unknown system}" ;;
    esac
    [ "$role" != program ] || return 0
    if ! command -v systemctl >/dev/null || ! command -v systemd-sysusers >/dev/null; then
        fail 'there is no systemd here, which keeps the service running: install systemd, or start manyeyes by hand'
    fi
    local version
    version=$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
    [ "${version:-0}" -ge "$least_systemd" ] || fail "systemd here is ${version:-of an unknown version}, and $least_systemd is needed: Debian 11, Ubuntu 22.04 or later"
}

# --- the program ------------------------------------------------------------------------------------------------------

# Sets program to the path of one that runs here and understands the options. Nothing is changed before that is sure.
install_program() {
    local candidate
    if [ -n "$url" ]; then
        fetch_program
        candidate=$scratch/fetched
    elif [ -n "$binary" ]; then
        [ -f "$binary" ] || fail "there is no file $binary"
        candidate=$binary
    elif [ -f "$here/manyeyes" ]; then
        candidate=$here/manyeyes
    elif [ -x "$root$installed" ]; then
        program=$installed
    elif [ -z "$root" ] && program=$(command -v manyeyes); then
        # A service cannot look into anybody's home.
        case "$program" in /home/* | /root/*) candidate=$program ;; esac
    else
        fail "there is no program: put manyeyes beside this script ($here), or give --binary FILE, or --url URL --sha256 HEX"
    fi
    local tried=$root${program:-}
    if [ -n "${candidate:-}" ]; then
        program=$installed tried=$scratch/manyeyes
        install -m 0755 "$candidate" "$tried"
    fi
    local said
    said=$("$tried" --version 2>&1) || fail "${candidate:-$program} does not run on this $(uname -m) machine: $said"
    # Help comes after what is wrong with the words before it.
    if [ "$role" != program ]; then
        said=$("$tried" "$role" ${options[@]+"${options[@]}"} --help 2>&1) || fail "manyeyes $role does not take these options: $said" 2
    fi
    [ -z "${candidate:-}" ] || put "$tried" "$installed" 0755
}

# A fetch is left out where what is installed is that file already.
fetch_program() {
    if [ -f "$root$installed" ] && has_digest "$root$installed"; then
        cp "$root$installed" "$scratch/fetched"
        return
    fi
    if ! command -v curl >/dev/null; then
        say 'installing curl and ca-certificates'
        { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends curl ca-certificates; } >"$scratch/apt" 2>&1 ||
            fail "curl could not be installed; is there a network? apt-get said: $(tail -1 "$scratch/apt")"
    fi
    # Five more tries take half a minute: right after a boot the network, or whoever knows names, may not be there yet.
    curl --fail --silent --show-error --location --proto =https --retry 5 --retry-all-errors --connect-timeout 10 \
        --output "$scratch/fetched" "$url" 2>"$scratch/curl" ||
        fail "failed to fetch $url; is there a network? curl said: $(tail -1 "$scratch/curl")"
    has_digest "$scratch/fetched" || fail "what $url has is not the file with SHA-256 $sha256; nothing was installed"
}

has_digest() { [ "$(sha256sum "$1" | cut -d ' ' -f 1)" = "${sha256,,}" ]; }

# --- the token --------------------------------------------------------------------------------------------------------

# Sets token; empty where none is given.
find_token() {
    token=''
    if [ -n "$token_file" ]; then
        [ -r "$token_file" ] || fail "the token's file $token_file is not there or cannot be read"
        token=$(cat "$token_file")
    elif [ -n "$experiment_token" ]; then
        token_of_experiment
    else
        token=${MANYEYES_TOKEN:-}
        unset MANYEYES_TOKEN
        [ -n "$token" ] || return 0
    fi
    # It travels in headers, in addresses and in an environment file, and none of these shall have to quote it. What is behind a dot tells workers
    # which key their manager has: the manager itself knows.
    [[ $token =~ ^[A-Za-z0-9_~-]{16,128}(\.[A-Za-z0-9]{32,64})?$ ]] ||
        fail "a token is one line of 16 to 128 letters, digits, '_', '~' and '-', for workers with a dot and the manager's fingerprint behind it; what is given is not"
    [ "$role" != manager ] || token=${token%%.*}
}

# All nodes of an experiment are said to get the same private key from their testbed (docs/testbed.md has what is known of it); what is made
# of it here tells nothing about the key.
token_of_experiment() {
    command -v geni-get >/dev/null ||
        fail 'there is no geni-get here, by which nodes of CloudLab and Emulab ask for their key: give --token-file instead'
    local key
    key=$(geni-get key) || fail 'geni-get gave no key: give --token-file instead'
    [[ $key == *'PRIVATE KEY'* ]] || fail 'what geni-get gave is no private key: give --token-file instead'
    token=$(printf 'token of manyeyes\n%s\n' "$key" | sha256sum | cut -c 1-32)
}

# What was given is kept where only root reads it: workers get it from there as their environment, and whoever calls manyeyes on this node looks
# there. The manager reads its own from its folder.
keep_token() {
    if [ -n "$token" ]; then
        printf 'MANYEYES_TOKEN=%s\n' "$token" >"$scratch/token"
        put "$scratch/token" "$token_environment" 0600
    fi
    if [ "$role" != manager ] || [ ! -f "$root$token_environment" ]; then return; fi
    token=$(sed -n 's/^MANYEYES_TOKEN=//p' "$root$token_environment")
    [ "$(cat "$root$data/token" 2>/dev/null || true)" != "$token" ] || return 0
    rm -f "$root$settings/manager.started"
    # As the service's user: the folder is that user's, who could have put anything in the way of root.
    # shellcheck disable=SC2016
    printf '%s\n' "$token" | runuser -u "$user" -- /bin/sh -c 'umask 077 && cat >"$1.given" && mv "$1.given" "$1"' sh "$root$data/token"
    say "wrote $data/token"
}

# --- the service ------------------------------------------------------------------------------------------------------

install_service() {
    printf 'u %s - "manyeyes" %s\n' "$user" "$state" >"$scratch/sysusers"
    put "$scratch/sysusers" /etc/sysusers.d/manyeyes.conf 0644
    id "$user" >/dev/null 2>&1 || systemd-sysusers "$root/etc/sysusers.d/manyeyes.conf"
    if [ "$role" = manager ]; then
        make_data
        allow_congestion_control
    fi
    local command=("$program" "$role" ${options[@]+"${options[@]}"})
    case "$role" in
    # 8 is the grace of a manager that is told of none.
    manager) unit_of_manager "$data" "$(value_of --grace 8)" "${command[@]}" ;;
    worker) unit_of_worker "${command[@]}" ;;
    esac >"$scratch/unit"
    put "$scratch/unit" "/etc/systemd/system/manyeyes-$role.service" 0644
}

# A folder that is there already is its owner's, and stays so.
make_data() {
    if [ ! -d "$root$data" ]; then
        install -d -m 0700 "$root$data"
        chown "$user:$user" "$root$data"
        say "made $data"
    fi
    # shellcheck disable=SC2016
    runuser -u "$user" -- /bin/sh -c 'test -w "$1"' sh "$root$data" || fail "the user $user, as whom the manager runs, may not write to $data: chown $user: $data"
}

# Without privileges a process may choose only what the kernel has and the machine allows; this allows one more, after each boot too.
allow_congestion_control() {
    local name now allowed=$root/proc/sys/net/ipv4/tcp_allowed_congestion_control
    name=$(value_of --congestion-control '')
    now=$(cat "$allowed" 2>/dev/null || true)
    if [ -z "$name" ] || [[ " $now " == *" $name "* ]]; then return; fi
    [[ $name =~ ^[a-z0-9_]{1,15}$ ]] || wrong_usage "--congestion-control takes a name such as bbr, not '$name'"
    if systemd_runs; then
        modprobe "tcp_$name" 2>/dev/null || true
        { printf '%s\n' "${now:-reno} $name" >"$allowed"; } 2>/dev/null || fail "this kernel has no congestion control '$name'"
        say "allowed the congestion control $name"
    fi
    printf 'tcp_%s\n' "$name" >"$scratch/module"
    put "$scratch/module" /etc/modules-load.d/manyeyes.conf 0644
    printf 'net.ipv4.tcp_allowed_congestion_control = %s\n' "${now:-reno} $name" >"$scratch/sysctl"
    put "$scratch/sysctl" /etc/sysctl.d/60-manyeyes.conf 0644
}

# The last value of an option of manyeyes, else what is said here.
value_of() {
    local value=$2 at
    for ((at = 0; at < ${#options[@]}; at++)); do
        case "${options[at]}" in
        "$1") value=${options[at + 1]:-} ;;
        "$1="*) value=${options[at]#*=} ;;
        esac
    done
    printf '%s' "$value"
}

# Puts a file in its place at one stroke, where it is not there already as it should be.
put() {
    local from=$1 to=$2 mode=$3
    if cmp --silent "$from" "$root$to" && [ "$(stat -c %a "$root$to")" = "${mode#0}" ]; then return; fi
    mkdir -p "$root$(dirname "$to")"
    install -m "$mode" "$from" "$root$to.new"
    mv "$root$to.new" "$root$to"
    say "wrote $to"
}

# --- running ----------------------------------------------------------------------------------------------------------

# Starts the role's service; restarts each service of this node that runs with something else than what is there now.
start_services() {
    local service unit
    for service in manager worker; do
        unit=manyeyes-$service.service
        [ -f "$root/etc/systemd/system/$unit" ] || continue
        if [ "$service" = "$role" ] && ! systemctl is-enabled --quiet "$unit" 2>/dev/null; then
            systemctl enable --quiet "$unit"
            say "enabled $unit"
        fi
        if systemd_runs; then
            start "$service" "$unit"
        else
            say "systemd does not run here: $unit is started at the next boot"
        fi
    done
}

systemd_runs() { [ -d "$root/run/systemd/system" ]; }

start() {
    local service=$1 unit=$2 started=$settings/$1.started
    digest_of "$service" >"$scratch/started"
    if ! cmp --silent "$scratch/started" "$root$started"; then
        systemctl daemon-reload
        systemctl restart "$unit"
        put "$scratch/started" "$started" 0600
        say "restarted $unit; its log: journalctl -u $unit"
    elif [ "$service" = "$role" ] && ! systemctl is-active --quiet "$unit"; then
        systemctl start "$unit"
        say "started $unit"
    fi
}

# What a service was started with.
digest_of() {
    local unit=$root/etc/systemd/system/manyeyes-$1.service
    local runs
    runs=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$unit")
    { cat "$unit" "$root$runs" && if [ -f "$root$token_environment" ]; then cat "$root$token_environment"; fi; } | sha256sum | cut -d ' ' -f 1
}

main "$@"
