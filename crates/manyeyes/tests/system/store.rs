//! `manyeyes store`, beside a manager that is at work and where there is none.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use serde_json::Value;

use crate::cluster::{Server, folder, manyeyes, wait_until};
use crate::durability::{end, file, original, overwrite, uploaded};

/// Uploads that are accepted before the folder is looked at and copied, and clients that go on meanwhile.
const BEFORE: usize = 30;
const CLIENTS: usize = 3;
/// The disk that is too small, in KiB: for the books, and not for the images.
const SMALL_DISK_KIB: u32 = 200;

fn store(arguments: &[&str], folders: &[&Path]) -> Output {
    manyeyes().arg("store").args(arguments).args(folders).output().expect("the program runs")
}

fn said(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn a_manager_that_starts_on_a_backup_made_under_load_has_all_that_was_accepted_before() {
    let (data, elsewhere) = (folder(), folder());
    let to = elsewhere.path().join("backup");
    fs::create_dir_all(data.path()).expect("it can be made");
    let server = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    fs::write(data.path().join("token"), "a secret\n").expect("it can be written");
    let _worker = server.worker(&["--fixed-service-ms", "2"]);
    let batch = server.new_batch();
    let (next, stop) = (AtomicU32::new(0), AtomicBool::new(false));
    // By number of the file: those that stay, and those that are deleted sooner or later.
    let kept: Mutex<Vec<(String, u32)>> = Mutex::default();
    let url = format!("{}/api/v1/batches/{batch}/images", server.url);
    let before = thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let sent =
                        ureq::post(format!("{url}?name=a.bmp")).content_type("image/bmp").send(&file(number)[..]);
                    let answer = sent.expect("the manager answers").body_mut().read_to_string().expect("text");
                    let answer: Value = serde_json::from_str(&answer).expect("JSON");
                    let id = answer["images"][0]["id"].as_str().expect("an id").to_owned();
                    if number % 3 == 0 {
                        ureq::delete(format!("{url}/{id}")).call().expect("it is deleted");
                    } else {
                        kept.lock().unwrap().push((id, number));
                    }
                }
            });
        }
        wait_until("some are accepted", || kept.lock().unwrap().len() >= BEFORE);
        let before = kept.lock().unwrap().clone();
        let looked = store(&["check"], &[data.path()]);
        let made = store(&["backup"], &[data.path(), &to]);
        stop.store(true, Ordering::Relaxed);
        assert_eq!(looked.status.code(), Some(0), "{}", said(&looked));
        assert!(said(&looked).contains("Nothing is wrong with 1 batches of"), "{}", said(&looked));
        assert_eq!(made.status.code(), Some(0), "{}", said(&made));
        assert!(said(&made).contains("Backed up 1 batches with"), "{}", said(&made));
        before
    });
    let token = to.join("token");
    assert_eq!(fs::read_to_string(&token).expect("the token is there"), "a secret\n");
    assert_eq!(fs::metadata(&token).expect("it is there").permissions().mode() & 0o777, 0o600);
    let there: Vec<Value> = server.images(&batch);

    // Both at work: the backup is a folder of its own.
    let copy = Server::manager(&to, "127.0.0.1:0", "127.0.0.1:0");
    // What waits is of a batch that the first worker's model has begun.
    let _other = copy.worker(&["--fixed-service-ms", "2"]);
    wait_until("what waits in the copy is answered", || {
        copy.count(&batch, "waiting") + copy.count(&batch, "assigned") == 0
    });
    let images = copy.images(&batch);
    for (id, number) in before {
        let image = images.iter().find(|image| image["id"] == id.as_str()).expect("it was accepted before");
        assert_eq!(image["state"], "recognised");
        let shown = there.iter().find(|image| image["id"] == id.as_str()).expect("it is still there");
        if image["seq"] == shown["seq"] {
            assert_eq!(image, shown);
        }
        assert!(original(&copy, &batch, &id) == Ok(file(number)), "image {id} has its bytes");
    }
    for image in &images {
        let id = image["id"].as_str().expect("an id");
        assert!(original(&copy, &batch, id).is_ok(), "image {id} is whole");
    }
    uploaded(&copy, &batch, &file(1_000_000));
    let looked = store(&["check", "--json"], &[&to]);
    let report: Value = serde_json::from_slice(&looked.stdout).expect("JSON");
    assert_eq!((&report["whole"], looked.status.code()), (&Value::from(true), Some(0)), "{report}");
}

#[test]
fn what_is_damaged_is_named_in_a_sentence_and_by_the_exit_status() {
    let (data, elsewhere) = (folder(), folder());
    let server = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let batch = server.new_batch();
    let [damaged, _, large] = [1, 2, 6].map(|number| uploaded(&server, &batch, &file(number)));
    overwrite(&data.path().join("packs/1"), 1000, &[0xa5; 8]);
    overwrite(&data.path().join("large").join(&large), 500_000, &[0xa5; 1]);
    let sentence =
        |id: &str| Value::from(format!("Image a.bmp ({id}) is damaged: its bytes are not those that were uploaded."));
    let look = || {
        let looked = store(&["check", "--json"], &[data.path()]);
        assert_eq!(looked.status.code(), Some(1));
        let report: Value = serde_json::from_slice(&looked.stdout).expect("JSON");
        let told: Vec<_> = report["told"].as_array().expect("a list").iter().map(|fault| &fault["message"]).collect();
        assert_eq!(told, [&sentence(&damaged), &sentence(&large)]);
    };
    look();
    end(server);
    look();
    let looked = store(&["check"], &[data.path()]);
    assert!(said(&looked).contains("2 things are wrong with 1 batches of 3 images"), "{}", said(&looked));
    let made = store(&["backup"], &[data.path(), &elsewhere.path().join("backup")]);
    assert_eq!(made.status.code(), Some(1));
    assert!(said(&made).contains("2 images are damaged, here and in the backup"), "{}", said(&made));
}

#[test]
fn a_backup_that_has_no_room_or_no_empty_folder_says_so() {
    let (data, to) = (folder(), folder());
    let server = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let batch = server.new_batch();
    uploaded(&server, &batch, &file(6));
    fs::write(to.path().join("mine"), b"").expect("it can be written");
    let refused = store(&["backup"], &[data.path(), to.path()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("is not empty"), "{}", said(&refused));
    assert_eq!(fs::read_dir(to.path()).expect("it is there").count(), 1);
    let none = store(&["check"], &[to.path()]);
    assert_eq!(none.status.code(), Some(1));
    assert!(said(&none).contains("this is no data folder"), "{}", said(&none));

    fs::remove_file(to.path().join("mine")).expect("it is ours");
    const RUN: &str = "mount -t tmpfs -o size=$1 none \"$2\" && shift 2 && exec \"$@\"";
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", RUN, "sh", &format!("{SMALL_DISK_KIB}k")]).arg(to.path());
        command
    };
    if !unshare().arg("true").output().is_ok_and(|output| output.status.success()) {
        eprintln!("NOT RUN without a small file system: a_backup_that_has_no_room_or_no_empty_folder_says_so");
        return;
    }
    let mut command = unshare();
    command.arg(manyeyes().get_program()).args(["store", "backup"]).arg(data.path()).arg(to.path());
    let refused = command.output().expect("the program runs");
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said(&refused).contains("has no room") && said(&refused).contains("bytes are needed"),
        "{}",
        said(&refused)
    );
}
