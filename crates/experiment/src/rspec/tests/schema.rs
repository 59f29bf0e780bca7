//! Files held against GENI's own schema, by lxml. `MANYEYES_RSPEC` is the folder of request.xsd and what it includes;
//! `MANYEYES_PYTHON` a Python that has lxml.

use std::env;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;

/// Reads files that zero bytes separate; says of each, in a line, what is wrong with it, or `valid`.
const VALIDATE: &str = r#"
import sys
from lxml import etree
schema = etree.XMLSchema(etree.parse(sys.argv[1]))
for text in sys.stdin.buffer.read().split(b"\0"):
    is_valid = schema.validate(etree.fromstring(text))
    print("valid" if is_valid else str(schema.error_log.last_error).replace("\n", " "))
"#;

/// What the schema says of each file; `None`, and that is said, where it cannot be asked.
fn verdicts(test: &str, files: &[String]) -> Option<Vec<String>> {
    let Some(folder) = env::var_os("MANYEYES_RSPEC") else {
        eprintln!("NOT RUN without MANYEYES_RSPEC: {test}");
        return None;
    };
    let program = env::var_os("MANYEYES_PYTHON").unwrap_or_else(|| "python3".into());
    let has_lxml = Command::new(&program).args(["-c", "import lxml.etree"]).stderr(Stdio::null()).status();
    if !has_lxml.is_ok_and(|status| status.success()) {
        eprintln!("NOT RUN without a python3 that has lxml: {test}");
        return None;
    }
    let mut python = Command::new(&program)
        .args(["-c", VALIDATE])
        .arg(Path::new(&folder).join("request.xsd"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(files.join("\0").as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "the validator failed");
    let verdicts: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(verdicts.len(), files.len(), "{verdicts:?}");
    Some(verdicts)
}

#[test]
fn what_is_written_is_valid_by_genis_schema() {
    let written = |rest: &str, options: &Options| only(rest, options).unwrap().xml;
    let bare = Options { has_client: false, ..Options::default() };
    let files = [
        written("[fixed]\nservice_ms = 500\n", &Options::default()),
        written("[fixed]\nservice_ms = 500\n", &bare),
        written(
            "[fixed]\nworkers = 60\nstandby = 3\nmodel = \"it's <a> model\"\ndelay_ms = 500\nloss = 0.15\n",
            &Options::default(),
        ),
        written("[fixed]\nservice_ms = 500\nprofile = \"satellite\"\n", &nearest()),
    ];
    let Some(verdicts) = verdicts("what_is_written_is_valid_by_genis_schema", &files) else { return };
    assert_eq!(verdicts, ["valid"; 4]);
}

/// What the schema refuses, `check` finds; each file is one with a single fault.
#[test]
fn what_genis_schema_refuses_is_found() {
    let fine = only("[fixed]\nservice_ms = 500\n", &Options::default()).unwrap().xml;
    let changes = [
        ("type=\"request\"", ""),
        ("type=\"request\"", "type=\"manifest\""),
        ("node client_id=\"manager\"", "node"),
        ("<node client_id=\"manager\"", "<node protocol=\"x\" client_id=\"manager\""),
        ("<hardware_type name=\"m510\"/>", "<hardware name=\"m510\"/>"),
        ("<hardware_type name=\"m510\"/>", "<hardware_type/>"),
        (" shell=\"sh\"", ""),
        (" source_id=\"manager:if0\"", ""),
        ("packet_loss", "lossrate"),
        ("<interface_ref client_id=\"manager:if0\"/>", "<interface_ref/>"),
        ("<ip address=\"10.10.0.1\"", "<ip"),
        ("</services>", "<service/></services>"),
        ("</sliver_type>", "<hardware_type name=\"m510\"/></sliver_type>"),
    ];
    let lossy = only("[fixed]\nservice_ms = 500\nloss = 0.1\n", &Options::default()).unwrap().xml;
    let changed = |(from, to): &(&str, &str)| {
        let base = if fine.contains(from) { &fine } else { &lossy };
        assert!(base.contains(from), "{from}");
        base.replacen(from, to, 1)
    };
    let files: Vec<String> = changes.iter().map(changed).collect();
    for (file, (_, to)) in files.iter().zip(&changes) {
        let is_wrong = check(file).unwrap().findings.iter().any(|finding| finding.kind == Kind::Wrong);
        assert!(is_wrong, "nothing is found with {to:?}");
    }
    let Some(verdicts) = verdicts("what_genis_schema_refuses_is_found", &files) else { return };
    for (verdict, (_, to)) in verdicts.iter().zip(&changes) {
        assert_ne!(verdict, "valid", "the schema does not mind {to:?}");
    }
}
