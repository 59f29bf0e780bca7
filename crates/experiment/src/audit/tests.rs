//! The tables of the study that the lab repeats, tables with known faults, and tables that are none.

use proptest::prelude::*;

use super::*;

const WORKERS: &str = include_str!("../../../../experiments/original/workers.csv");
const FAILURE: &str = include_str!("../../../../experiments/original/failure.csv");
const DELAY: &str = include_str!("../../../../experiments/original/delay.csv");
const LOSS: &str = include_str!("../../../../experiments/original/loss.csv");

fn near(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
}

fn problems(text: &str) -> Vec<String> {
    audit(text).expect_err("the table is refused").problems.iter().map(Problem::to_string).collect()
}

/// A table of one row that is right, for tests to break.
fn one_row(condition: &str, mean: &str, deviation: &str, n: &str, interval: &str) -> String {
    format!("condition,mean,std,n,lower,upper\n{condition},{mean},{deviation},{n},{interval}\n")
}

#[test]
fn each_interval_of_the_original_study_is_of_2_5_percent_and_72_8_times_too_narrow() {
    for table in [WORKERS, FAILURE, DELAY, LOSS] {
        let audit = audit(table).expect("a table");
        assert_eq!(audit.verdict.formulas, [Formula::HalfAlphaForConfidence]);
        assert!(!audit.verdict.is_right());
        assert_eq!(audit.rows.len(), 3);
        for row in &audit.rows {
            let found = row.found.as_ref().expect("it varies");
            near(found.confidence_by_t, 0.025, 1e-5);
            near(found.confidence_by_normal, 0.0259, 1e-4);
            near(found.times_too_narrow, 72.8, 0.05);
            assert_eq!(row.claimed_confidence, 0.95);
        }
    }
}

#[test]
fn the_original_studys_three_workers_are_known_to_1_165_817_and_not_to_16_011() {
    let audit = audit(WORKERS).expect("a table");
    near(audit.rows[0].half_width, 16_010.9, 0.1);
    near(audit.rows[0].right_half_width, 1_165_817.45, 0.01);
}

#[test]
fn the_original_studys_workers_add_up_to_63_percent() {
    let audit = audit(WORKERS).expect("a table");
    let found: Vec<(u32, f64)> = audit.scaling.iter().map(|scaling| (scaling.workers, scaling.efficiency)).collect();
    let [(3, three), (2, two)] = found.as_slice() else { panic!("not three and two: {found:?}") };
    near(*three, 0.634, 5e-4);
    near(*two, 0.743, 5e-4);
    near(audit.scaling[0].speed_up.ratio, 1.90, 5e-3);
}

#[test]
fn the_original_studys_failures_make_no_difference_that_eight_runs_could_show() {
    let audit = audit(FAILURE).expect("a table");
    let between = |first: &str, second: &str| {
        let names = (first.to_owned(), second.to_owned());
        audit.differences.iter().find(|difference| difference.between == names).expect("the pair is compared")
    };
    near(between("0.5", "0.1").contrast.t, -1.86, 5e-3);
    near(between("0.3", "0.1").contrast.t, -0.90, 5e-3);
    for difference in &audit.differences {
        assert!(difference.claimed && !difference.holds, "{difference:?}");
    }
    assert_eq!(audit.scaling, []);
}

#[test]
fn the_original_studys_delays_and_losses_do_make_a_difference() {
    for table in [DELAY, LOSS] {
        let audit = audit(table).expect("a table");
        assert!(audit.differences.iter().all(|difference| difference.claimed && difference.holds), "{audit}");
    }
}

#[test]
fn an_audit_is_told_in_words() {
    let expected = include_str!("failure.txt");
    let told = audit(FAILURE).expect("a table").to_string();
    assert_eq!(told, expected, "if the new words are better, put them into failure.txt:\n{told}");
}

#[test]
fn an_audit_is_told_in_json() {
    let json = serde_json::to_value(audit(WORKERS).expect("a table")).expect("JSON");
    assert_eq!(json["verdict"]["formulas"][0], "half_alpha_for_confidence");
    assert_eq!(json["rows"][0]["condition"], "3");
    assert_eq!(json["differences"].as_array().map(Vec::len), Some(3));
}

