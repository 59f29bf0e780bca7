//! Between a manager and workers on other machines nothing is in the clear, and each knows the other by what it was given.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};

use crate::cluster::{Process, Server, folder, manyeyes, wait_until};

/// A manager that other machines may reach.
struct Reachable {
    manager: Process,
    /// Where a worker on this machine finds it.
    workers: String,
    token: String,
}

impl Reachable {
    fn start(data: &Path) -> Self {
        let data = data.to_str().expect("a readable path");
        let listen = ["manager", "--listen", "127.0.0.1:0", "--worker-listen", "0.0.0.0:0", "--data", data];
        let manager = Process::start(&listen);
        let workers = manager.line_after("workers on ").replace("0.0.0.0", "127.0.0.1");
        let token = manager.line_after("workers give the token ");
        Self { manager, workers, token }
    }
}

/// A worker whose log can be read.
fn worker_with_log(arguments: &[&str], log: &Path) -> Process {
    let file = File::create(log).expect("a log can be made");
    let mut command = manyeyes();
    command.args(["worker", "--fixed-service-ms", "0"]).args(arguments).stderr(Stdio::from(file));
    Process::spawn(&mut command)
}

fn says(log: &Path, words: &str) -> bool {
    fs::read_to_string(log).expect("the log can be read").contains(words)
}

#[test]
fn a_worker_knows_its_manager_by_the_token_and_takes_no_other() {
    let (first, second, logs) = (folder(), folder(), folder());
    let (ours, other) = (Reachable::start(first.path()), Reachable::start(second.path()));
    let (file, log) = (logs.path().join("token"), logs.path().join("ours"));
    fs::write(&file, format!("{}\n", ours.token)).expect("a file can be written");
    let file = file.to_str().expect("a readable path");
    let _worker = worker_with_log(&["--manager", &ours.workers, "--token-file", file], &log);
    wait_until("the worker is let in", || says(&log, "connected"));

    let log = logs.path().join("other");
    let _lost = worker_with_log(&["--manager", &other.workers, "--token-file", file], &log);
    wait_until("the worker says why", || says(&log, "the manager there has another key than this token names"));
    assert!(!says(&log, "connected"));
}

