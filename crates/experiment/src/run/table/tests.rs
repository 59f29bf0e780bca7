use std::cell::RefCell;
use std::io::Read;

use super::*;
use crate::plan::turns;
use crate::record::{Host, MachineFacts, Software};

const MADE: Machines<'_> = Machines { emulator: LinkEmulator::Manyeyes, hosts: None };

fn study(service_ms: u32, repeats: u32) -> Scenario {
    let text = format!(
        "name = \"study\"\ntitle = \"t\"\nquestion = \"q\"\nrepeats = {repeats}\nseed = 1\nbound_s = 60\n\
         [fixed]\nservice_ms = {service_ms}\n[factors]\nimages = [1, 5]\n"
    );
    Scenario::parse(&text, Path::new(""), false).unwrap()
}

fn row(scenario: &Scenario, turn: Turn) -> Run {
    let planned = &scenario.cells[turn.cell];
    Run {
        format: FORMAT,
        study: scenario.name.clone(),
        levels: planned.levels.clone(),
        cell: planned.cell.clone(),
        block: turn.block,
        position: turn.position,
        seed: turn.seed,
        scenario: scenario.digest.clone(),
        began_unix_s: 1_764_345_600.25,
        software: Software { version: "0.1.0".to_owned(), commit: None },
        hosts: Vec::new(),
        machine: MachineFacts {
            kernel: "6.18".to_owned(),
            processor: "p".to_owned(),
            cores: 2,
            memory_bytes: 1 << 33,
            privilege: "root".to_owned(),
            emulator: "manyeyes".to_owned(),
            default_congestion_control: "bbr".to_owned(),
        },
        images: Vec::new(),
        workers: Vec::new(),
        links: Vec::new(),
        events: Vec::new(),
        elapsed_s: Some(0.1 + 0.2),
        void: Vec::new(),
    }
}

fn open(folder: &Path, scenario: &Scenario) -> (anyhow::Result<Table>, Vec<String>) {
    let said = RefCell::new(Vec::new());
    let table = Table::open(folder, scenario, MADE, &|line| said.borrow_mut().push(line.to_owned()));
    (table, said.into_inner())
}