#[test]
fn columns_are_found_by_other_names_in_any_order_and_among_others() {
    let text = "\u{feff}# a comment\n\nSample size;95% CI upper;95% CI lower;Mean;remark;Std. Dev;Rate\n4;11;-1;5;fast;3.7708;\"a; b\"\n";
    let audit = audit(text).expect("a table");
    let row = &audit.rows[0];
    assert_eq!((row.line, row.moments.n, row.moments.mean, row.printed), (4, 4, 5.0, (-1.0, 11.0)));
    // The first column without a known name.
    assert_eq!(row.condition, "fast");
    assert!(audit.verdict.is_right(), "{audit}");
}

#[test]
fn an_interval_is_measured_against_the_confidence_that_its_row_claims() {
    let text = "condition,mean,std,n,lower,upper,confidence\na,0,1.00000,8,-0.66982,0.66982,90 %\nb,0,1.00000,8,-1.23725,1.23725,0.99\n";
    assert_eq!(audit(text).expect("a table").verdict.formulas, [Formula::StudentT]);
}

#[test]
fn rows_by_different_formulas_are_told_apart() {
    let text = "condition,mean,std,n,lower,upper\na,0,1.00000,8,-0.83602,0.83602\nb,0,1.00000,8,-0.69295,0.69295\n";
    let audit = audit(text).expect("a table");
    assert_eq!(audit.verdict.formulas, []);
    let found: Vec<_> = audit.rows.iter().filter_map(|row| row.found.as_ref()?.formulas.first()).collect();
    assert_eq!(found, [&Formula::StudentT, &Formula::Normal]);
    // With seven degrees of freedom 1.96 is the quantile of 90.9 %, and t's of 95 % is 1.206 times that.
    let (least, most) = audit.verdict.confidence.expect("they vary");
    near(least, 0.9092, 1e-4);
    near(most, 0.95, 1e-4);
    let (least, most) = audit.verdict.times_too_narrow.expect("they vary");
    near(least, 1.0, 1e-4);
    near(most, 1.2065, 1e-4);
    let told = audit.to_string();
    assert!(told.contains("No single formula gives all of them.") && told.contains("by Welch's test:"), "{told}");
}

#[test]
fn too_few_printed_digits_leave_several_formulas_open() {
    let audit = audit(&one_row("a", "5.0", "1.0", "9", "4.2,5.8")).expect("a table");
    assert!(audit.verdict.is_right() && audit.verdict.formulas.len() > 1, "{audit}");
    let told = audit.to_string();
    assert!(told.starts_with("The intervals may be what they claim to be."), "{told}");
    assert!(told.contains("With as many digits as are printed"), "{told}");
}

#[test]
fn a_difference_that_holds_only_where_nothing_else_is_compared_is_told_as_that() {
    // a and b are three standard errors apart: p is 0.0086, and six pairs make 0.052 of it.
    let row = |name: &str, mean: f64| format!("{name},{mean},1.00000,9,{:.5},{:.5}\n", mean - 0.76867, mean + 0.76867);
    let rows: String =
        [("a", 0.0), ("b", 1.41), ("c", 0.7), ("d", 0.7001)].map(|(name, mean)| row(name, mean)).concat();
    let told = audit(&format!("condition,mean,std,n,lower,upper\n{rows}")).expect("a table").to_string();
    assert!(told.contains("no; alone it would, but not among 6"), "{told}");
}

#[test]
fn an_interval_that_is_too_wide_is_called_so() {
    let audit = audit(&one_row("a", "0", "1.0000", "4", "-3.1824,3.1824")).expect("a table");
    assert_eq!(audit.verdict.formulas, [Formula::DeviationForError]);
    assert!(audit.to_string().contains("2 times too wide"), "{audit}");
}

#[test]
fn a_row_that_never_varies_has_no_interval_to_audit() {
    let audit = audit(&one_row("a", "5", "0", "8", "5,5")).expect("a table");
    assert_eq!(audit.rows[0].found, None);
    assert!(audit.verdict.is_right());
    assert!(audit.to_string().starts_with("No row varies"), "{audit}");
}