/// A token for one machine, which is lent for an afternoon.
#[test]
fn a_worker_s_token_that_is_revoked_ends_it_and_one_that_has_expired_lets_nobody_in() {
    let (data, logs) = (folder(), folder());
    let ours = Reachable::start(data.path());
    let token = |arguments: &[&str]| {
        let (command, rest) = arguments.split_first().expect("a command");
        let output = manyeyes().args(["token", command, "--data"]).arg(data.path()).args(rest).output();
        let output = output.expect("the program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let lent = token(&["create", "--role", "worker", "--name", "lent"]);
    let fingerprint = |token: &str| token.split_once('.').expect("it names the manager's key").1.to_owned();
    assert_eq!(fingerprint(&lent), fingerprint(&ours.token));
    let log = logs.path().join("lent");
    let mut worker = worker_with_log(&["--manager", &ours.workers, "--token", &lent], &log);
    wait_until("the worker is let in", || says(&log, "connected"));
    let list = token(&["list"]);
    let id = list.lines().find(|line| line.contains("lent")).and_then(|line| line.split_whitespace().next());
    token(&["revoke", id.expect("it is listed")]);
    assert_eq!(worker.exit_code(), Some(1));
    assert!(says(&log, "this token was revoked"));

    let short = token(&["create", "--role", "worker", "--expires", "1s"]);
    wait_until("it has expired", || token(&["list"]).contains("expired on"));
    let uploader = token(&["create", "--role", "uploader"]);
    for (refused, why) in [(short, "this token expired on"), (uploader, "a worker's is needed for this")] {
        let log = logs.path().join("refused");
        let mut worker =
            worker_with_log(&["--manager", &ours.workers, "--encryption", "always", "--token", &refused], &log);
        assert_eq!(worker.exit_code(), Some(1));
        assert!(says(&log, why), "{why}");
    }
}

/// A data folder that was restored elsewhere, or a process that was started again, is the same manager to its workers.
#[test]
fn a_manager_keeps_its_key_from_one_start_to_the_next_and_in_a_backup() {
    let (data, elsewhere) = (folder(), folder());
    let copy = elsewhere.path().join("copy");
    let token = {
        let mut first = Reachable::start(data.path());
        let backup =
            manyeyes().args(["store", "backup"]).args([data.path(), &copy]).output().expect("the program runs");
        assert!(backup.status.success(), "{}", String::from_utf8_lossy(&backup.stderr));
        first.manager.kill();
        first.token
    };
    assert_eq!(Reachable::start(data.path()).token, token);
    assert_eq!(Reachable::start(&copy).token, token);
}

#[test]
fn certificates_of_an_authority_are_taken_both_ways() {
    let (data, files) = (folder(), folder());
    let file = |name: &str| files.path().join(name).to_str().expect("a readable path").to_owned();
    let mut wanted = CertificateParams::new(Vec::<String>::new()).expect("no name is none");
    wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(wanted, KeyPair::generate().expect("a key")).expect("a certificate");
    fs::write(file("ca"), authority.pem()).expect("a file can be written");
    for name in ["127.0.0.1", "eye-1"] {
        let mut wanted = CertificateParams::new([name.to_owned()]).expect("a name");
        wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let signed = wanted.signed_by(&key, &authority).expect("a certificate");
        fs::write(file(name), signed.pem()).expect("a file can be written");
        fs::write(file(&format!("{name}.key")), key.serialize_pem()).expect("a file can be written");
    }
    let data = data.path().to_str().expect("a readable path");
    let listen = ["manager", "--listen", "127.0.0.1:0", "--worker-listen", "127.0.0.1:0", "--data", data];
    let shown = [file("127.0.0.1"), file("127.0.0.1.key"), file("ca"), file("eye-1"), file("eye-1.key")];
    let [certificate, key, ca, of_worker, key_of_worker] = shown.each_ref().map(String::as_str);
    let trust = ["--certificate", certificate, "--key", key, "--worker-ca", ca];
    let server = Server::of(Process::start(&[&listen[..], &trust[..]].concat()));
    let log = files.path().join("log");
    let _without = worker_with_log(&["--manager", &server.workers, "--ca", ca], &log);
    wait_until("the one without is told", || says(&log, "the manager wants a certificate of this worker"));
    let shows = ["--fixed-service-ms", "0", "--ca", ca, "--certificate", of_worker, "--key", key_of_worker];
    let _with = server.worker(&shows);
    server.wait_until_ready();
}

#[test]
fn what_is_no_certificate_or_no_token_is_named() {
    let folder = folder();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file can be written");
        path.to_str().expect("a readable path").to_owned()
    };
    let (rubbish, empty) = (file("rubbish", "-----BEGIN NOTHING-----"), file("empty", "\n"));
    let of_manager = ["manager", "--data", folder.path().to_str().expect("a readable path")];
    let of_worker = ["worker", "--manager", "127.0.0.1:9", "--fixed-service-ms", "0"];
    let cases: [(&[&str], &[&str], &str); 6] = [
        (&of_manager, &["--certificate", &rubbish, "--key", &rubbish], "there is no private key in PEM form"),
        (&of_manager, &["--worker-ca", &rubbish], "there is no certificate in PEM form"),
        (&of_manager, &["--worker-ca", &rubbish, "--encryption", "never"], "nobody can show one by TCP"),
        (&of_worker, &["--ca", "/no/such/file"], "failed to read /no/such/file"),
        (&of_worker, &["--token", "abc.def"], "the token is cut off"),
        (&of_worker, &["--token-file", &empty], "does not hold one token"),
    ];
    for (command, options, words) in cases {
        let output = manyeyes().args(command).args(options).output().expect("the program runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{options:?}: {error}");
        assert!(error.contains(words), "{options:?}: {error}");
    }
}
