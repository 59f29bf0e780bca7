//! The congestion control of the connections to workers: as it was chosen, and told as it is.

use std::collections::BTreeSet;

use manyeyes_link::{CongestionControlError, ListenError, ManagerEnd, ManagerSettings, Transports};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use crate::stage::{Manager, Tcp, Worker, manager_settings};

/// One of the kernel's own words on it.
fn sysctl(name: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap();
    text.split_whitespace().map(str::to_owned).collect()
}

fn choosing(name: &str) -> ManagerSettings {
    ManagerSettings { congestion_control: Some(name.to_owned()), ..manager_settings() }
}

async fn in_use_with(settings: ManagerSettings) -> Option<String> {
    let mut manager = Manager::start_with::<Tcp>(settings);
    let _worker = Worker::start::<Tcp>("eye", 1, manager.end.local_addr());
    manager.joined().await.1.congestion_control
}

fn refused(name: &str) -> CongestionControlError {
    let settings = ManagerSettings { transports: Transports::Tcp, ..choosing(name) };
    match ManagerEnd::bind("127.0.0.1:0".parse().unwrap(), settings) {
        Err(ListenError::CongestionControl(error)) => error,
        other => panic!("'{name}' was not refused for what it is: {other:?}"),
    }
}

#[tokio::test]
async fn a_connection_has_the_congestion_control_that_was_chosen_and_no_other() {
    let allowed = sysctl("tcp_allowed_congestion_control");
    assert!(allowed.contains("reno"), "every kernel has it, for everyone: {allowed:?}");
    for name in allowed {
        assert_eq!(in_use_with(choosing(&name)).await, Some(name));
    }
}

#[tokio::test]
async fn left_alone_a_connection_has_the_systems_own_which_is_told_by_its_name() {
    let in_use = in_use_with(manager_settings()).await.unwrap();
    assert_eq!(sysctl("tcp_congestion_control"), BTreeSet::from([in_use]));
}

#[tokio::test]
async fn a_name_that_the_system_does_not_know_is_refused_with_those_that_it_knows() {
    for name in ["nonesuch", "", "reno-and-more-than-the-kernel-reads"] {
        let error = refused(name);
        assert!(matches!(&error, CongestionControlError::Unknown { .. }), "{error:?}");
        let text = error.to_string();
        assert!(sysctl("tcp_available_congestion_control").iter().all(|known| text.contains(known)), "{text}");
    }
}

#[tokio::test]
async fn one_that_is_for_the_privileged_is_refused_with_those_that_are_for_all() {
    let (available, allowed) = (sysctl("tcp_available_congestion_control"), sysctl("tcp_allowed_congestion_control"));
    let Some(restricted) = available.difference(&allowed).next() else {
        let test = "one_that_is_for_the_privileged_is_refused_with_those_that_are_for_all";
        eprintln!("NOT RUN without a congestion control that is not for everyone: {test}");
        return;
    };
    // Of this thread, on which the test's runtime runs.
    let mut sets = capabilities(None).unwrap();
    sets.effective.remove(CapabilitySet::NET_ADMIN);
    set_capabilities(None, sets).unwrap();
    let error = refused(restricted);
    assert!(matches!(&error, CongestionControlError::NotAllowed { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(restricted) && allowed.iter().all(|name| text.contains(name)), "{text}");
}
