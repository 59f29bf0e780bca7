use std::net::UdpSocket;

use super::*;
use crate::machine::Machine;
use crate::star::Cables;

fn told(conditions: Conditions) -> String {
    arguments("cable", &conditions).join(" ")
}

fn everything() -> Conditions {
    Conditions {
        delay_ms: 30.0,
        jitter_ms: 2.5,
        rate_bits_per_s: Some(10e6),
        queue_packets: 100,
        loss: Loss::Bursty { enter: 0.01, leave: 0.25, lost_in_good: 0.0, lost_in_bad: 0.5 },
        duplicate: 0.01,
        reorder: 0.02,
    }
}

/// A star, where machines and `tc` are there.
fn star(test: &str) -> Option<Star> {
    let is_possible = Machine::new("tc -Version >/dev/null").is_ok();
    if !is_possible {
        eprintln!("NOT RUN without namespaces and tc: {test}");
    }
    is_possible.then(|| Star::build(1, Cables::Whole).expect("a star can be built where a machine can"))
}

#[test]
fn every_condition_has_its_words() {
    assert_eq!(told(Conditions::default()), "qdisc replace dev cable root netem limit 32768 delay 0us");
    assert_eq!(
        told(everything()),
        "qdisc replace dev cable root netem limit 127 delay 30000us 2500us loss gemodel 1% 25% 50% 0% duplicate 1% \
         reorder 2% rate 10000000bit"
    );
    let loss = Loss::Independent { probability: 0.15 };
    assert!(told(Conditions { loss, ..Conditions::default() }).ends_with("delay 0us loss random 15%"));
}

#[test]
fn where_nothing_is_delayed_nothing_is_reordered() {
    assert!(!told(Conditions { reorder: 0.5, ..Conditions::default() }).contains("reorder"));
}

#[test]
fn tc_understands_what_it_is_told() {
    let Some(star) = star("tc_understands_what_it_is_told") else { return };
    let [device, _] = Cable(1).devices();
    let tc = |words: &[String]| star.manager().door().command(Path::new("tc")).args(words).output().expect("tc runs");
    let nonsense = tc(&["qdisc", "replace", "dev", &device, "root", "netem", "dealy"].map(str::to_owned));
    assert_eq!(nonsense.status.code(), Some(1), "it checks words before it asks the kernel");
    for conditions in [Conditions::default(), everything()] {
        let output = tc(&arguments(&device, &conditions));
        // It is the kernel that then says whether it has netem.
        let understood = output.status.success() || output.status.code() == Some(2);
        assert!(understood, "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Any discipline counts as netem does, and a plain queue is in every kernel.
#[test]
fn what_a_discipline_has_counted_is_read() {
    let Some(star) = star("what_a_discipline_has_counted_is_read") else { return };
    let [device, _] = Cable(1).devices();
    let sender = Sender { door: star.manager().door(), device: device.clone(), told: Mutex::default() };
    let queue = ["qdisc", "replace", "dev", &device, "root", "pfifo", "limit", "10"].map(str::to_owned);
    sender.tc(&queue).expect("a queue");
    let before = sender.counted().expect("it counts");
    let to = (Cable(1).other_address(), 9);
    let send = || Ok(UdpSocket::bind("0.0.0.0:0")?.send_to(&[7; 100], to)?);
    star.manager().inside(send).expect("it is sent, whoever may hear it");
    let after = sender.counted().expect("it counts");
    // Ethernet's, IP's and UDP's headers around a hundred bytes.
    assert_eq!((after.packets - before.packets, after.bytes - before.bytes, after.drops), (1, 142, 0));
}

#[test]
fn a_kernel_without_it_is_told_of_as_such() {
    let Some(star) = star("a_kernel_without_it_is_told_of_as_such") else { return };
    match Netem::is_here() {
        // Then a star can have it, and its links carry what they are given.
        Ok(()) => {
            let netem = Netem::on(&star).expect("netem on a star");
            netem.set(1, Direction::Down, &everything(), 1).expect("everything at once");
            netem.cut(1).expect("a cut");
            netem.mend(1).expect("no cut");
            netem.reset().expect("counts from nothing");
            assert_eq!(netem.carried(1, Direction::Down).expect("counts"), Carried::default());
        }
        Err(why) => {
            let why = format!("{why:#}");
            assert!(why.starts_with("the kernel's own emulator (netem) cannot be used here: tc"), "{why}");
            assert!(Netem::on(&star).is_err(), "what is not here cannot be set up");
        }
    }
}
