//! What a person does wrong is said to them, where they look, and costs nothing else. (What is wrong with an upload is in
//! the manager's own tests.)

use std::process::Output;

use crate::cluster::{Process, Server, folder, folder_of, manyeyes, wait_until};

/// Runs to the end; gives what was printed to standard error.
fn refused(arguments: &[&str]) -> String {
    let output: Output = manyeyes().args(arguments).env_remove("MANYEYES_MODELS").output().expect("the program runs");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?} ended with {}: {error}", output.status);
    error
}

#[test]
fn a_port_in_use_is_named() {
    let data = folder();
    let server = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let listen = server.url.replace("http://", "");
    let other = folder();
    let error = refused(&["manager", "--listen", &listen, "--data", other.path().to_str().unwrap()]);
    assert!(error.contains(&listen) && error.contains("in use"), "{error}");
    let error = refused(&[
        "manager",
        "--listen",
        "127.0.0.1:0",
        "--worker-listen",
        &server.workers,
        "--data",
        other.path().to_str().unwrap(),
    ]);
    assert!(error.contains(&server.workers) && error.contains("in use"), "{error}");
}

#[test]
fn a_congestion_control_that_the_system_does_not_know_is_named_with_those_that_it_knows() {
    let data = folder();
    let listen = ["--listen", "127.0.0.1:0", "--worker-listen", "127.0.0.1:0", "--data", data.path().to_str().unwrap()];
    for command in [&["manager"][..], &["up", "--model", "builtin"]] {
        let error = refused(&[command, &["--congestion-control", "nonesuch"], &listen[..]].concat());
        let known = if cfg!(target_os = "linux") { "reno" } else { "Linux only" };
        assert!(error.contains(known), "{error}");
    }
}

#[test]
fn a_congestion_control_that_quic_does_not_have_is_refused_with_those_that_it_has() {
    let data = folder();
    let listen = ["--listen", "127.0.0.1:0", "--worker-listen", "127.0.0.1:0", "--data", data.path().to_str().unwrap()];
    let choice = ["manager", "--transport", "quic", "--congestion-control", "vegas"];
    let error = refused(&[&choice[..], &listen].concat());
    assert!(error.contains("vegas") && error.contains("bbr, cubic and reno"), "{error}");
}

#[test]
fn a_port_that_is_in_use_by_udp_is_named_with_the_way_to_do_without() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (data, address) = (folder(), taken.local_addr().unwrap().to_string());
    let path = data.path().to_str().unwrap();
    let arguments = ["manager", "--listen", "127.0.0.1:0", "--worker-listen", &address, "--data", path];
    let error = refused(&[&arguments[..], &["--transport", "quic"]].concat());
    assert!(error.contains(&address) && error.contains("UDP") && error.contains("in use"), "{error}");
}

#[test]
fn a_data_folder_in_use_is_refused() {
    let data = folder();
    let _server = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let path = data.path().to_str().unwrap();
    let error = refused(&["manager", "--listen", "127.0.0.1:0", "--worker-listen", "127.0.0.1:0", "--data", path]);
    assert!(error.contains(path) && error.contains("in use"), "{error}");
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    let data = folder();
    let file = data.path().join("a-file");
    std::fs::write(&file, b"in the way").unwrap();
    let path = file.to_str().unwrap();
    let error = refused(&["manager", "--listen", "127.0.0.1:0", "--worker-listen", "127.0.0.1:0", "--data", path]);
    assert!(error.contains(path), "{error}");
}

#[test]
fn a_model_file_that_is_no_model_is_named() {
    let data = folder();
    let file = data.path().join("model.onnx");
    std::fs::write(&file, b"this is not a model").unwrap();
    let path = file.to_str().unwrap();
    let error = refused(&["model", "verify", path]);
    assert!(error.contains(path), "{error}");
    let error = refused(&["up", "--listen", "127.0.0.1:0", "--data", data.path().to_str().unwrap(), "--model", path]);
    assert!(error.contains(path), "{error}");
    let error = refused(&["worker", "--manager", "127.0.0.1:9", "--model", path]);
    assert!(error.contains(path), "{error}");
}

#[test]
fn no_model_at_all_names_every_place_looked_in() {
    let cache = folder();
    let models = folder();
    let output = manyeyes()
        .args(["worker", "--manager", "127.0.0.1:9"])
        .env("MANYEYES_MODELS", models.path())
        .env("XDG_CACHE_HOME", cache.path())
        // Where nobody listens: downloads must fail on this machine, on any machine.
        .env("ALL_PROXY", "http://127.0.0.1:9")
        .output()
        .expect("the program runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    for place in [models.path(), cache.path()] {
        assert!(error.contains(place.to_str().unwrap()), "{} is not named in: {error}", place.display());
    }
    // It once said all of it twice: an error told its source's words, and then its source told them again.
    assert_eq!(error.matches("no source has it").count(), 1, "{error}");
    assert!(!error.contains("lookup"), "no name is looked up: {error}");
}

#[test]
fn a_worker_without_the_token_is_refused_and_says_so() {
    let data = folder();
    let data = data.path().to_str().unwrap();
    let manager = Process::start(&["manager", "--listen", "0.0.0.0:0", "--worker-listen", "0.0.0.0:0", "--data", data]);
    let page = manager.line_after("listening on ");
    assert!(page.contains("/#token="), "{page}");
    let port = manager.line_after("workers on ").rsplit(':').next().unwrap().to_owned();
    let error =
        refused(&["worker", "--manager", &format!("127.0.0.1:{port}"), "--fixed-service-ms", "0", "--token", "x"]);
    assert!(error.contains("token"), "{error}");
}

#[test]
fn a_worker_with_another_model_is_refused_and_says_so() {
    let data = folder();
    let server = Server::up(data.path(), &["--workers", "1", "--model", "builtin"]);
    server.wait_until_ready();
    let output = manyeyes()
        .args(["worker", "--manager", &server.workers, "--fixed-service-ms", "0"])
        .output()
        .expect("the program runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("model"), "{error}");
}

#[test]
fn a_truncated_photo_fails_alone() {
    let Some(images) = folder_of("MANYEYES_IMAGES", "a_truncated_photo_fails_alone") else { return };
    let photos = crate::photos::labelled_in(&images);
    let jpeg = photos.iter().find(|photo| photo.name.ends_with(".jpg")).expect("a JPEG").bytes();
    let data = folder();
    let server = Server::up(data.path(), &["--workers", "1", "--model", "builtin"]);
    let batch = server.new_batch();
    server.upload(&batch, "whole.jpg", &jpeg);
    server.upload(&batch, "half.jpg", &jpeg[..jpeg.len() / 2]);
    server.upload(&batch, "no-end-marker.jpg", &jpeg[..jpeg.len() - 2]);
    server.upload(&batch, "trailing.jpg", &[&jpeg[..], b"something else"].concat());
    wait_until("three are answered", || server.count(&batch, "recognised") == 3);
    wait_until("one has failed", || server.count(&batch, "failed") == 1);
    let half = &server.images(&batch)[1];
    assert_eq!(half["error"]["code"], "truncated", "{half}");
}