fn text(folder: &Path) -> String {
    let mut text = String::new();
    File::open(folder.join("study.jsonl")).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn what_was_run_is_not_run_again() {
    let (folder, scenario) = (tempfile::tempdir().unwrap(), study(500, 2));
    let all = turns(&scenario);
    let (table, _) = open(folder.path(), &scenario);
    let mut table = table.unwrap();
    assert_eq!(table.missing(&scenario, all.clone()), all);
    table.add(row(&scenario, all[0])).unwrap();
    drop(table);
    let (table, said) = open(folder.path(), &scenario);
    assert_eq!(table.unwrap().missing(&scenario, all.clone()), all[1..]);
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn more_repeats_go_on_where_fewer_ended() {
    let (folder, scenario) = (tempfile::tempdir().unwrap(), study(500, 1));
    let mut table = open(folder.path(), &scenario).0.unwrap();
    turns(&scenario).into_iter().for_each(|turn| table.add(row(&scenario, turn)).unwrap());
    drop(table);
    let more = study(500, 3);
    let table = open(folder.path(), &more).0.unwrap();
    assert_eq!(table.missing(&more, turns(&more)), turns(&more)[2..]);
}

#[test]
fn a_row_reads_back_as_it_was() {
    let (folder, scenario) = (tempfile::tempdir().unwrap(), study(500, 1));
    let written = row(&scenario, turns(&scenario)[0]);
    open(folder.path(), &scenario).0.unwrap().add(written.clone()).unwrap();
    assert_eq!(open(folder.path(), &scenario).0.unwrap().rows, [written]);
}

#[test]
fn a_last_line_that_was_cut_off_is_dropped_and_said() {
    let (folder, scenario) = (tempfile::tempdir().unwrap(), study(500, 2));
    let all = turns(&scenario);
    let mut table = open(folder.path(), &scenario).0.unwrap();
    table.add(row(&scenario, all[0])).unwrap();
    let whole = text(folder.path());
    table.add(row(&scenario, all[1])).unwrap();
    drop(table);
    let path = folder.path().join("study.jsonl");
    for cut in [whole.len() + 1, whole.len() + 40, text(folder.path()).len() - 1] {
        OpenOptions::new().write(true).open(&path).unwrap().set_len(cut as u64).unwrap();
        let (table, said) = open(folder.path(), &scenario);
        let mut table = table.unwrap();
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(text(folder.path()), whole);
        assert_eq!(table.missing(&scenario, all.clone()), all[1..]);
        table.add(row(&scenario, all[1])).unwrap();
        assert_eq!(text(folder.path()).lines().count(), 2, "what is added after stands on a line of its own");
    }
}

#[test]
fn rows_of_another_study_are_neither_mixed_nor_lost() {
    let (folder, scenario) = (tempfile::tempdir().unwrap(), study(500, 1));
    open(folder.path(), &scenario).0.unwrap().add(row(&scenario, turns(&scenario)[0])).unwrap();
    let before = text(folder.path());
    let error = format!("{:#}", open(folder.path(), &study(400, 1)).0.err().unwrap());
    assert!(error.contains("rows of another study") && error.contains("--fresh"), "{error}");
    assert_eq!(text(folder.path()), before);
    forget(folder.path(), &scenario).unwrap();
    assert!(open(folder.path(), &study(400, 1)).0.is_ok());
}

#[test]
fn a_line_that_is_damaged_is_named() {
    let (folder, scenario) = (tempfile::tempdir().unwrap(), study(500, 1));
    fs::write(folder.path().join("study.jsonl"), "{\"format\":1}\n").unwrap();
    let error = format!("{:#}", open(folder.path(), &scenario).0.err().unwrap());
    assert!(error.contains("study.jsonl, line 1: it is no row"), "{error}");
}

/// Figures of two emulators are two studies, though of one scenario.
#[test]
fn rows_of_another_emulator_are_left_alone() {
    let (folder, scenario) = (tempfile::tempdir().unwrap(), study(500, 1));
    open(folder.path(), &scenario).0.unwrap().add(row(&scenario, turns(&scenario)[0])).unwrap();
    let before = text(folder.path());
    let netem = Machines { emulator: LinkEmulator::Netem, ..MADE };
    let refused = Table::open(folder.path(), &scenario, netem, &|_| ()).err().unwrap().to_string();
    assert!(refused.contains("links that manyeyes emulated, not netem") && refused.contains("--out"), "{refused}");
    assert_eq!(text(folder.path()), before);
}

#[test]
fn rows_of_machines_that_were_made_given_and_given_elsewhere_do_not_go_into_one_file() {
    let hosts = |manager: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hosts.toml");
        let text = format!(
            "[manager]\nssh = \"{manager}\"\n[client]\naddress = \"10.10.0.2\"\nmanager_address = \"10.10.0.1\"\n\
             [[worker]]\nssh = \"one\"\naddress = \"10.10.1.2\"\nmanager_address = \"10.10.1.1\"\n"
        );
        fs::write(&path, text).unwrap();
        HostsFile::read(&path).unwrap()
    };
    let scenario = study(10, 1);
    let made = row(&scenario, turns(&scenario)[0]);
    let host =
        |name: &str, ssh: &str| Host { name: name.to_owned(), ssh: ssh.to_owned(), machine: made.machine.clone() };
    let mut given = Run { hosts: vec![host("manager", "here"), host("worker-1", "one")], ..made.clone() };
    given.machine.emulator = "netem".to_owned();
    let (here, there) = (hosts("here"), hosts("there"));
    let on = |hosts| Machines { emulator: LinkEmulator::Netem, hosts: Some(hosts) };
    assert_eq!(on(&here).other(&given), None);
    let elsewhere = on(&there).other(&given).unwrap();
    assert_eq!(elsewhere, "another manager: it was here, and is there now");
    let in_namespaces = Machines { emulator: LinkEmulator::Netem, hosts: None };
    assert_eq!(in_namespaces.other(&given).unwrap(), "machines that were given, not made");
    let of_namespaces = Run { hosts: Vec::new(), ..given.clone() };
    assert_eq!(on(&here).other(&of_namespaces).unwrap(), "machines that were made, not given");
}
