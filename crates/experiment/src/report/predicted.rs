//! What a simple queueing model says of a cell, from what was measured of its parts: the service time, the links' round trip, what an
//! image weighs. It is no fit: nothing of the result that it stands beside goes into it.

use manyeyes_testbed::Loss;

use crate::prediction::{Cluster, Failing, LossModel, Path, batch, with_failing};
use crate::record::{Calibration, Failure, Link, Run, Transport};
use manyeyes_statistics::summarise;

use super::measures::{CLIENT, image_bytes, service_s};

/// Congestion controls that take a loss as a sign of congestion, which is what the model of losses is about.
const BY_LOSS: [&str; 2] = ["cubic", "reno"];

/// Images each second of a cell's runs, from the least to the most: where packets are lost two models of TCP bound them, else both say
/// the same. `None` where the model does not know of something: losses in bursts, connections that are not TCP or have carried images
/// before, and a worker that hangs, which is as slow as the manager is to notice.
pub(crate) fn predicted(runs: &[&Run]) -> Option<(f64, f64)> {
    let run = runs.first().filter(|run| run.cell.transport == Transport::Tcp && run.cell.warm == 0)?;
    let cluster = Cluster {
        images: run.cell.images,
        workers: run.cell.workers,
        slots: run.cell.slots,
        service_s: mean(runs, service_s)?,
        credit: None,
        image_bytes: mean(runs, image_bytes)?,
        upload: upload(runs),
        link: link(runs)?,
    };
    let by = |model: LossModel| {
        let batch = match &run.cell.failure {
            None => batch(&cluster, model),
            Some(failure) => with_failing(&cluster, &failing(failure, run.cell.standby)?, model),
        };
        batch.map(|batch| batch.images_per_s).filter(|images_per_s| images_per_s.is_finite())
    };
    let (padhye, mathis) = (by(LossModel::Padhye)?, by(LossModel::Mathis)?);
    Some((padhye.min(mathis), padhye.max(mathis)))
}

fn mean(runs: &[&Run], of: impl Fn(&Run) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = runs.iter().filter_map(|run| of(run)).collect();
    summarise(&values).map(|summary| summary.moments.mean)
}

/// The client's link. What was asked of it is in no cell, so that without probes it is taken for a perfect one.
fn upload(runs: &[&Run]) -> Path {
    let probed = || probed(runs, |link| link.end == CLIENT);
    Path {
        round_trip_s: median_round_trip_ms(probed()).unwrap_or_default() / 1000.0,
        rate_bits_per_s: probed().find_map(|calibration| calibration.asked_rate_bits_per_s),
        loss: 0.0,
        window_bytes: None,
    }
}

/// A worker's link; its round trip is the median that the probes found, or what was asked where there were none.
fn link(runs: &[&Run]) -> Option<Path> {
    let cell = &runs.first()?.cell;
    let seen_ms = median_round_trip_ms(probed(runs, |link| link.end != CLIENT));
    let loss = match cell.down.loss {
        Loss::Bursty { .. } => return None,
        Loss::None | Loss::Independent { .. } if !BY_LOSS.contains(&cell.congestion_control.as_str()) => 0.0,
        Loss::None | Loss::Independent { .. } => cell.down.loss.mean(),
    };
    Some(Path {
        round_trip_s: seen_ms.unwrap_or(cell.down.delay_ms + cell.up.delay_ms) / 1000.0,
        rate_bits_per_s: cell.down.rate_bits_per_s,
        loss,
        window_bytes: None,
    })
}

fn probed<'a>(runs: &'a [&Run], is_meant: impl Fn(&Link) -> bool + 'a) -> impl Iterator<Item = &'a Calibration> {
    let links = runs.iter().flat_map(|run| &run.links).filter(move |link| is_meant(link));
    links.filter_map(|link| link.calibration.as_ref())
}

fn median_round_trip_ms<'a>(probed: impl Iterator<Item = &'a Calibration>) -> Option<f64> {
    let round_trips_ms: Vec<f64> = probed.filter_map(|calibration| calibration.rtt_ms).collect();
    summarise(&round_trips_ms).map(|summary| summary.median)
}

/// How much is left of the failing worker, and that somebody notices at once.
fn failing(failure: &Failure, standby: u32) -> Option<Failing> {
    let remaining = match failure.mode.as_str() {
        "hang" => return None,
        "slow" => 0.1,
        _ if standby > 0 => 1.0,
        _ => 0.0,
    };
    Some(Failing { probability: failure.probability, remaining, noticed_after_s: 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::synthetic::{number, study, word};

    fn of(factors: &[(&str, crate::record::Level)]) -> Option<(f64, f64)> {
        let factors: Vec<_> = factors.iter().map(|(name, level)| (*name, vec![level.clone()])).collect();
        let runs = study("predicted", &factors, 2);
        predicted(&runs.iter().collect::<Vec<_>>())
    }

    /// 60 images of 500 ms on 3 workers take 20 rounds, so at most 6 images/s.
    #[test]
    fn a_prediction_is_near_the_bound_where_nothing_is_impaired_and_below_it_where_something_is() {
        let (whole, most) = of(&[("images", number(60.0))]).unwrap();
        let (_, delayed) = of(&[("images", number(60.0)), ("delay_ms", number(500.0))]).unwrap();
        let (_, failing) = of(&[("images", number(60.0)), ("failure_probability", number(0.5))]).unwrap();
        assert!((5.9..6.0).contains(&whole) && whole == most, "{whole} {most}");
        assert!(delayed < whole && failing < whole, "{delayed} {failing} {whole}");
    }

    #[test]
    fn where_packets_are_lost_the_prediction_is_a_range() {
        let (least, most) =
            of(&[("images", number(60.0)), ("delay_ms", number(100.0)), ("loss", number(0.1))]).unwrap();
        assert!(least < most, "{least} {most}");
    }

    #[test]
    fn what_the_model_does_not_know_of_is_not_predicted() {
        assert_eq!(of(&[("loss", number(0.1)), ("loss_model", word("bursty"))]), None);
        assert_eq!(of(&[("transport", word("quic"))]), None);
        assert_eq!(of(&[("warm", number(20.0))]), None);
        assert_eq!(of(&[("failure_probability", number(0.5)), ("failure_mode", word("hang"))]), None);
    }
}
