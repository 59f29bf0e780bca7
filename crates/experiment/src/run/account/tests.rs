use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
use crate::record::Transport;
use crate::run::client::Notebook;
use crate::scenario::Scenario;

/// An answered image as the manager tells of it.
fn copy(id: &str, state: &str, seq: u64) -> Copy {
    Copy { id: id.to_owned(), state: state.to_owned(), seq, worker: Some("worker-1".to_owned()), ..Copy::default() }
}

/// Notes of a run of two images, of which the first is answered after two seconds.
fn begun(began: Instant) -> Notebook {
    let notebook = Notebook::default();
    notebook.begin(began);
    for (number, id) in [(0, "7"), (1, "8")] {
        notebook.upload(number, |upload| {
            *upload =
                Upload { bytes: 100, begun_s: 0.0, accepted_s: Some(0.5), id: Some(id.to_owned()), refused: None };
        });
    }
    notebook.told(began + Duration::from_secs(1), copy("7", "assigned", 1));
    notebook.told(began + Duration::from_secs(2), copy("7", "recognised", 2));
    notebook
}

/// What was asked for: two images.
fn cell() -> Cell {
    let text = "name = \"n\"\ntitle = \"t\"\nquestion = \"q\"\nrepeats = 1\nseed = 1\nbound_s = 60\n\
                [fixed]\nservice_ms = 500\nimages = 2\n";
    Scenario::parse(text, Path::new(""), false).unwrap().cells[0].cell.clone()
}

#[test]
fn a_run_lasts_until_its_last_answer() {
    let began = Instant::now();
    let notebook = begun(began);
    notebook.told(began + Duration::from_secs(3), copy("8", "recognised", 3));
    let images = images(&notebook.read(), 2);
    assert_eq!(elapsed_s(&images), Some(3.0));
    assert!(images.iter().all(|image| image.answers == 1 && image.state == "recognised"), "{images:?}");
}

#[test]
fn an_image_without_an_answer_is_lost_and_the_run_has_no_length() {
    let notebook = begun(Instant::now());
    let images = images(&notebook.read(), 2);
    assert_eq!((images[1].state.as_str(), images[1].answers, images[1].answered_s), (LOST, 0, None));
    assert_eq!(elapsed_s(&images), None);
}

#[test]
fn an_image_that_was_never_uploaded_is_lost_too() {
    let images = images(&begun(Instant::now()).read(), 3);
    assert_eq!((images.len(), images[2].state.as_str(), images[2].accepted_s), (3, LOST, None));
}

#[test]
fn a_second_answer_is_counted_and_a_copy_of_the_first_is_not() {
    let began = Instant::now();
    let notebook = begun(began);
    notebook.told(began + Duration::from_secs(4), copy("7", "recognised", 2));
    notebook.told(began + Duration::from_secs(4), copy("7", "recognised", 5));
    assert_eq!(images(&notebook.read(), 2)[0].answers, 1);
    let other = Copy { worker: Some("worker-2".to_owned()), ..copy("7", "recognised", 6) };
    notebook.told(began + Duration::from_secs(5), other);
    let first = &images(&notebook.read(), 2)[0];
    assert_eq!((first.answers, first.answered_s), (2, Some(2.0)));
}

#[test]
fn a_batch_with_more_images_than_were_uploaded_does_not_count() {
    let notebook = begun(Instant::now());
    notebook.last(vec![copy("7", "recognised", 2), copy("8", "recognised", 3), copy("9", "recognised", 4)]);
    assert_eq!(faults(&notebook.read(), &cell()), ["the batch has 3 images and 2 were uploaded"]);
    notebook.last(vec![copy("7", "recognised", 2), copy("8", "recognised", 3)]);
    assert!(faults(&notebook.read(), &cell()).is_empty());
}

#[test]
fn a_connection_with_another_congestion_control_does_not_count() {
    let notebook = begun(Instant::now());
    notebook.last(Vec::new());
    let worker = |id: &str, has: &str| crate::run::client::Worker {
        id: id.to_owned(),
        congestion_control: Some(has.to_owned()),
        ..Default::default()
    };
    notebook.status(Instant::now(), vec![worker("worker-1", "cubic"), worker("worker-2", "bbr")], Vec::new());
    let expected = "the connection of worker-2 has the congestion control bbr, not cubic";
    assert_eq!(faults(&notebook.read(), &cell()), [expected]);
}

#[test]
fn over_quic_the_control_is_quics_own() {
    let cell = Cell { transport: Transport::Quic, ..cell() };
    let notebook = begun(Instant::now());
    notebook.last(Vec::new());
    let worker = |id: &str, has: &str| crate::run::client::Worker {
        id: id.to_owned(),
        congestion_control: Some(has.to_owned()),
        ..Default::default()
    };
    notebook.status(Instant::now(), vec![worker("worker-1", "quic cubic"), worker("worker-2", "cubic")], Vec::new());
    let expected = "the connection of worker-2 has the congestion control cubic, not quic cubic";
    assert_eq!(faults(&notebook.read(), &cell), [expected]);
}

#[test]
fn what_workers_did_for_the_images_that_went_before_is_not_counted() {
    let cell = Cell { warm: 20, ..cell() };
    let began = Instant::now();
    let notebook = begun(began);
    notebook.last(Vec::new());
    assert_eq!(
        faults(&notebook.read(), &cell),
        ["of the 20 images that were to go before, some had no answer in time"]
    );
    let worker = |images, payload_bytes| crate::run::client::Worker {
        id: "worker-1".to_owned(),
        images,
        payload_bytes,
        ..Default::default()
    };
    notebook.went_before(began, began + Duration::from_millis(3), vec![worker(7, 700)]);
    notebook.status(began + Duration::from_secs(4), vec![worker(8, 810)], Vec::new());
    let notes = notebook.read();
    let told = workers(&notes, &cell);
    assert_eq!((told[0].images, told[0].payload_bytes), (1, 110));
    assert_eq!(notes.idle_s, Some(0.003));
    assert!(faults(&notes, &cell).is_empty());
}

#[test]
fn what_workers_did_before_the_beginning_is_no_event() {
    let began = Instant::now();
    let notebook = begun(began);
    let happening = |seq, ago_ms, kind: &str| crate::run::client::Happening {
        seq,
        ago_ms,
        kind: kind.to_owned(),
        worker: "worker-2".to_owned(),
    };
    let told = vec![happening(1, 9_000, "joined"), happening(2, 500, "setaside")];
    notebook.status(began + Duration::from_secs(3), Vec::new(), told.clone());
    notebook.status(began + Duration::from_secs(4), Vec::new(), told);
    let killed = Event { at_s: 1.0, whom: "worker-2".to_owned(), what: "killed".to_owned() };
    let events = events(&notebook.read(), vec![killed]);
    let told: Vec<(f64, &str)> = events.iter().map(|event| (event.at_s, event.what.as_str())).collect();
    assert_eq!(told, [(1.0, "killed"), (2.5, "set aside")]);
    assert_eq!(notebook.gone(), 1);
}
