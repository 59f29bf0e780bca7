//! The transports of a study, each against the best of its cell, as a table; and what one that chooses by itself loses by its choices.

use maud::{Markup, html};

use crate::report::numbers::{count, figure, share};
use crate::report::studies::Study;
use crate::report::transports::{Compared, Conditions, compare};
use manyeyes_statistics::Ratio;

use super::table::{numbers, table, words};

/// Everything; nothing where a study compares no transports.
pub(super) fn transports(study: &Study<'_>) -> Markup {
    let all = compare(study);
    let columns = [
        words("conditions"),
        words("transport"),
        numbers("runs", "that count, and those that did not end within their bound"),
        numbers("median (s)", "of the time to the last image"),
        numbers(
            "interval (s)",
            "in which the median is, whatever the times are spread like; the confidence where it is below 95 %, as it is of fewer than \
             six runs",
        ),
        numbers(
            "times the best",
            "the ratio of the geometric means, with its 95 % interval by Welch's test of the logarithms; the best is the one of the \
             least median, found in the same runs",
        ),
    ];
    let rows: Vec<Vec<String>> =
        all.iter().flat_map(|here| here.transports.iter().map(|compared| row(here, compared))).collect();
    html! {
        @if !all.is_empty() {
            h3 { "Each transport against the best in the same conditions" }
            @for sentence in regrets(&all) { p { (sentence) } }
            (table("The time to the last image, a row for each transport in each of the conditions", &columns, &rows))
        }
    }
}

fn row(here: &Conditions, compared: &Compared) -> Vec<String> {
    let interval = compared.interval.filter(|_| compared.ended > 1).map_or("–".to_owned(), |interval| {
        let confidence = interval.confidence * 100.0;
        let said = if confidence < 95.0 { format!(" ({} %)", figure(confidence)) } else { String::new() };
        format!("{} to {}{said}", figure(interval.lower), figure(interval.upper))
    });
    let not_ended =
        if compared.not_ended == 0 { String::new() } else { format!(" (+ {} not ended)", compared.not_ended) };
    vec![
        here.text.clone(),
        compared.name.clone(),
        format!("{}{not_ended}", compared.ended),
        compared.median_s.map_or("–".to_owned(), figure),
        interval,
        if compared.is_best { "the best".to_owned() } else { compared.ratio.map_or("–".to_owned(), in_words) },
    ]
}

/// What one that chooses by itself loses, over all conditions, and where most.
fn regrets(all: &[Conditions]) -> Vec<String> {
    let mut names: Vec<&str> = Vec::new();
    for compared in all.iter().flat_map(|here| &here.transports).filter(|compared| compared.regret.is_some()) {
        if !names.contains(&compared.name.as_str()) {
            names.push(&compared.name);
        }
    }
    names.into_iter().filter_map(|name| regret(all, name)).collect()
}

fn regret(all: &[Conditions], name: &str) -> Option<String> {
    let of = |here: &'_ Conditions| here.transports.iter().find(|compared| compared.name == name)?.regret;
    let regrets: Vec<(&str, Ratio)> = all.iter().filter_map(|here| Some((here.text.as_str(), of(here)?))).collect();
    let (worst, most) = regrets.iter().max_by(|(_, one), (_, other)| one.ratio.total_cmp(&other.ratio))?;
    let typical = regrets.iter().map(|(_, regret)| regret.ratio.ln()).sum::<f64>() / regrets.len() as f64;
    let within = regrets.iter().filter(|(_, regret)| regret.ratio <= 1.1).count();
    Some(format!(
        "{name} takes {} times as long as the best of the others, typically over {}; within 10 % of it in {within}; at worst {} ({worst}).",
        share(typical.exp()),
        count(regrets.len(), "cell"),
        in_words(*most),
    ))
}

fn in_words(ratio: Ratio) -> String {
    format!("{} [{}, {}]", figure(ratio.ratio), figure(ratio.lower), figure(ratio.upper))
}
