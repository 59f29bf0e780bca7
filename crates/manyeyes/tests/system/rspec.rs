//! `manyeyes experiment rspec`: what it prints where, and with which status it ends.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::cluster::{folder, manyeyes};

const STUDY: &str = "name = \"study\"\ntitle = \"t\"\nquestion = \"q\"\nseed = 1\nbound_s = 60\nrepeats = 1\n\
                     [fixed]\nservice_ms = 500\nrate_bits_per_s = 100e6\n[factors]\ndelay_ms = [0, 500]\n";

fn rspec(arguments: &[&str], file: Option<&Path>) -> Output {
    manyeyes().args(["experiment", "rspec"]).args(arguments).args(file).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_cell_is_printed_as_a_file_and_the_file_is_found_to_be_without_fault() {
    let folder = folder();
    let [study, written] = ["study.toml", "profile.rspec"].map(|name| folder.path().join(name));
    fs::write(&study, STUDY).unwrap();
    let output = rspec(&["--cell", "delay_ms=500"], Some(&study));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).starts_with("not as in the lab, queue_packets: "), "{}", text(&output.stderr));
    fs::write(&written, &output.stdout).unwrap();
    let checked = rspec(&["--check"], Some(&written));
    let said = text(&checked.stdout);
    assert_eq!(checked.status.code(), Some(0), "{said}");
    assert!(said.contains("link-3: worker-3 to manager: 100000 kbit/s, 500 ms, 0 % lost\n"), "{said}");
    assert!(said.ends_with("\nmachines: 5, links: 4, findings: 0\n"), "{said}");
}

#[test]
fn a_study_of_several_cells_is_asked_which_and_nothing_is_printed() {
    let folder = folder();
    let study = folder.path().join("study.toml");
    fs::write(&study, STUDY).unwrap();
    let output = rspec(&[], Some(&study));
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &[][..]), "{said}");
    assert!(
        said.contains("study.toml: failed to choose a cell by itself") && said.contains("delay_ms=0; delay_ms=500"),
        "{said}"
    );
}

#[test]
fn a_file_with_a_fault_one_that_is_none_and_wrong_usage_end_each_with_a_status_of_their_own() {
    let folder = folder();
    let [faulty, text_file, latin] = ["faulty.xml", "text.xml", "latin.xml"].map(|name| folder.path().join(name));
    fs::write(&faulty, "<rspec xmlns=\"http://www.geni.net/resources/rspec/3\" type=\"request\">\n<node/></rspec>")
        .unwrap();
    fs::write(&text_file, "no XML at all").unwrap();
    fs::write(&latin, b"<rspec a=\"\xe9\"/>").unwrap();
    let output = rspec(&["--check"], Some(&faulty));
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said, "line 2: wrong: this <node> has no client_id\nmachines: 1, links: 0, findings: 1\n");
    for unreadable in [text_file, latin, folder.path().join("missing.xml")] {
        let output = rspec(&["--check"], Some(&unreadable));
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.starts_with(&format!("manyeyes: failed to read {}: ", unreadable.display())), "{said}");
    }
    for wrong in [&[][..], &["study.toml", "--check", "file.xml"], &["study.toml", "--cell", "wokers=3"]] {
        assert_eq!(rspec(wrong, None).status.code(), Some(2), "{wrong:?}");
    }
}
