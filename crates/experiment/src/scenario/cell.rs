//! From the levels of the factors to what a run is to be.

use std::collections::BTreeMap;

use manyeyes_testbed::{Conditions, Loss, Profile};

use super::factor::{Factor, MAX_WORKERS};
use crate::record::{Cell, Failure, Level, SendSmaller, Service, Transport};

/// How many packets a burst of losses has on average, each of them lost: a quarter of a millisecond of a full 100 Mbit/s link, and
/// more than the three duplicate acknowledgements of TCP's fast retransmit.
pub const BURST_PACKETS: f64 = 4.0;

/// What stands for a level that means nothing in a cell: how a worker fails that never does.
pub const NOT_APPLICABLE: &str = "none";

/// One cell: a level of each factor.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Settings(BTreeMap<Factor, Level>);

impl Settings {
    /// With these levels in place of what it has of the same factors.
    pub(super) fn with(&self, levels: &BTreeMap<Factor, Level>) -> Self {
        let mut all = self.0.clone();
        all.extend(levels.iter().map(|(factor, level)| (*factor, level.clone())));
        Self(all)
    }

    /// What a run is to be.
    ///
    /// # Errors
    /// Levels that contradict each other, in a sentence.
    pub(super) fn cell(&self) -> Result<Cell, String> {
        let workers = self.count(Factor::Workers);
        let standby = self.count(Factor::Standby);
        if workers + standby > MAX_WORKERS {
            return Err(format!("{workers} workers and {standby} on standby: there can be {MAX_WORKERS} together"));
        }
        let (down, up) = self.conditions()?;
        Ok(Cell {
            images: self.count(Factor::Images),
            workers,
            standby,
            slots: self.count(Factor::Slots),
            uploads: self.count(Factor::Uploads),
            service: self.service()?,
            cpu_cores: self.number(Factor::CpuCores),
            down,
            up,
            profile: self.word(Factor::Profile),
            failure: self.failure()?,
            congestion_control: self.word(Factor::CongestionControl).expect("the factor has a default"),
            transport: self.word(Factor::Transport).and_then(|name| Transport::named(&name)).unwrap_or_default(),
            warm: self.count(Factor::Warm),
            send_smaller: self.word(Factor::SendSmaller).and_then(|name| SendSmaller::named(&name)).unwrap_or_default(),
            idle_ms: self.number(Factor::IdleMs).filter(|_| self.count(Factor::Warm) > 0).unwrap_or_default(),
            start_fast_mbits_per_s: self.number(Factor::StartFast).filter(|rate| *rate > 0.0),
        })
    }

    /// Its levels of these factors, as a row has them: a level that means nothing in this cell is [`NOT_APPLICABLE`].
    pub(super) fn levels(&self, factors: &[Factor]) -> BTreeMap<String, Level> {
        let means_nothing = |factor| match factor {
            Factor::FailureMode => self.number(Factor::FailureProbability) == Some(0.0),
            Factor::LossModel => self.number(Factor::Loss).unwrap_or(0.0) == 0.0,
            Factor::CongestionControl => self.word(Factor::Transport).is_some_and(|it| it == Transport::Auto.name()),
            Factor::IdleMs => self.count(Factor::Warm) == 0,
            _ => false,
        };
        let level = |factor: Factor| {
            let level = self.level(factor).or_else(|| self.implied(factor)).filter(|_| !means_nothing(factor));
            (factor.name().to_owned(), level.unwrap_or_else(|| Level::Word(NOT_APPLICABLE.to_owned())))
        };
        factors.iter().map(|factor| level(*factor)).collect()
    }

    /// What a link is like where no factor says it: as its profile has it, or perfect.
    fn implied(&self, factor: Factor) -> Option<Level> {
        let (down, up) = self.conditions().ok()?;
        let more_of_both = |of: fn(&Conditions) -> f64| Some(Level::Number(of(&down).max(of(&up))));
        match factor {
            Factor::DelayMs => more_of_both(|conditions| conditions.delay_ms),
            Factor::JitterMs => more_of_both(|conditions| conditions.jitter_ms),
            Factor::Loss => more_of_both(|conditions| conditions.loss.mean()),
            Factor::Duplicate => more_of_both(|conditions| conditions.duplicate),
            Factor::Reorder => more_of_both(|conditions| conditions.reorder),
            _ => None,
        }
    }

