use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use manyeyes_testbed::Loss;

use super::*;
use crate::record::{Failure, Service};

const HEAD: &str = "name = \"study\"\ntitle = \"t\"\nquestion = \"q\"\nrepeats = 2\nseed = 1\nbound_s = 60\n";

fn parse(rest: &str) -> Result<Scenario, Fault> {
    Scenario::parse(&format!("{HEAD}{rest}"), Path::new("folder"), false)
}

fn cells(rest: &str) -> Vec<Planned> {
    parse(rest).unwrap().cells
}

/// What follows the head begins on its seventh line.
#[test]
fn whatever_is_wrong_is_said_with_its_line_and_what_would_be_right() {
    let table: [(&str, Option<usize>, &[&str]); 28] = [
        ("colour = 3\n", Some(7), &["unknown field `colour`", "`factors`"]),
        ("[fixed]\nwokers = 3\n", Some(8), &["no factor \"wokers\"", "workers, images, service_ms"]),
        ("[fixed]\nservice_ms = 1\nworkers = 0\n", Some(9), &["workers = 0", "a whole number from 1 to 63"]),
        ("[fixed]\nworkers = 2.5\n", Some(8), &["workers = 2.5", "a whole number"]),
        ("[fixed]\nworkers = \"many\"\n", Some(8), &["workers = \"many\"", "a whole number"]),
        ("[fixed]\nworkers = true\n", Some(8), &["workers = true", "a whole number"]),
        ("[fixed]\nfailure_probability = 1.5\n", Some(8), &["failure_probability = 1.5", "a number from 0 to 1"]),
        ("[fixed]\nloss = nan\n", Some(8), &["loss = nan", "a number from 0 to 0.9"]),
        ("[fixed]\nfailure_mode = \"explode\"\n", Some(8), &["\"explode\"", "\"announce\", \"crash\", \"hang\""]),
        ("[fixed]\ncongestion_control = \"vegas\"\n", Some(8), &["\"vegas\"", "\"cubic\", \"bbr\", \"reno\""]),
        ("[fixed]\ntransport = \"sctp\"\n", Some(8), &["\"sctp\"", "\"tcp\", \"quic\""]),
        ("[fixed]\nwarm = -1\n", Some(8), &["warm = -1", "a whole number from 0 to 10000"]),
        ("[fixed]\nprofile = \"moon\"\n", Some(8), &["\"moon\"", "\"lan\", \"lossy\""]),
        ("[fixed]\nmodel = 3\n", Some(8), &["model = 3", "a name"]),
        ("[factors]\ndelay_ms = 100\n", Some(8), &["invalid type", "sequence"]),
        ("[factors]\ndelay_ms = []\n", Some(8), &["delay_ms has no level"]),
        ("[factors]\ndelay_ms = [\n  0,\n  -1,\n]\n", Some(10), &["delay_ms = -1", "a number from 0 to 10000"]),
        ("[factors]\ndelay_ms = [0, 5, 0]\n", Some(8), &["the level 0 twice"]),
        ("[fixed]\nworkers = 1\n[factors]\nworkers = [1, 2]\n", Some(8), &["workers is fixed here and varies"]),
        ("[fixed]\nworkers = 3\n", None, &["neither service_ms nor model"]),
        ("[fixed]\nservice_ms = 1\nmodel = \"googlenet\"\n", None, &["both given"]),
        ("[fixed]\nservice_ms = 1\nfailure_probability = 0.5\n", None, &["no failure_mode", "\"announce\""]),
        ("[fixed]\nservice_ms = 1\njitter_ms = 5\n", None, &["jitter_ms is 5", "it must be 0 to 0"]),
        ("[fixed]\nservice_ms = 1\nworkers = 60\nstandby = 5\n", None, &["60 workers and 5 on standby"]),
        ("[fixed]\nservice_ms = 1\n[quick]\nrepeats = 0\n", Some(10), &["repeats = 0", "from 1 to 1000"]),
        (
            "[fixed]\nservice_ms = 1\n[[event]]\nat_s = 1\nwhat = \"kill\"\nwhom = \"worker-9\"\n",
            Some(9),
            &["no worker-9", "the smallest has 3 workers"],
        ),
        (
            "[fixed]\nservice_ms = 1\n[[event]]\nat_s = 1\nwhat = \"cut\"\nwhom = \"manager\"\n",
            Some(9),
            &["a link can be cut, and manager is a process"],
        ),
        (
            "[fixed]\nservice_ms = 1\n[[event]]\nat_s = 1\nwhat = \"explode\"\nwhom = \"manager\"\n",
            Some(11),
            &["unknown variant `explode`", "`kill`"],
        ),
    ];
    for (rest, line, words) in table {
        let fault = parse(rest).expect_err(rest);
        assert_eq!(fault.line, line, "{rest}\n{fault}");
        for word in words {
            assert!(fault.what.contains(word), "{rest}\n{fault}\nlacks: {word}");
        }
    }
}

