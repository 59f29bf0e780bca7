//! From what the client noted to what a row says: each image's life, what each worker did, what happened, and what is wrong with
//! the run. It knows no process and no clock.

use std::collections::BTreeMap;

use super::client::{Image as Copy, Notes, Upload};
use super::cluster::name;
use crate::record::{Cell, Event, Image, Worker};

/// The state of an image of which nothing was heard within the bound.
const LOST: &str = "lost";

/// Each image, in upload order.
pub(crate) fn images(notes: &Notes, wanted: u32) -> Vec<Image> {
    let last: BTreeMap<&str, &Copy> = notes.last.iter().flatten().map(|image| (image.id.as_str(), image)).collect();
    (0..wanted).map(|number| image(notes, &last, notes.uploads.get(&number))).collect()
}

fn image(notes: &Notes, last: &BTreeMap<&str, &Copy>, upload: Option<&Upload>) -> Image {
    let nothing = Upload::default();
    let upload = upload.unwrap_or(&nothing);
    let told = upload.id.as_ref().and_then(|id| notes.told.get(id));
    // The page at the end is the newest copy; where the manager was gone then, what was told is.
    let copy = upload.id.as_ref().and_then(|id| last.get(id.as_str()).copied()).or(told.map(|told| &told.image));
    let timings = copy.map(|copy| copy.timing_ms.iter()).into_iter().flatten();
    Image {
        bytes: upload.bytes,
        upload_begun_s: upload.begun_s,
        accepted_s: upload.accepted_s,
        answered_s: told.and_then(|told| told.answered_s),
        state: copy.filter(|copy| copy.has_ended()).map_or(LOST, |copy| copy.state.as_str()).to_owned(),
        answers: told.map_or(0, |told| told.answers),
        worker: copy.and_then(|copy| copy.worker.clone()),
        attempts: copy.map_or(0, |copy| copy.attempts),
        label: copy.and_then(|copy| Some(copy.labels.first()?.name.clone())),
        timing_ms: timings.filter_map(|(part, time)| Some((part.clone(), (*time)?))).collect(),
        wire: copy.and_then(|copy| copy.wire.clone()),
    }
}

/// First upload byte to last answer; `None` where an image has none.
pub(crate) fn elapsed_s(images: &[Image]) -> Option<f64> {
    let answered = images.iter().map(|image| image.answered_s.filter(|_| image.state != LOST));
    answered.collect::<Option<Vec<f64>>>()?.into_iter().reduce(f64::max)
}

/// Each worker that the cell has, and whoever else the manager had; less what it did before the beginning, where images went before.
pub(crate) fn workers(notes: &Notes, cell: &Cell) -> Vec<Worker> {
    let expected = (1..=cell.workers + cell.standby).map(name);
    let mut names: Vec<String> = expected.collect();
    let others: Vec<String> = notes.workers.keys().filter(|id| !names.contains(id)).cloned().collect();
    names.extend(others);
    let worker = |name: String| {
        let copy = notes.workers.get(&name).cloned().unwrap_or_default();
        let before = notes.workers_before.get(&name).cloned().unwrap_or_default();
        Worker {
            name,
            images: copy.images.saturating_sub(before.images),
            payload_bytes: copy.payload_bytes.saturating_sub(before.payload_bytes),
            socket_bytes_sent: copy.socket_bytes_sent.saturating_sub(before.socket_bytes_sent),
            socket_bytes_received: copy.socket_bytes_received.saturating_sub(before.socket_bytes_received),
            wire_bytes_sent: copy.wire_bytes_sent.saturating_sub(before.wire_bytes_sent),
            retransmissions: copy.retransmissions.saturating_sub(before.retransmissions),
            bytes_retransmitted: copy.bytes_retransmitted.saturating_sub(before.bytes_retransmitted),
            window_bytes: copy.window_bytes,
            rtt_ms: copy.rtt_ms,
            service_ms: copy.service_ms,
            congestion_control: copy.congestion_control,
        }
    };
    names.into_iter().map(worker).collect()
}

/// What was done and what was noticed, in time's order. What was before the beginning is left out: the workers' joining.
pub(crate) fn events(notes: &Notes, done: Vec<Event>) -> Vec<Event> {
    let noticed = notes.happenings.iter().filter(|(at_s, _)| *at_s >= 0.0).map(|(at_s, happening)| Event {
        at_s: *at_s,
        whom: happening.worker.clone(),
        what: in_words(&happening.kind).to_owned(),
    });
    let mut events: Vec<Event> = done.into_iter().chain(noticed).collect();
    events.sort_by(|one, other| one.at_s.total_cmp(&other.at_s));
    events
}

/// Why a run does not count, as far as the client's notes say it.
pub(crate) fn faults(notes: &Notes, cell: &Cell) -> Vec<String> {
    let (wanted, asked) = (cell.images, cell.congestion_control_told());
    let mut faults = Vec::new();
    if cell.warm > 0 && notes.idle_s.is_none() {
        faults.push(format!("of the {} images that were to go before, some had no answer in time", cell.warm));
    }
    for worker in notes.workers.values() {
        if let (Some(has), Some(asked)) = (&worker.congestion_control, &asked)
            && has != asked
        {
            faults.push(format!("the connection of {} has the congestion control {has}, not {asked}", worker.id));
        }
    }
    let refused: Vec<&String> = notes.uploads.values().filter_map(|upload| upload.refused.as_ref()).collect();
    if let Some(first) = refused.first() {
        faults.push(format!("{} uploads were refused; the first: {first}", refused.len()));
    }
    match &notes.last {
        None => faults.push("the batch could not be read at the end".to_owned()),
        Some(last) if last.len() > wanted as usize => {
            faults.push(format!("the batch has {} images and {wanted} were uploaded", last.len()));
        }
        Some(_) => {}
    }
    faults
}

fn in_words(kind: &str) -> &str {
    if kind == "setaside" { "set aside" } else { kind }
}

#[cfg(test)]
mod tests;
