use super::*;
use crate::report::tests::synthetic::{number, study};

/// Two cells: one worker at 1.9, 2.0 and 2.1 images/s, three at 5.4, 5.5 and 5.6.
fn rows() -> Vec<Run> {
    let mut runs = study("workers", &[("workers", vec![number(1.0), number(3.0)])], 3);
    for run in &mut runs {
        let speed = if run.cell.workers == 1 { 2.0 } else { 5.5 } + 0.1 * (f64::from(run.block) - 1.0);
        run.elapsed_s = Some(run.images.len() as f64 / speed);
        run.void.clear();
    }
    runs
}

fn asked(figure: &str, value: &str) -> String {
    format!(
        "[[answer]]\nquestion = \"Well?\"\nstudy = \"workers\"\ncell = {{ workers = 3 }}\nagainst = {{ workers = 1 }}\n\
         figure = \"{figure}\"\nvalue = {value}\n"
    )
}

fn is_right(figure: &str, value: &str) -> bool {
    check(&asked(figure, value), &rows()).expect("it can be checked")[0].is_right
}

fn refused(answers: &str) -> String {
    check(answers, &rows()).expect_err("it cannot be checked").to_string()
}

#[test]
fn a_number_is_right_as_it_is_read_from_a_table_and_wrong_beyond() {
    assert!(is_right("mean", "5.5"));
    assert!(is_right("mean", "5.45"));
    assert!(!is_right("mean", "5.2"));
    assert!(is_right("n", "3"));
    assert!(is_right("median", "5.5"));
    assert!(is_right("deviation", "0.1"));
    // t(0.975, 2) = 4.303, over the root of three.
    assert!(is_right("half_width", "0.248"));
}

/// Found by a first try of the handout: an interval that was read right, as 0.005, was told to be wrong.
#[test]
fn an_interval_that_is_narrow_beside_its_mean_is_right_to_the_digits_of_the_mean() {
    assert!(is_right("half_width", "0.253"));
    assert!(!is_right("half_width", "0.255"));
}

#[test]
fn two_cells_are_compared() {
    assert!(is_right("times", "2.75"));
    assert!(is_right("efficiency", "0.917"));
    assert!(is_right("holds", "true"));
    assert!(!is_right("holds", "false"));
}

#[test]
fn what_is_right_is_told_to_who_was_wrong() {
    let checked = check(&asked("mean", "4"), &rows()).expect("it can be checked");
    let Value::Number(truth) = checked[0].truth else { panic!("a mean is a number") };
    assert!((truth - 5.5).abs() < 1e-9);
}

#[test]
fn void_runs_are_in_no_answer() {
    let mut runs = rows();
    let last = runs.iter().rposition(|run| run.cell.workers == 3).expect("there are such runs");
    runs[last].void.push("it was late".to_owned());
    let checked = check(&asked("n", "2"), &runs).expect("it can be checked");
    assert!(checked[0].is_right);
}

#[test]
fn a_question_that_the_rows_do_not_answer_says_what_is_missing() {
    let without = |what: &str, instead: &str| asked("times", "1").replace(what, instead);
    assert_eq!(
        refused(&without("study = \"workers\"", "study = \"delay\"")),
        "check answer 1 (Well?): the rows have no study delay, only workers"
    );
    assert!(refused(&without("cell = { workers = 3 }", "cell = { workers = 2 }")).contains("no cell of workers 2"));
    assert!(refused(&without("cell = { workers = 3 }", "cell = {}")).contains("name each factor's level"));
    assert!(refused(&without("against = { workers = 1 }\n", "")).contains("`against`, is not named"));
    assert!(refused("[[answer]]\nquestion = 1\n").starts_with("read the answers: "));
}
