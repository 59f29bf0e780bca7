use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::*;

fn study(repeats: u32, seed: u64) -> Scenario {
    let text = format!(
        "name = \"delay\"\ntitle = \"t\"\nquestion = \"q\"\nrepeats = {repeats}\nseed = {seed}\nbound_s = 60\n\
         [fixed]\nservice_ms = 500\n[factors]\ndelay_ms = [0, 100, 300, 500]\nimages = [5, 300]\n"
    );
    Scenario::parse(&text, Path::new(""), false).unwrap()
}

#[test]
fn each_block_has_every_cell_once() {
    let scenario = study(8, 1);
    let turns = turns(&scenario);
    assert_eq!(turns.len(), 64);
    for block in 0..8 {
        let cells: BTreeSet<usize> = turns.iter().filter(|turn| turn.block == block).map(|turn| turn.cell).collect();
        assert_eq!(cells, (0..8).collect(), "block {block}");
    }
    assert!(turns.iter().zip(0..).all(|(turn, place)| turn.position == place && turn.block == place / 8));
}

#[test]
fn the_same_seed_gives_the_same_order_and_another_another() {
    assert_eq!(turns(&study(8, 1)), turns(&study(8, 1)));
    let cells = |seed| turns(&study(8, seed)).iter().map(|turn| turn.cell).collect::<Vec<_>>();
    assert_ne!(cells(1), cells(2));
    let blocks: BTreeSet<Vec<usize>> = cells(1).chunks(8).map(<[usize]>::to_vec).collect();
    assert!(blocks.len() > 1, "blocks differ in their order");
}

#[test]
fn no_two_runs_have_one_seed() {
    let seeds: BTreeSet<u64> = turns(&study(100, 1)).iter().map(|turn| turn.seed).collect();
    assert_eq!(seeds.len(), 800);
}

#[test]
fn more_repeats_begin_with_the_runs_of_fewer() {
    assert_eq!(turns(&study(3, 1)), turns(&study(8, 1))[..24]);
}

#[test]
fn a_run_is_expected_to_take_its_rounds_of_work_at_least_and_its_bound_at_most() {
    let scenario = study(1, 1);
    for planned in &scenario.cells {
        let floor = Duration::from_millis(500) * planned.cell.images.div_ceil(3);
        let bound = Duration::from_secs(60);
        let expected = expected(&planned.cell, bound);
        assert!(expected >= floor, "{:?}: {expected:?}", planned.levels);
        assert!(expected <= bound + Duration::from_secs(5), "{:?}: {expected:?}", planned.levels);
    }
}

#[test]
fn what_runs_took_corrects_what_the_rest_will_take() {
    let mut left = Left::default();
    assert_eq!(left.left(Duration::from_secs(10)), Duration::from_secs(10));
    left.done(Duration::from_secs(4), Duration::from_secs(6));
    assert_eq!(left.left(Duration::from_secs(10)), Duration::from_secs(15));
}
