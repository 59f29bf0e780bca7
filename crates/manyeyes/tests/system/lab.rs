//! `manyeyes experiment`: real runs on a testbed, what they leave behind in a table, and that they leave nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use manyeyes_experiment::report;
use manyeyes_experiment::scenario::Scenario;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::{folder, manyeyes, signal_process, wait_until};

/// A study in a folder of its own, and where its rows go.
struct Study {
    folder: TempDir,
    scenario: PathBuf,
}

impl Study {
    fn new(repeats: u32, rest: &str) -> Self {
        let folder = folder();
        let scenario = folder.path().join("tiny.toml");
        let head = "name = \"tiny\"\ntitle = \"t\"\nquestion = \"q\"\nseed = 1\nbound_s = 60\n";
        fs::write(&scenario, format!("{head}repeats = {repeats}\n{rest}")).expect("a scenario can be written");
        Self { folder, scenario }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("rows")
    }

    /// The lab, in a network of its own: labs on one machine exclude each other, and tests run side by side.
    fn run(&self) -> Child {
        self.run_with(&[])
    }

    fn run_with(&self, more: &[&str]) -> Child {
        let mut command = Command::new("unshare");
        command.arg("--net").arg(manyeyes().get_program()).args(["experiment", "run"]).arg(&self.scenario);
        command
            .arg("--out")
            .arg(self.out())
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().expect("unshare is there")
    }

    fn rows(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.out().join("tiny.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a row is JSON")).collect()
    }

    /// Nothing of it is left but its rows, and the report if it came so far: no process, and no file.
    fn assert_nothing_is_left(&self) {
        wait_until("no process of the lab is left", || processes_that_name(self.folder.path()).is_empty());
        let names = fs::read_dir(self.out()).expect("a folder").flatten().map(|entry| entry.file_name());
        let left: BTreeSet<_> = names.filter(|name| !["report.html", "figures"].iter().any(|it| name == it)).collect();
        assert_eq!(left, BTreeSet::from(["tiny.jsonl".into()]));
    }
}

/// Whether there can be a lab here; if not, that is said.
fn is_possible(test: &str) -> bool {
    let unshare = Command::new("unshare").args(["--net", "true"]).stderr(Stdio::null()).status();
    let is_possible = unshare.is_ok_and(|status| status.success());
    if !is_possible {
        eprintln!("NOT RUN without network namespaces: {test}");
    }
    is_possible
}

/// Waits for its end; gives what it has said too, results last.
fn ended(lab: Child) -> (ExitStatus, String) {
    let output = lab.wait_with_output().expect("it can be waited for");
    (output.status, [output.stderr, output.stdout].map(|said| String::from_utf8_lossy(&said).into_owned()).concat())
}

/// The processes whose command line has this in it: workers and managers name their folder or are told of it.
fn processes_that_name(folder: &Path) -> Vec<u32> {
    let folder = folder.to_string_lossy().into_owned();
    let processes = fs::read_dir("/proc").expect("there is /proc").flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    let names_it = |id: &u32| {
        let words = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        *id != std::process::id() && String::from_utf8_lossy(&words).contains(&folder)
    };
    ids.filter(names_it).collect()
}

