//! Who is who, as workers come and go.

use std::sync::atomic::Ordering;

use manyeyes_protocol::frame::VERSIONS;

use super::*;

/// A connection, and no other.
#[derive(Clone, Debug)]
struct Line(Arc<()>);

impl PartialEq for Line {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

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

/// Whatever became of the process before: what is told of a name never goes back.
#[test]
fn what_was_carried_under_an_id_goes_on_being_counted_with_the_next_process_that_has_it() {
    for departure in [Departure::Disconnected, Departure::Goodbye] {
        let mut roster = Roster::default();
        let (first, line) = join(&mut roster, "eye", 1);
        first.counters.payload_bytes.fetch_add(5, Ordering::Relaxed);
        roster.leave(first.worker, &line, &departure);
        let (second, _) = join(&mut roster, "eye", 2);
        assert_eq!(second.profile.id, "eye");
        second.counters.payload_bytes.fetch_add(7, Ordering::Relaxed);
        let carried = |worker| roster.counters(worker).unwrap().payload_bytes.load(Ordering::Relaxed);
        assert_eq!(carried(second.worker), 12, "{departure:?}");
    }
}

#[test]
fn one_that_comes_back_under_another_id_does_not_count_for_the_one_that_has_taken_its_own() {
    let mut roster = Roster::default();
    let (first, line) = join(&mut roster, "eye", 1);
    roster.leave(first.worker, &line, &Departure::Disconnected);
    let (second, _) = join(&mut roster, "eye", 2);
    let (back, _) = join(&mut roster, "eye", 1);
    assert_eq!((second.profile.id.as_str(), back.profile.id.as_str()), ("eye", "eye-2"));
    back.counters.payload_bytes.fetch_add(5, Ordering::Relaxed);
    assert_eq!(second.counters.payload_bytes.load(Ordering::Relaxed), 0);
}

#[test]
fn the_end_of_a_connection_that_was_replaced_changes_nothing() {
    let mut roster = Roster::default();
    let (first, line) = join(&mut roster, "eye", 1);
    let (again, _) = join(&mut roster, "eye", 1);
    assert_eq!(again.before.as_ref(), Some(&line));
    roster.leave(first.worker, &line, &Departure::Disconnected);
    assert!(roster.line(first.worker).is_some());
}

/// Found by the simulator (seed 187): what an owner had ordered before it heard of a reconnect went over the new connection,
/// to a worker that it held for gone; the image was with two workers, and the worker had more than its window.
#[test]
fn each_connection_of_a_process_has_a_number_of_its_own() {
    let mut roster = Roster::default();
    let (first, line) = join(&mut roster, "eye", 1);
    assert_eq!((first.profile.connection, roster.connection(first.worker)), (1, Some(1)));
    roster.leave(first.worker, &line, &Departure::Disconnected);
    assert_eq!(roster.connection(first.worker), None);
    let (back, _) = join(&mut roster, "eye", 1);
    assert_eq!((back.profile.connection, roster.connection(first.worker)), (2, Some(2)));
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

/// Both were let in by what was here when they connected, which was nobody.
#[test]
fn of_two_first_workers_that_come_at_the_same_moment_only_one_chooses_the_model() {
    let mut roster = Roster::default();
    let (first, line) = join_with(&mut roster, "eye", 1, &[1]);
    assert!(join_with(&mut roster, "ear", 2, &[2]).0.is_none());
    assert!(join_with(&mut roster, "nose", 3, &[]).0.is_none());
    assert_eq!(roster.model_here().map(|model| model.digest), Some(ModelDigest([1; 32])));
    roster.leave(first.unwrap().worker, &line, &Departure::Goodbye);
    assert!(join_with(&mut roster, "ear", 2, &[2]).0.is_some());
}

#[test]
fn of_a_worker_with_several_models_the_one_in_use_comes_first() {
    let mut roster = Roster::default();
    join_with(&mut roster, "eye", 1, &[2]);
    let (second, _) = join_with(&mut roster, "ear", 2, &[1, 2]);
    let digests: Vec<_> = second.unwrap().profile.models.iter().map(|model| model.digest).collect();
    assert_eq!(digests, [ModelDigest([2; 32]), ModelDigest([1; 32])]);
}

fn join(roster: &mut Roster<Line>, name: &str, number: u32) -> (Seat<Line>, Line) {
    let (seat, line) = join_with(roster, name, number, &[]);
    (seat.expect("no model is asked for"), line)
}

fn join_with(roster: &mut Roster<Line>, name: &str, number: u32, models: &[u8]) -> (Option<Seat<Line>>, Line) {
    let model = |&digest: &u8| ModelDescription {
        digest: ModelDigest([digest; 32]),
        name: format!("model {digest}"),
        verified: false,
        notice: None,
        input: None,
    };
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
        models: models.iter().map(model).collect(),
        moves: false,
    };
    let line = Line(Arc::default());
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    (roster.join(hello, None, address, line.clone()), line)
}