#[test]
fn what_cannot_be_is_refused_with_its_line() {
    let refused = |mean, deviation, n, interval, expected: &str| {
        let found = problems(&one_row("a", mean, deviation, n, interval));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("line 2: ") && found[0].contains(expected), "{found:?}");
    };
    refused("five", "1", "8", "4,6", "the mean is \"five\", which is not a number");
    refused("5", "-1", "8", "4,6", "the standard deviation -1 is negative");
    refused("5", "1", "1", "4,6", "the number of runs is 1; it has to be whole, and 2 at least");
    refused("5", "1", "7.5", "4,6", "the number of runs is 7.5");
    refused("5", "1", "8", "6,4", "the interval's lower end 6 is above its upper end 4");
    refused("9.0", "1", "8", "4.0,6.0", "the mean 9 is outside its interval, 4 to 6");
    refused("5.0", "1", "8", "4.0,9.0", "the mean is not in the middle of its interval: 1 below it and 4 above");
    refused("5.0", "0.0", "8", "4.0,6.0", "one is 0 and the other is not");
    refused("5.0", "1.0", "8", "5.0,5.0", "one is 0 and the other is not");
    refused("5.0", "1.0", "8", "4.0", "it has 5 fields where the header has 6");
}

#[test]
fn intervals_that_touch_do_not_claim_a_difference() {
    let text = "condition,mean,std,n,lower,upper\na,1,1,8,0,2\nb,3,1,8,2,4\nc,6,1,8,5,7\n";
    let claimed: Vec<bool> = audit(text).expect("a table").differences.iter().map(|pair| pair.claimed).collect();
    assert_eq!(claimed, [false, true, true]);
}

#[test]
fn ends_may_be_off_by_one_in_their_last_place_and_by_no_more() {
    // Each of the three numbers may be 0.1 more than it is printed, and the mean counts twice: 0.4 altogether.
    assert!(audit(&one_row("a", "5.0", "1.0", "8", "4.0,6.3")).is_ok());
    assert!(audit(&one_row("a", "5.0", "1.0", "8", "4.0,6.5")).is_err());
    assert!(audit(&one_row("a", "4.0", "1.0", "8", "4.1,4.2")).is_ok());
    assert!(audit(&one_row("a", "3.8", "1.0", "8", "4.1,4.2")).is_err());
}

#[test]
fn a_formula_fits_as_far_as_rounding_reaches() {
    // s = 1.000 is known to 0.05 %, a half-width of 1.00 to 0.5 %; together with half a thousandth that is 0.6 %.
    let fits = |deviation: &str| {
        let rows = one_row("a", "0.00", deviation, "4", "-1.00,1.00");
        !audit(&rows).expect("a table").verdict.formulas.is_empty()
    };
    // One deviation to each side.
    assert!(fits("1.000") && fits("1.005") && fits("0.995"));
    assert!(!fits("1.007") && !fits("0.993"));
    // s = 1.0 is known to 5 %.
    let of_one_digit = |half_width: &str| {
        let rows = one_row("a", "0.0000", "1.0", "4", &format!("-{half_width},{half_width}"));
        audit(&rows).expect("a table").verdict.formulas
    };
    assert_eq!(of_one_digit("1.0490"), [Formula::OneDeviation]);
    assert_eq!(of_one_digit("1.0520"), []);
}

#[test]
fn a_confidence_is_between_nothing_and_certainty() {
    let text = "condition,mean,std,n,lower,upper,confidence\na,5,1,8,4,6,100 %\nb,5,1,8,4,6,sure\nc,5,1,8,4,6,0\n";
    let found = problems(text);
    assert!(found[2].starts_with("line 4: the confidence is 0;"), "{found:?}");
    assert!(found[0].starts_with("line 2: the confidence is 1;"), "{found:?}");
    assert!(found[1].starts_with("line 3: the confidence is \"sure\""), "{found:?}");
}

#[test]
fn a_header_says_which_columns_are_missing_and_which_are_there_twice() {
    let found = problems("condition,average,mean,n,lower,upper\n");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[1].contains("no column is the standard deviation; it may be called std, sd"), "{found:?}");
    assert!(found[0].contains("two columns are the mean"), "{found:?}");
}