    fn service(&self) -> Result<Service, String> {
        match (self.number(Factor::ServiceMs), self.word(Factor::Model)) {
            (Some(service_ms), None) => Ok(Service::Fixed { service_ms }),
            (None, Some(name)) => Ok(Service::Model { name }),
            (Some(_), Some(_)) => Err("service_ms and model are both given: a worker waits or recognises".to_owned()),
            (None, None) => Err("neither service_ms nor model is given: say how long an image takes, \
                                 or which model recognises it"
                .to_owned()),
        }
    }

    fn failure(&self) -> Result<Option<Failure>, String> {
        let probability = self.number(Factor::FailureProbability).unwrap_or(0.0);
        match self.word(Factor::FailureMode) {
            _ if probability == 0.0 => Ok(None),
            Some(mode) => Ok(Some(Failure { probability, mode })),
            None => Err(format!(
                "failure_probability is {probability} and there is no failure_mode: it must be {}",
                Factor::FailureMode.allowed()
            )),
        }
    }

    /// Both directions: what the profile says, and in the impaired ones what the factors say.
    fn conditions(&self) -> Result<(Conditions, Conditions), String> {
        let perfect = (Conditions::default(), Conditions::default());
        let (mut down, mut up) = match self.word(Factor::Profile) {
            Some(name) => {
                let profile = Profile::named(&name).map_err(|error| error.to_string())?;
                (profile.down, profile.up)
            }
            None => perfect,
        };
        let impaired = self.word(Factor::Impaired).expect("the factor has a default");
        if impaired != "up" {
            down = self.impair(down);
        }
        if impaired != "down" {
            up = self.impair(up);
        }
        down.check().and(up.check()).map_err(|error| error.to_string())?;
        Ok((down, up))
    }

    fn impair(&self, base: Conditions) -> Conditions {
        Conditions {
            delay_ms: self.number(Factor::DelayMs).unwrap_or(base.delay_ms),
            jitter_ms: self.number(Factor::JitterMs).unwrap_or(base.jitter_ms),
            rate_bits_per_s: self.number(Factor::RateBitsPerS).or(base.rate_bits_per_s),
            queue_packets: self.number(Factor::QueuePackets).map_or(base.queue_packets, |number| number as u32),
            loss: self.number(Factor::Loss).map_or(base.loss, |share| self.loss(share)),
            duplicate: self.number(Factor::Duplicate).unwrap_or(base.duplicate),
            reorder: self.number(Factor::Reorder).unwrap_or(base.reorder),
        }
    }

    fn loss(&self, share: f64) -> Loss {
        let is_bursty = self.word(Factor::LossModel).is_some_and(|model| model == "bursty");
        match share {
            0.0 => Loss::None,
            _ if is_bursty => {
                let leave = 1.0 / BURST_PACKETS;
                // So that the bad state has `share` of the packets in the long run: share = enter / (enter + leave).
                let enter = (leave * share / (1.0 - share)).min(1.0);
                Loss::Bursty { enter, leave, lost_in_good: 0.0, lost_in_bad: 1.0 }
            }
            probability => Loss::Independent { probability },
        }
    }

    fn level(&self, factor: Factor) -> Option<Level> {
        self.0.get(&factor).cloned().or_else(|| factor.default())
    }

    fn number(&self, factor: Factor) -> Option<f64> {
        match self.level(factor) {
            Some(Level::Number(number)) => Some(number),
            Some(Level::Word(_)) | None => None,
        }
    }

    fn word(&self, factor: Factor) -> Option<String> {
        match self.level(factor) {
            Some(Level::Word(word)) => Some(word),
            Some(Level::Number(_)) | None => None,
        }
    }

    fn count(&self, factor: Factor) -> u32 {
        self.number(factor).expect("a count has a default") as u32
    }
}
