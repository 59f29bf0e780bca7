//! `manyeyes experiment check`: whether the answers of an exercise are right.

use std::fs;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context;
use manyeyes_experiment::answers::{Value, check};

use super::report;
use crate::cli;

pub(super) fn run(arguments: &cli::ExperimentCheck) -> anyhow::Result<ExitCode> {
    let name = arguments.answers.display();
    let text = fs::read_to_string(&arguments.answers).with_context(|| format!("failed to read {name}"))?;
    let checked = check(&text, &report::read(&arguments.rows)?).with_context(|| format!("failed to check {name}"))?;
    let right = checked.iter().filter(|checked| checked.is_right).count();
    let mut out = std::io::stdout().lock();
    let said = checked.iter().zip(1..).try_for_each(|(checked, number)| {
        let verdict = if checked.is_right { "right" } else { "WRONG" };
        let (answer, truth) = (said(checked.answer), said(checked.truth));
        writeln!(out, "{number:>3}. {verdict}  {}\n            {answer}; by the rows {truth}", checked.question)
    });
    said.and_then(|()| writeln!(out, "{right} of {} are right", checked.len()))
        .context("failed to print what is right")?;
    Ok(if right == checked.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn said(value: Value) -> String {
    match value {
        Value::Truth(true) => "yes".to_owned(),
        Value::Truth(false) => "no".to_owned(),
        Value::Number(number) => format!("{number:.4}"),
    }
}