#[test]
fn a_head_that_is_wrong_is_said_too() {
    for (from, to, words) in [
        ("name = \"study\"", "name = \"../study\"", "1 to 64 small letters, digits and dashes"),
        ("repeats = 2", "repeats = 0", "from 1 to 1000"),
        ("repeats = 2\n", "", "missing field `repeats`"),
        ("bound_s = 60", "bound_s = 1e9", "from 1 to 3600 seconds"),
        ("seed = 1", "seed = 1\nseed = 2", "duplicate key"),
        ("title = \"t\"", "title = ", "line 2"),
    ] {
        let text = format!("{HEAD}[fixed]\nservice_ms = 1\n").replacen(from, to, 1);
        let fault = Scenario::parse(&text, Path::new(""), false).expect_err(to).to_string();
        assert!(fault.contains(words), "{to}: {fault}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Scenario::read(Path::new("no/such.toml"), false).unwrap_err().to_string();
    assert!(error.starts_with("read no/such.toml: "), "{error}");
}

#[test]
fn a_wrong_file_is_named_with_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.toml");
    std::fs::write(&path, format!("{HEAD}colour = 3\n")).unwrap();
    let error = Scenario::read(&path, false).unwrap_err().to_string();
    assert!(error.contains("wrong.toml: line 7: unknown field `colour`"), "{error}");
}

#[test]
fn factors_are_crossed_and_what_is_to_be_also_comes_after() {
    let cells = cells(
        "[fixed]\nservice_ms = 500\nimages = 30\n[factors]\nfailure_probability = [0.1, 0.5]\n\
         failure_mode = [\"announce\", \"crash\"]\n[[also]]\nworkers = 2\n",
    );
    assert_eq!(cells.len(), 5);
    let keys: BTreeSet<&str> = cells.iter().flat_map(|planned| planned.levels.keys().map(String::as_str)).collect();
    assert_eq!(keys, BTreeSet::from(["failure_mode", "failure_probability", "workers"]));
    assert_eq!(cells[0].cell.failure, Some(Failure { probability: 0.1, mode: "announce".to_owned() }));
    let also = &cells[4];
    assert_eq!((also.cell.workers, &also.cell.failure), (2, &None));
    assert_eq!(also.levels["failure_mode"], Level::Word(NOT_APPLICABLE.to_owned()));
    assert_eq!(also.levels["workers"], Level::Number(2.0));
}

#[test]
fn levels_that_mean_nothing_make_no_cell_of_their_own() {
    let cells =
        cells("[fixed]\nservice_ms = 1\n[factors]\nloss = [0, 0.1]\nloss_model = [\"independent\", \"bursty\"]\n");
    let levels: Vec<(String, String)> =
        cells.iter().map(|it| (it.levels["loss"].text(), it.levels["loss_model"].text())).collect();
    let expected = [("0", "none"), ("0.1", "independent"), ("0.1", "bursty")];
    assert_eq!(levels, expected.map(|(loss, model)| (loss.to_owned(), model.to_owned())));
}

#[test]
fn bursts_lose_the_share_that_was_asked_for_in_runs_of_four() {
    let cells = cells("[fixed]\nservice_ms = 1\nloss = 0.15\nloss_model = \"bursty\"\n");
    assert!((cells[0].cell.down.loss.mean() - 0.15).abs() < 1e-12);
    let Loss::Bursty { leave, .. } = cells[0].cell.down.loss else { panic!("{:?}", cells[0].cell.down.loss) };
    assert!((1.0 / leave - BURST_PACKETS).abs() < 1e-12);
}

#[test]
fn one_direction_can_be_impaired_alone() {
    let cells = cells("[fixed]\nservice_ms = 1\ndelay_ms = 300\n[factors]\nimpaired = [\"both\", \"down\", \"up\"]\n");
    let delays: Vec<(f64, f64)> = cells.iter().map(|it| (it.cell.down.delay_ms, it.cell.up.delay_ms)).collect();
    assert_eq!(delays, [(300.0, 300.0), (300.0, 0.0), (0.0, 300.0)]);
}

#[test]
fn who_is_in_a_hurry_gets_what_quick_says_and_the_rest_as_usual() {
    let text = format!(
        "{HEAD}[fixed]\nservice_ms = 500\nimages = 300\n[factors]\ndelay_ms = [0, 100, 500]\n\
         [quick]\nrepeats = 1\nfixed.images = 30\nfactors.delay_ms = [0, 500]\n"
    );
    let read = |quick| Scenario::parse(&text, Path::new(""), quick).unwrap();
    let (usual, quick) = (read(false), read(true));
    assert_eq!((usual.repeats, usual.cells.len(), usual.cells[0].cell.images), (2, 3, 300));
    assert_eq!((quick.repeats, quick.cells.len(), quick.cells[0].cell.images), (1, 2, 30));
    assert_eq!(quick.cells[0].cell.service, Service::Fixed { service_ms: 500.0 });
    assert_ne!(usual.digest, quick.digest, "their rows are not of one study");
}

#[test]
fn more_repeats_are_of_the_same_study_and_anything_else_is_not() {
    let text = format!("{HEAD}[fixed]\nservice_ms = 500\n");
    let digest =
        |from: &str, to: &str| Scenario::parse(&text.replacen(from, to, 1), Path::new(""), false).unwrap().digest;
    assert_eq!(digest("repeats = 2", "repeats = 9"), digest("", ""));
    for (from, to) in [("seed = 1", "seed = 2"), ("bound_s = 60", "bound_s = 61"), ("ms = 500", "ms = 400")] {
        assert_ne!(digest(from, to), digest("", ""), "{to}");
    }
}

/// Found by adding a factor: every digest changed with it, and the rows that were there were of no study any more.
#[test]
fn a_factor_that_is_left_as_it_was_does_not_make_another_study() {
    let digest = |more: &str| parse(&format!("[fixed]\nservice_ms = 500\n{more}")).unwrap().digest;
    let cell = &cells("[fixed]\nservice_ms = 500\n")[0].cell;
    let row = serde_json::to_value(cell).unwrap();
    for (factor, same, other) in
        [("transport", "\"tcp\"", "\"quic\""), ("warm", "0", "3"), ("send_smaller", "\"never\"", "\"auto\"")]
    {
        assert_eq!(digest(&format!("{factor} = {same}\n")), digest(""), "{factor}");
        assert_ne!(digest(&format!("{factor} = {other}\n")), digest(""), "{factor}");
        assert_eq!(row.get(factor), None, "{row}");
    }
    assert_eq!(serde_json::from_value::<Cell>(row).unwrap(), *cell, "a row of before there was a choice");
    assert_ne!(digest("warm = 3\nidle_ms = 100\n"), digest("warm = 3\n"));
}

#[test]
fn a_pause_after_images_that_do_not_go_before_is_none() {
    let cells = cells("[fixed]\nservice_ms = 500\nidle_ms = 900\n[factors]\nwarm = [0, 9]\n");
    assert_eq!(cells.iter().map(|it| it.cell.idle_ms).collect::<Vec<_>>(), [0.0, 900.0]);
}

#[test]
fn what_is_done_for_a_while_is_undone_and_all_is_in_times_order() {
    let scenario = parse(
        "[fixed]\nservice_ms = 1\n[[event]]\nat_s = 3\nwhat = \"kill\"\nwhom = \"worker-2\"\n\
         [[event]]\nat_s = 1\nwhat = \"cut\"\nwhom = \"link-1\"\nfor_s = 5\n",
    )
    .unwrap();
    let happenings: Vec<(u64, String, &str)> =
        scenario.script.iter().map(|it| (it.at.as_secs(), it.whom.to_string(), it.action.done())).collect();
    let expected = [(1, "link-1", "cut"), (3, "worker-2", "killed"), (6, "link-1", "mended")];
    assert_eq!(happenings, expected.map(|(at, whom, done)| (at, whom.to_owned(), done)));
}

#[test]
fn a_folder_of_photos_is_beside_the_file() {
    let scenario = parse("photos = \"pictures\"\n[fixed]\nservice_ms = 1\n").unwrap();
    assert_eq!(scenario.photos.as_deref(), Some(Path::new("folder/pictures")));
    assert_eq!(scenario.bound, Duration::from_secs(60));
}