#[test]
fn a_study_leaves_a_true_row_of_each_run_and_nothing_else() {
    if !is_possible("a_study_leaves_a_true_row_of_each_run_and_nothing_else") {
        return;
    }
    let study = Study::new(2, "[fixed]\nworkers = 1\nimages = 3\nservice_ms = 20\n[factors]\ndelay_ms = [0, 50]\n");
    let (status, said) = ended(study.run());
    assert!(status.success(), "{said}");
    let report = study.out().join("report.html");
    assert!(said.ends_with(&format!("report {}\n", report.display())) && report.exists(), "{said}");
    let rows = study.rows();
    assert_eq!(rows.len(), 4, "{said}");
    for row in &rows {
        let images = row["images"].as_array().expect("images");
        assert_eq!(images.len(), 3);
        for image in images {
            assert_eq!((&image["state"], &image["answers"]), (&"recognised".into(), &1.into()), "{image}");
            assert!(image["upload_begun_s"].as_f64() < image["answered_s"].as_f64(), "{image}");
            let [sent, resent] = ["bytes_sent", "bytes_resent"].map(|part| image["wire"][part].as_u64());
            assert_eq!(sent, image["bytes"].as_u64().zip(resent).map(|(file, resent)| file + resent), "{image}");
        }
        // Three images of 20 ms on one worker, and each way at least once.
        let floor_s = 0.060 + 2.0 * row["levels"]["delay_ms"].as_f64().expect("a delay") / 1e3;
        assert!(row["elapsed_s"].as_f64() >= Some(floor_s), "{}", row["elapsed_s"]);
        assert_eq!(row["workers"][0]["images"], 3);
        assert_eq!(row["workers"][0]["congestion_control"], "cubic");
        let links = row["links"].as_array().expect("links");
        assert_eq!(links.iter().map(|link| &link["end"]).collect::<Vec<_>>(), ["client", "worker-1"]);
        let [sent, payload] = [&links[1]["down"]["bytes"], &row["workers"][0]["payload_bytes"]].map(Value::as_u64);
        assert!(sent > payload, "what was carried has the images in it: {sent:?} of {payload:?}");
    }
    let of: BTreeSet<String> = rows.iter().map(|row| format!("{} {}", row["block"], row["levels"])).collect();
    assert_eq!(of.len(), 4, "each cell once in each block");
    study.assert_nothing_is_left();

    let (status, said) = ended(study.run());
    assert!(status.success() && study.rows().len() == 4, "nothing is run again: {said}");
}

#[test]
fn images_that_go_before_are_not_counted_whatever_carries_them() {
    if !is_possible("images_that_go_before_are_not_counted_whatever_carries_them") {
        return;
    }
    let study = Study::new(
        1,
        "[fixed]\nworkers = 1\nimages = 3\nservice_ms = 20\nwarm = 4\n[factors]\ntransport = [\"tcp\", \"quic\"]\n",
    );
    let (status, said) = ended(study.run());
    assert!(status.success(), "{said}");
    let told = |row: &Value| row["workers"][0]["congestion_control"].as_str().map(str::to_owned);
    let controls: BTreeSet<_> = study.rows().iter().filter_map(told).collect();
    assert_eq!(controls, BTreeSet::from(["cubic", "quic cubic"].map(str::to_owned)), "{said}");
    for row in study.rows() {
        assert_eq!(row["images"].as_array().map(Vec::len), Some(3), "{row}");
        let worker = &row["workers"][0];
        let sent: u64 = row["images"].as_array().into_iter().flatten().filter_map(|it| it["bytes"].as_u64()).sum();
        assert_eq!((&worker["images"], worker["payload_bytes"].as_u64()), (&3.into(), Some(sent)), "{row}");
        assert!(row["idle_s"].is_f64(), "{row}");
    }
}

#[test]
fn ctrl_c_in_the_midst_of_a_run_leaves_a_clean_machine_and_what_was_measured() {
    if !is_possible("ctrl_c_in_the_midst_of_a_run_leaves_a_clean_machine_and_what_was_measured") {
        return;
    }
    let study = Study::new(2, "[fixed]\nworkers = 2\nimages = 40\nservice_ms = 100\n");
    let lab = study.run();
    wait_until("the second run is under way", || {
        study.rows().len() == 1 && study.out().join("at-work/worker-2.log").exists()
    });
    signal_process(lab.id(), Signal::INT);
    let (status, said) = ended(lab);
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted; what was measured is kept"), "{said}");
    assert_eq!(study.rows().len(), 1);
    study.assert_nothing_is_left();

    let (status, said) = ended(study.run());
    assert!(status.success(), "{said}");
    let blocks: Vec<u64> = study.rows().iter().filter_map(|row| row["block"].as_u64()).collect();
    assert_eq!(blocks, [0, 1], "the run that was cut off is made, and the other not again");
}

#[test]
fn a_killed_lab_leaves_no_process_and_the_next_goes_on() {
    if !is_possible("a_killed_lab_leaves_no_process_and_the_next_goes_on") {
        return;
    }
    let study = Study::new(1, "[fixed]\nworkers = 1\nimages = 30\nservice_ms = 100\n");
    let lab = study.run();
    wait_until("a run is under way", || study.out().join("at-work/worker-1.log").exists());
    signal_process(lab.id(), Signal::KILL);
    ended(lab);
    wait_until("no process of the lab is left", || processes_that_name(study.folder.path()).is_empty());
    let (status, said) = ended(study.run());
    assert!(status.success() && study.rows().len() == 1, "{said}");
    study.assert_nothing_is_left();
}

