//! Who is who, as workers come and go.

use manyeyes_protocol::frame::VERSIONS;

use super::*;

#[test]
fn a_process_keeps_its_number_and_its_id_across_reconnects() {
    let mut roster = Roster::default();
    join(&mut roster, "eye", 1);
    let (second, line) = join(&mut roster, "eye", 2);
    roster.leave(second.worker, &line, &Departure::Silent);
    let (back, _) = join(&mut roster, "eye", 2);
    assert_eq!((back.worker, back.profile.id.as_str()), (second.worker, "eye-2"));
    assert!(back.profile.returning && back.before.is_none());
}

#[test]
fn only_a_process_whose_connection_was_closed_without_a_word_counts_as_crashed() {
    for (departure, crashed) in [
        (Departure::Disconnected, true),
        (Departure::Silent, false),
        (Departure::Goodbye, false),
        (Departure::Misbehaved("so".to_owned()), false),
    ] {
        let mut roster = Roster::default();
        let (first, line) = join(&mut roster, "eye", 1);
        roster.leave(first.worker, &line, &departure);
        let (next, _) = join(&mut roster, "eye", 2);
        assert_eq!(next.profile.replaces, crashed.then_some(first.worker), "{departure:?}");
    }
}

#[test]
fn a_crashed_process_is_replaced_once_and_only_by_one_of_its_name() {
    let mut roster = Roster::default();
    let (first, line) = join(&mut roster, "eye", 1);
    roster.leave(first.worker, &line, &Departure::Disconnected);
    assert_eq!(join(&mut roster, "ear", 2).0.profile.replaces, None);
    assert_eq!(join(&mut roster, "eye", 3).0.profile.replaces, Some(first.worker));
    assert_eq!(join(&mut roster, "eye", 4).0.profile.replaces, None);
}

#[test]
fn one_that_was_held_for_crashed_and_comes_back_gets_another_id() {
    let mut roster = Roster::default();
    let (first, line) = join(&mut roster, "eye", 1);
    roster.leave(first.worker, &line, &Departure::Disconnected);
    assert_eq!(join(&mut roster, "eye", 2).0.profile.id, "eye");
    let (back, _) = join(&mut roster, "eye", 1);
    assert_eq!((back.worker, back.profile.id.as_str()), (first.worker, "eye-2"));
}

#[test]
fn an_id_is_free_again_after_a_goodbye() {
    let mut roster = Roster::default();
    let (first, line) = join(&mut roster, "eye", 1);
    roster.leave(first.worker, &line, &Departure::Goodbye);
    assert_eq!(join(&mut roster, "eye", 2).0.profile.id, "eye");
}

#[test]
fn the_end_of_a_connection_that_was_replaced_changes_nothing() {
    let mut roster = Roster::default();
    let (first, line) = join(&mut roster, "eye", 1);
    let (again, _) = join(&mut roster, "eye", 1);
    assert!(again.before.is_some_and(|before| before.commands.same_channel(&line.commands)));
    roster.leave(first.worker, &line, &Departure::Disconnected);
    assert!(roster.line(first.worker).is_some());
}

#[test]
fn only_so_many_that_have_gone_are_remembered() {
    let mut roster = Roster::default();
    let (first, line) = join(&mut roster, "eye", 0);
    roster.leave(first.worker, &line, &Departure::Goodbye);
    for number in 1..=MAX_GONE as u32 {
        let (seat, line) = join(&mut roster, "eye", number);
        roster.leave(seat.worker, &line, &Departure::Goodbye);
    }
    assert!(roster.counters(first.worker).is_none());
    assert_eq!(roster.workers.len(), MAX_GONE);
    assert_eq!(roster.by_instance.len(), MAX_GONE);
}

fn join(roster: &mut Roster, name: &str, number: u32) -> (Seat, Line) {
    let mut instance = [0; 16];
    instance[..4].copy_from_slice(&number.to_be_bytes());
    let hello = Hello {
        versions: VERSIONS,
        instance: InstanceId(instance),
        slots: 1,
        window: 1,
        name: name.to_owned(),
        software: String::new(),
        token: None,
        models: Vec::new(),
    };
    let (commands, _) = mpsc::channel(1);
    let line = Line { commands, hang_up: CancellationToken::new(), ended: CancellationToken::new() };
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    (roster.join(hello, address, line.clone()), line)
}
