//! What the runs of a study have in common.

use manyeyes_testbed::{Conditions, Loss};

use crate::record::{Run, Service};
use crate::report::numbers::{count, duration_ms, figure};

use super::head::distinct;

/// Each setting, and its value or values.
pub(super) fn settings(runs: &[&Run]) -> Vec<(&'static str, String)> {
    vec![
        ("images", distinct_numbers(runs, |run| run.cell.images)),
        ("images that went before", distinct_numbers(runs, |run| run.cell.warm)),
        ("workers", distinct_numbers(runs, |run| run.cell.workers)),
        ("on standby", distinct_numbers(runs, |run| run.cell.standby)),
        ("slots of each", distinct_numbers(runs, |run| run.cell.slots)),
        ("uploads at a time", distinct_numbers(runs, |run| run.cell.uploads)),
        ("an image's work", distinct(runs, |run| service(&run.cell.service))),
        ("processor of each", distinct(runs, |run| cores(run.cell.cpu_cores))),
        ("links' profile", distinct(runs, |run| run.cell.profile.clone().unwrap_or("none".to_owned()))),
        ("manager to worker", distinct(runs, |run| conditions(&run.cell.down))),
        ("worker to manager", distinct(runs, |run| conditions(&run.cell.up))),
        ("smaller forms", distinct(runs, |run| run.cell.send_smaller.name().to_owned())),
        ("transport", distinct(runs, |run| run.cell.transport.name().to_owned())),
        ("congestion control", distinct(runs, |run| run.cell.congestion_control.clone())),
    ]
}

/// What a worker does, with the stand-in called what it is.
pub(super) fn service(service: &Service) -> String {
    match service {
        Service::Model { name } => format!("recognised by the model {name}"),
        Service::Fixed { service_ms } => {
            format!("a fixed time of {}, a stand-in for recognition", duration_ms(*service_ms))
        }
    }
}

fn distinct_numbers(runs: &[&Run], of: impl Fn(&Run) -> u32) -> String {
    let mut values: Vec<u32> = runs.iter().map(|run| of(run)).collect();
    values.sort_unstable();
    values.dedup();
    values.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

fn cores(cores: Option<f64>) -> String {
    cores.map_or("no limit".to_owned(), |cores| format!("{} of a core at most", figure(cores)))
}

/// What one direction of a link does, only what it does.
fn conditions(conditions: &Conditions) -> String {
    let mut texts = Vec::new();
    if conditions.delay_ms > 0.0 || conditions.jitter_ms > 0.0 {
        let jitter =
            if conditions.jitter_ms > 0.0 { format!(" ± {}", figure(conditions.jitter_ms)) } else { String::new() };
        texts.push(format!("{}{jitter} ms one way", figure(conditions.delay_ms)));
    }
    if let Some(rate) = conditions.rate_bits_per_s {
        texts.push(format!(
            "{} Mbit/s, {} queued",
            figure(rate / 1e6),
            count(conditions.queue_packets as usize, "packet")
        ));
    }
    texts.extend(loss(&conditions.loss));
    let shares = [(conditions.duplicate, "duplicated"), (conditions.reorder, "reordered")];
    texts.extend(
        shares
            .iter()
            .filter(|(share, _)| *share > 0.0)
            .map(|(share, what)| format!("{} % {what}", figure(share * 100.0))),
    );
    if texts.is_empty() { "as it is".to_owned() } else { texts.join(", ") }
}

fn loss(loss: &Loss) -> Option<String> {
    let share = figure(loss.mean() * 100.0);
    match loss {
        Loss::None => None,
        Loss::Independent { .. } => Some(format!("{share} % lost, independent")),
        Loss::Bursty { .. } => Some(format!("{share} % lost, in bursts")),
    }
}