/// Kernels without it are common: this was written on one.
#[test]
fn the_kernels_own_emulator_serves_where_there_is_one_and_is_refused_at_once_elsewhere() {
    if !is_possible("the_kernels_own_emulator_serves_where_there_is_one_and_is_refused_at_once_elsewhere") {
        return;
    }
    let study = Study::new(1, "[fixed]\nworkers = 1\nimages = 3\nservice_ms = 20\ndelay_ms = 50\n");
    let (status, said) = ended(study.run_with(&["--emulator", "netem"]));
    if status.success() {
        let rows = study.rows();
        let [row] = &rows[..] else { panic!("one row, not {rows:?}") };
        assert_eq!(row["machine"]["emulator"], "netem");
        assert!(row["elapsed_s"].as_f64() >= Some(0.160), "{}", row["elapsed_s"]);
        assert!(row["links"][1]["down"]["bytes"].as_u64() > row["workers"][0]["payload_bytes"].as_u64(), "{row}");
    } else {
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(
            said.contains("run without --emulator netem") && said.contains("(netem) cannot be used here"),
            "{said}"
        );
        assert!(!study.out().exists(), "nothing was begun");
    }
}

#[test]
fn a_wrong_scenario_is_said_with_its_line_before_anything_runs() {
    let study = Study::new(2, "[fixed]\nworkers = 0\n");
    let run = manyeyes().args(["experiment", "run"]).arg(&study.scenario).arg("--out").arg(study.out()).output();
    let run = run.expect("the program runs");
    assert_eq!(run.status.code(), Some(1));
    let said = String::from_utf8_lossy(&run.stderr);
    let path = study.scenario.display();
    let expected = format!("failed to use {path}: line 8: workers = 0: it must be a whole number from 1 to 63");
    assert!(said.contains(&expected), "{said}");
    assert!(!study.out().exists());
}

/// The files of the committed studies' folder, or of one below it, that end so.
fn committed(folder: &str, ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments").join(folder);
    let files = fs::read_dir(folder).expect("there is such a folder").flatten().map(|entry| entry.path());
    files.filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}

/// What the documentation concludes is of the studies as they stand beside it, and of all of their runs.
#[test]
fn the_committed_results_are_of_the_committed_studies_and_whole() {
    let mut made: BTreeMap<String, usize> = BTreeMap::new();
    for run in report::read(&committed("results", ".jsonl.gz")).expect("rows that can be read") {
        *made.entry(run.scenario).or_default() += 1;
    }
    let studies = ["", "transports"].into_iter().flat_map(|folder| committed(folder, ".toml"));
    let planned = studies.map(|path| {
        let study = Scenario::read(&path, false).expect("a study");
        (study.digest, study.cells.len() * study.repeats as usize)
    });
    let planned: BTreeMap<String, usize> = planned.collect();
    for (study, runs) in &made {
        assert_eq!(planned.get(study), Some(runs), "of {study}");
    }
    assert!(!made.is_empty(), "there are results");
}

#[test]
fn the_committed_studies_can_be_planned_within_their_time() {
    for (folder, quick, most_min) in
        [("", false, 100), ("", true, 8), ("transports", false, 150), ("transports", true, 8)]
    {
        let files = committed(folder, ".toml");
        let mut plan = manyeyes();
        plan.args(["experiment", "run", "--dry-run"]).args(&files).args(quick.then_some("--quick"));
        let plan = plan.output().expect("the program runs");
        let said = String::from_utf8_lossy(&plan.stdout);
        assert!(plan.status.success(), "{}", String::from_utf8_lossy(&plan.stderr));
        let last = said.lines().last().expect("a plan has lines");
        let time = last.split_once("about ").and_then(|(_, rest)| rest.split_once(" min")).map(|(time, _)| time);
        let (hours, minutes) = time.map_or(("", ""), |time| time.split_once(" h ").unwrap_or(("0", time)));
        let minutes = hours.parse::<u32>().ok().zip(minutes.parse::<u32>().ok()).map(|(hours, rest)| hours * 60 + rest);
        assert!(minutes.is_some_and(|minutes| minutes < most_min), "{last}");
    }
}
