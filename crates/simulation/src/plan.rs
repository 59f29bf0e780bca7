//! What the seed makes of a run before it begins: who is there, what comes when, and what goes wrong.

use std::time::Duration;

use manyeyes_dispatch::Settings as DispatchSettings;
use manyeyes_protocol::timer::TimerSettings;

use crate::chance::Chance;
use crate::content::{Nature, Token};
use crate::coverage::Fault;

/// For how long things go wrong.
const TROUBLE: Duration = Duration::from_secs(20);

/// A run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) timers: TimerSettings,
    pub(crate) dispatch: DispatchSettings,
    pub(crate) machines: Vec<MachinePlan>,
    pub(crate) clients: Vec<ClientPlan>,
    pub(crate) faults: Vec<(Duration, Fault)>,
    /// When the last fault is over.
    pub(crate) calm: Duration,
}

/// Where a worker runs.
#[derive(Debug)]
pub(crate) struct MachinePlan {
    pub(crate) slots: u32,
    pub(crate) window: u32,
    pub(crate) service: Duration,
    pub(crate) up: Duration,
    pub(crate) down: Duration,
    pub(crate) model: u8,
    pub(crate) starts: Duration,
}

/// Somebody who has images.
#[derive(Debug)]
pub(crate) struct ClientPlan {
    pub(crate) starts: Duration,
    pub(crate) uploads: Vec<UploadPlan>,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct UploadPlan {
    pub(crate) key: Option<u64>,
    pub(crate) files: Vec<(Token, usize)>,
    pub(crate) after: Duration,
}

impl Plan {
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        let timers = timers(chance);
        let patience = Duration::from_secs(chance.pick(&[2, 5, 30]));
        let dispatch = DispatchSettings {
            deadline_floor: timers.silence * 2 + Duration::from_secs(chance.pick(&[1, 3, 20])),
            patience,
            patience_limit: patience * 4,
            ..DispatchSettings::default()
        };
        let two_models = chance.percent(15);
        let machines = (0..chance.pick(&[2, 3, 4, 4, 4, 5, 6])).map(|_| machine(chance, two_models)).collect();
        let clients = clients(chance);
        let faults = faults(chance);
        Self { timers, dispatch, machines, clients, faults, calm: TROUBLE + Duration::from_secs(8) }
    }
}

/// The product's, or all of them twice as fast, so that a run sees more of them.
fn timers(chance: &mut Chance) -> TimerSettings {
    let all = TimerSettings::default();
    if chance.percent(50) {
        return all;
    }
    TimerSettings {
        heartbeat: all.heartbeat / 2,
        silence: all.silence / 2,
        handshake: all.handshake / 2,
        resend_floor: all.resend_floor / 2,
        resend_ceiling: all.resend_ceiling / 4,
        ..all
    }
}

fn machine(chance: &mut Chance, two_models: bool) -> MachinePlan {
    let slots = chance.pick(&[1, 1, 2, 2, 3]);
    let far = chance.percent(25);
    let mut delay = || if far { chance.ms(20, 400) } else { chance.ms(0, 5) };
    let (up, down) = (delay(), delay());
    MachinePlan {
        slots,
        window: slots + u32::try_from(chance.between(0, 6)).unwrap_or(0),
        service: chance.ms(30, 900),
        up,
        down,
        model: if two_models { u8::try_from(chance.between(1, 2)).unwrap_or(1) } else { 1 },
        starts: if chance.percent(70) { Duration::ZERO } else { chance.ms(0, 10_000) },
    }
}

fn clients(chance: &mut Chance) -> Vec<ClientPlan> {
    let images = chance.between(40, 100);
    let count = chance.between(1, 4);
    let (mut numbers, mut keys) = (0, 0);
    // Few runs have images that kill, as few batches do; those that have any have a few.
    let (poison, tar) = (chance.percent(25), chance.percent(15));
    (0..count)
        .map(|_| {
            let starts = chance.ms(0, 5_000);
            let mut left = images / count;
            let mut uploads = Vec::new();
            while left > 0 {
                let files = chance.between(1, 8).min(left);
                left -= files;
                keys += 1;
                uploads.push(UploadPlan {
                    key: chance.percent(85).then_some(keys),
                    files: (0..files).map(|_| file(chance, &mut numbers, poison, tar)).collect(),
                    after: chance.ms(0, 5_000),
                });
            }
            ClientPlan { starts, uploads }
        })
        .collect()
}

fn file(chance: &mut Chance, numbers: &mut u64, poison: bool, tar: bool) -> (Token, usize) {
    *numbers += 1;
    let nature = match chance.between(0, 99) {
        0..2 if poison => Nature::Poison,
        2..3 if tar => Nature::Tar,
        3..7 => Nature::Bad,
        _ => Nature::Sound,
    };
    let bytes = if chance.percent(2) { chance.between(30_000, 300_000) } else { chance.between(8, 400) };
    (Token::new(*numbers, nature), usize::try_from(bytes).unwrap_or(8))
}

fn faults(chance: &mut Chance) -> Vec<(Duration, Fault)> {
    let count = chance.between(3, 14);
    let until = u64::try_from(TROUBLE.as_millis()).unwrap_or(0);
    let mut faults: Vec<_> = (0..count).map(|_| (chance.ms(100, until), chance.pick(&Fault::ALL))).collect();
    faults.sort_unstable();
    faults
}
