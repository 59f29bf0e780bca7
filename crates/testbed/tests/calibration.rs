//! What probes of a real path find.

mod wired;

use manyeyes_testbed::{Conditions, Loss, Probed, Sockets, calibrate};

use self::wired::Wired;

/// Slow enough, and far enough away, that a machine that is busy with other tests does not make the difference.
fn asked() -> Conditions {
    let loss = Loss::Independent { probability: 0.1 };
    Conditions { delay_ms: 100.0, rate_bits_per_s: Some(2e6), queue_packets: 200, loss, ..Conditions::default() }
}

fn probed(wired: &Wired, link: usize, path: usize) -> Probed {
    let [near, far] = wired.sockets(path);
    let ends = Box::new(Sockets { near, far });
    Probed { link, ends, down: asked(), up: Conditions { loss: Loss::None, ..asked() } }
}

#[test]
fn links_that_are_as_asked_hold() {
    let Some(wired) = Wired::new(1) else {
        return eprintln!("NOT RUN without namespaces: links_that_are_as_asked_hold");
    };
    let links = [probed(&wired, 0, 0), probed(&wired, 1, 1)];
    let found = calibrate(&wired.emulator(), &links, 2, 1).expect("they can be probed");
    for link in found {
        assert!(link.holds, "{link:?}");
        assert!(link.probes > 100 && link.lost > 0, "{link:?}");
    }
}

#[test]
fn a_link_that_is_not_as_asked_is_probed_again_and_refused() {
    let Some(wired) = Wired::new(1) else {
        return eprintln!("NOT RUN without namespaces: a_link_that_is_not_as_asked_is_probed_again_and_refused");
    };
    // The emulator is told of one link, and the probes travel on another, which is perfect.
    let found = calibrate(&wired.emulator(), &[probed(&wired, 0, 1)], 1, 1).expect("it can be probed");
    let link = &found[0];
    assert!(link.probed_again && !link.holds, "{link:?}");
    assert_eq!(link.lost, 0);
    assert!(link.rtt_ms.is_some_and(|rtt_ms| rtt_ms < link.asked_rtt_ms / 2.0), "{link:?}");
}
