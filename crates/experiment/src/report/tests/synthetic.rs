//! Synthetic runs: nobody measured these. A worker after another works through the images, with some noise, so that a report of them
//! looks like one of measurements.

use std::collections::BTreeMap;

use manyeyes_testbed::{Conditions, Loss};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::record::{
    Calibration, Carried, Cell, Event, FORMAT, Failure, Image, Level, Link, MachineFacts, Run, SendSmaller, Service,
    Software, Transport, Worker,
};

/// A number as a level.
pub(crate) fn number(number: f64) -> Level {
    Level::Number(number)
}

/// A word as a level.
pub(crate) fn word(word: &str) -> Level {
    Level::Word(word.to_owned())
}

/// Every combination of some factors' levels, each so many times.
pub(crate) fn study(name: &str, factors: &[(&str, Vec<Level>)], repeats: u32) -> Vec<Run> {
    let mut cells: Vec<BTreeMap<String, Level>> = vec![BTreeMap::new()];
    for (factor, levels) in factors {
        let with = |cell: &BTreeMap<String, Level>, level: &Level| {
            let mut cell = cell.clone();
            cell.insert((*factor).to_owned(), level.clone());
            cell
        };
        cells = cells.iter().flat_map(|cell| levels.iter().map(move |level| with(cell, level))).collect();
    }
    let runs = (0..repeats).flat_map(|block| cells.iter().map(move |cell| (block, cell.clone())));
    runs.enumerate().map(|(position, (block, levels))| run(name, levels, block, position as u32)).collect()
}

/// One run of a cell.
pub(crate) fn run(study: &str, levels: BTreeMap<String, Level>, block: u32, position: u32) -> Run {
    let cell = cell(&levels);
    let seed = 7_000 + u64::from(position);
    let mut chance = StdRng::seed_from_u64(seed);
    let (images, events) = work(&cell, &mut chance);
    let elapsed_s = images.iter().filter_map(|image| image.answered_s).fold(0.0, f64::max);
    Run {
        format: FORMAT,
        study: study.to_owned(),
        levels,
        workers: (1..=cell.workers + cell.standby).map(|place| worker(place, &images, &cell)).collect(),
        links: (0..=cell.workers + cell.standby).map(|place| link(place, &cell, block == 0, &mut chance)).collect(),
        cell,
        block,
        position,
        seed,
        scenario: "synthetic".to_owned(),
        began_unix_s: 1_796_000_000.0 + 30.0 * f64::from(position),
        software: Software { version: "manyeyes 0.1.0 (synthetic)".to_owned(), commit: Some("0123abc".to_owned()) },
        machine: machine(),
        hosts: Vec::new(),
        images,
        events,
        idle_s: None,
        elapsed_s: Some(elapsed_s),
        void: Vec::new(),
    }
}

fn machine() -> MachineFacts {
    MachineFacts {
        kernel: "6.18.44".to_owned(),
        processor: "No processor: synthetic runs".to_owned(),
        cores: 2,
        memory_bytes: 24 << 30,
        privilege: "root".to_owned(),
        emulator: "manyeyes".to_owned(),
        default_congestion_control: "bbr".to_owned(),
    }
}

fn cell(levels: &BTreeMap<String, Level>) -> Cell {
    let at = |factor: &str| match levels.get(factor) {
        Some(Level::Number(number)) => Some(*number),
        _ => None,
    };
    let named = |factor: &str| match levels.get(factor) {
        Some(Level::Word(word)) => Some(word.clone()),
        _ => None,
    };
    let share = at("loss").unwrap_or_default();
    let loss = match named("loss_model").as_deref() {
        _ if share == 0.0 => Loss::None,
        Some("bursty") => {
            Loss::Bursty { enter: 0.25 * share / (1.0 - share), leave: 0.25, lost_in_good: 0.0, lost_in_bad: 1.0 }
        }
        _ => Loss::Independent { probability: share },
    };
    let way = Conditions {
        delay_ms: at("delay_ms").unwrap_or(0.2),
        rate_bits_per_s: Some(1e8),
        loss,
        ..Conditions::default()
    };
    let probability = at("failure_probability").filter(|probability| *probability > 0.0);
    Cell {
        images: at("images").unwrap_or(20.0) as u32,
        workers: at("workers").unwrap_or(3.0) as u32,
        standby: at("standby").unwrap_or_default() as u32,
        slots: 1,
        uploads: 4,
        service: Service::Fixed { service_ms: at("service_ms").unwrap_or(500.0) },
        cpu_cores: None,
        down: way,
        up: way,
        profile: Some("lan".to_owned()),
        failure: probability
            .map(|probability| Failure { probability, mode: named("failure_mode").unwrap_or("crash".to_owned()) }),
        congestion_control: "cubic".to_owned(),
        transport: Transport::named(&named("transport").unwrap_or_default()).unwrap_or_default(),
        warm: at("warm").unwrap_or_default() as u32,
        idle_ms: 0.0,
        send_smaller: SendSmaller::Never,
        start_fast_mbits_per_s: None,
    }
}