#[test]
fn every_problem_of_a_table_is_told_at_once() {
    let text = "condition,mean,std,n,lower,upper\na,five,-1,8,4,6\n\nb,5,-1,0,4,6\nc,5,1,8,4,6\nc,5,1,8,4,6\n";
    let found = problems(text);
    let lines: Vec<&str> = found.iter().filter_map(|problem| problem.split(':').next()).collect();
    assert_eq!(lines, ["line 2", "line 4", "line 4", "line 6"], "{found:?}");
    assert!(found[3].contains("the condition \"c\" was on line 5 already"), "{found:?}");
}

#[test]
fn an_empty_table_and_one_without_rows_are_refused() {
    assert_eq!(problems("\n# nothing\n"), ["line 1: the table is empty"]);
    assert_eq!(problems("condition,mean,std,n,lower,upper\n"), ["line 1: no row follows the header"]);
}

#[test]
fn a_table_has_a_longest() {
    let rows = |count| {
        let rows: String = (0..count).map(|row| format!("{row},5,1,8,4,6\n")).collect();
        format!("condition,mean,std,n,lower,upper\n{rows}")
    };
    assert!(audit(&rows(ROWS_MAX)).is_ok());
    assert_eq!(problems(&rows(ROWS_MAX + 5)), ["line 202: this is row 201, and 200 are the most"]);
}

/// A table as one would print it, by a formula.
fn printed(formula: Formula, rows: &[(u32, f64, f64)], confidence: f64) -> String {
    let mut text = String::from("condition,mean,std,n,lower,upper,confidence\n");
    for (condition, (n, mean, deviation)) in rows.iter().enumerate() {
        let half_width = formula.multiplier(*n, confidence) * deviation / f64::from(*n).sqrt();
        let (lower, upper) = (mean - half_width, mean + half_width);
        text += &format!("{condition},{mean:.6},{deviation:.6},{n},{lower:.6},{upper:.6},{confidence}\n");
    }
    text
}

fn rows() -> impl Strategy<Value = Vec<(u32, f64, f64)>> {
    prop::collection::vec((2_u32..=30, -1e3..1e3, 1.0..1e3), 1..6)
}

proptest! {
    #[test]
    fn a_table_with_a_known_fault_is_diagnosed_and_a_right_one_is_called_right(
        rows in rows(),
        formula in prop::sample::select(Formula::ALL.as_slice()),
        confidence in prop::sample::select([0.9, 0.95, 0.99].as_slice()),
    ) {
        let audit = audit(&printed(formula, &rows, confidence)).expect("a table");
        // Of 11 formulas two may agree by chance at one n; never with the right one among them, at up to 30 runs.
        prop_assert!(audit.verdict.formulas.contains(&formula), "{:?}", audit.verdict);
        prop_assert_eq!(audit.verdict.is_right(), formula == Formula::StudentT);
        prop_assert_eq!(audit.verdict.formulas.len(), 1);
        for (row, (n, _, deviation)) in audit.rows.iter().zip(&rows) {
            let right = Formula::StudentT.multiplier(*n, confidence) * deviation / f64::from(*n).sqrt();
            prop_assert!((row.right_half_width / right - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn no_text_makes_an_audit_panic(text in "(condition|mean|std|n|lower|upper|[0-9.eE%,;\"\n# -]|é){0,200}") {
        let _ = audit(&text).map(|audit| audit.to_string());
    }

    #[test]
    fn no_row_of_numbers_makes_an_audit_panic(
        fields in prop::collection::vec(prop::sample::select(["0", "1", "2", "-1", "1e60", "-1e60", "1e-60", "1e-308", "4294967295", "0.5"].as_slice()), 5),
    ) {
        let text = one_row("a", fields[0], fields[1], fields[2], &fields[3..].join(","));
        if let Ok(audit) = audit(&(text + "b,1,1,2,0,2\n")) {
            prop_assert!(!audit.to_string().contains("NaN"), "{audit}");
        }
    }
}