/// Each image to the worker that is free first; the first worker may fail, and its image goes to another.
fn work(cell: &Cell, chance: &mut StdRng) -> (Vec<Image>, Vec<Event>) {
    let Service::Fixed { service_ms } = cell.service else { unreachable!("synthetic work is of a fixed time") };
    let loss_ms = 900.0 * cell.down.loss.mean() * (1.0 + chance.random::<f64>());
    let mut free_ms: Vec<f64> = vec![0.0; cell.workers as usize];
    let mut events: Vec<Event> = Vec::new();
    let mut images = Vec::new();
    for place in 0..cell.images {
        let mut attempts = 1;
        let first = |free_ms: &[f64]| {
            (0..free_ms.len()).min_by(|a, b| free_ms[*a].total_cmp(&free_ms[*b])).expect("one is left")
        };
        let mut who = first(&free_ms);
        let failing = cell.failure.as_ref().filter(|_| who == 0 && events.is_empty());
        if failing.is_some_and(|failure| chance.random::<f64>() < failure.probability) {
            let at_s = free_ms[0] / 1000.0 + 0.01;
            events.push(Event { at_s, whom: "worker-1".to_owned(), what: "failed".to_owned() });
            free_ms[0] = if cell.standby > 0 { at_s * 1000.0 + 200.0 } else { f64::INFINITY };
            if cell.standby > 0 {
                events.push(Event { at_s: at_s + 0.2, whom: "worker-4".to_owned(), what: "joined".to_owned() });
            }
            (who, attempts) = (first(&free_ms), 2);
        }
        let (sending, inference) = (
            cell.down.delay_ms + loss_ms + 1.0 + chance.random::<f64>(),
            service_ms * (1.0 + 0.02 * chance.random::<f64>()),
        );
        let queue = 40.0 * chance.random::<f64>();
        let began_ms = free_ms[who].max(f64::from(place) * 2.0);
        free_ms[who] = began_ms + sending * 0.6 + inference + 3.0;
        let parts = [
            ("waiting", began_ms),
            ("sending", sending),
            ("receive", 2.0),
            ("worker_queue", queue),
            ("decoding", 4.0),
            ("inference", inference),
            ("returning", cell.up.delay_ms),
        ];
        let answered_ms: f64 = parts.iter().map(|(_, ms)| ms).sum::<f64>() + 1.0;
        let is_replaced = who == 0 && cell.standby > 0 && !events.is_empty();
        images.push(Image {
            bytes: 5_429 + u64::from(place % 7) * 12_000,
            upload_begun_s: f64::from(place) * 0.002,
            accepted_s: Some(f64::from(place) * 0.002 + 0.001),
            answered_s: Some(answered_ms / 1000.0),
            state: "recognised".to_owned(),
            answers: 1,
            worker: Some(format!("worker-{}", if is_replaced { cell.workers as usize + 1 } else { who + 1 })),
            attempts,
            label: Some("tabby".to_owned()),
            timing_ms: parts.iter().map(|(part, ms)| ((*part).to_owned(), *ms)).collect(),
            wire: None,
        });
    }
    (images, events)
}

fn worker(place: u32, images: &[Image], cell: &Cell) -> Worker {
    let name = format!("worker-{place}");
    let payload_bytes: u64 =
        images.iter().filter(|image| image.worker.as_ref() == Some(&name)).map(|image| image.bytes).sum();
    Worker {
        images: images.iter().filter(|image| image.worker.as_ref() == Some(&name)).count() as u64,
        payload_bytes,
        socket_bytes_sent: payload_bytes + payload_bytes / 200,
        socket_bytes_received: payload_bytes / 100,
        wire_bytes_sent: payload_bytes + payload_bytes / 150,
        retransmissions: (payload_bytes as f64 / 1448.0 * cell.down.loss.mean()) as u64,
        bytes_retransmitted: (payload_bytes as f64 * cell.down.loss.mean()) as u64,
        window_bytes: Some(14_480),
        rtt_ms: Some(cell.down.delay_ms + cell.up.delay_ms),
        service_ms: None,
        congestion_control: cell.congestion_control_told(),
        name,
    }
}

fn link(place: u32, cell: &Cell, is_probed: bool, chance: &mut StdRng) -> Link {
    let share = cell.down.loss.mean();
    let asked_rtt_ms = cell.down.delay_ms + cell.up.delay_ms;
    let (expected, slack) = (1000.0 * share, 3.5 * (1000.0 * share * (1.0 - share)).sqrt());
    let carried = |chance: &mut StdRng| Carried {
        packets: 4_000,
        bytes: 900_000,
        lost: (4_000.0 * share) as u64,
        late_p99_ms: Some(0.05 + 0.2 * chance.random::<f64>()),
        late_max_ms: Some(0.4 + chance.random::<f64>()),
        ..Carried::default()
    };
    Link {
        end: if place == 0 { "client".to_owned() } else { format!("worker-{place}") },
        calibration: is_probed.then(|| Calibration {
            rtt_ms: Some(asked_rtt_ms + 0.1 + 0.1 * chance.random::<f64>()),
            asked_rtt_ms,
            rate_bits_per_s: Some(9.9e7 + 1e6 * chance.random::<f64>()),
            asked_rate_bits_per_s: Some(1e8),
            probes: 1000,
            lost: (expected + slack * (chance.random::<f64>() - 0.5)) as u64,
            asked_loss: share,
            lost_between: ((expected - slack).max(0.0) as u64, (expected + slack) as u64),
            probed_again: chance.random::<f64>() < 0.02,
            holds: true,
        }),
        down: carried(chance),
        up: carried(chance),
    }
}
