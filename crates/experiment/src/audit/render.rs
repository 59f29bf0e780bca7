//! An audit in words, for a terminal.

use std::fmt;

use super::{Audit, Difference, Formula, Row, Scaling, Verdict};
use manyeyes_statistics::RunsNeeded;

impl fmt::Display for Audit {
    /// What is wrong first, then the rows, then which differences hold. Ends with a line break.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.verdict)?;
        writeln!(
            formatter,
            "\nThe intervals, as printed and as they should be by Student's t with n - 1 degrees of freedom:"
        )?;
        write_table(formatter, &ROW_HEADER, self.rows.iter().map(row_cells))?;
        if !self.differences.is_empty() {
            let pairs = self.differences.len();
            writeln!(formatter, "\nThe differences, by Welch's test{}:", correction(pairs))?;
            let cells = self.differences.iter().map(|difference| difference_cells(difference, pairs));
            write_table(formatter, &DIFFERENCE_HEADER, cells)?;
            if self.differences.iter().any(|difference| !difference.holds) {
                writeln!(
                    formatter,
                    "  (Runs are counted for each pair by itself, with a chance of 80 % to find what was seen here.)"
                )?;
            }
        }
        if !self.scaling.is_empty() {
            writeln!(formatter, "\nHow workers add up:")?;
            write_table(formatter, &SCALING_HEADER, self.scaling.iter().map(scaling_cells))?;
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(confidence), Some(narrow)) = (self.confidence, self.times_too_narrow) else {
            return formatter.write_str("No row varies, so there is no interval to audit.");
        };
        if self.is_right() {
            let may_be = if self.formulas.len() > 1 { "may be" } else { "are" };
            write!(formatter, "The intervals {may_be} what they claim to be.")?;
        } else {
            write!(
                formatter,
                "The intervals are not what they claim to be. Really they are {} intervals, ",
                percents(confidence)
            )?;
            write!(formatter, "{}.", times(narrow))?;
        }
        match self.formulas.as_slice() {
            [] => formatter.write_str(" No single formula gives all of them."),
            [Formula::StudentT] => Ok(()),
            [only] => write!(formatter, " One formula gives all of them: {only}."),
            [first, others @ ..] => {
                let others: Vec<String> = others.iter().map(Formula::to_string).collect();
                write!(
                    formatter,
                    " Likeliest: {first}. With as many digits as are printed it could also be: {}.",
                    others.join("; ")
                )
            }
        }
    }
}

const ROW_HEADER: [&str; 7] = ["condition", "n", "mean", "printed", "right", "really", "times too narrow"];

fn row_cells(row: &Row) -> [String; 7] {
    let found = row.found.as_ref();
    [
        row.condition.clone(),
        row.moments.n.to_string(),
        number(row.moments.mean),
        format!("±{} as {}", number(row.half_width), percent(row.claimed_confidence)),
        format!("±{}", number(row.right_half_width)),
        found.map_or_else(|| "does not vary".to_owned(), |found| percent(found.confidence_by_t)),
        found.map_or_else(String::new, |found| factor(found.times_too_narrow)),
    ]
}

const DIFFERENCE_HEADER: [&str; 7] =
    ["between", "difference", "t", "p", "corrected p", "by the printed intervals", "holds"];

fn difference_cells(difference: &Difference, pairs: usize) -> [String; 7] {
    let contrast = &difference.contrast;
    let holds = match difference.runs_needed {
        _ if difference.holds => "yes".to_owned(),
        RunsNeeded::More(0) => format!("no; alone it would, but not among {pairs}"),
        needed => format!("no; {needed}"),
    };
    [
        format!("{} and {}", difference.between.0, difference.between.1),
        format!("{} ±{}", number(contrast.difference), number(contrast.half_width)),
        format!("{:.2}", contrast.t),
        chance(contrast.p),
        chance(difference.corrected_p),
        if difference.claimed { "they differ" } else { "open" }.to_owned(),
        holds,
    ]
}

const SCALING_HEADER: [&str; 3] = ["workers", "times one worker", "efficiency"];

fn scaling_cells(scaling: &Scaling) -> [String; 3] {
    let speed_up = &scaling.speed_up;
    [
        scaling.workers.to_string(),
        format!("{:.2} ({:.2} to {:.2})", speed_up.ratio, speed_up.lower, speed_up.upper),
        percent(scaling.efficiency),
    ]
}

fn correction(pairs: usize) -> String {
    if pairs == 1 { String::new() } else { format!(", p corrected by Holm's method over all {pairs} pairs") }
}

/// In columns as wide as their widest cell.
fn write_table<const N: usize>(
    formatter: &mut fmt::Formatter<'_>,
    header: &[&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> fmt::Result {
    let mut lines = vec![header.map(str::to_owned)];
    lines.extend(rows);
    let widths: [usize; N] =
        std::array::from_fn(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0));
    for line in lines {
        let cells: Vec<String> = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(formatter, "  {}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// Whole and in groups of three from a thousand on, with four digits below, and with an exponent where it would be long.
fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let before_point = value.abs().log10().floor() as i32 + 1;
    if !(-3..=15).contains(&before_point) {
        return format!("{value:.3e}");
    }
    if before_point < 4 {
        return format!("{value:.*}", usize::try_from(4 - before_point).unwrap_or(0));
    }
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::from(if value < 0.0 { "-" } else { "" });
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 99.9 && percent < 100.0 { "over 99.9 %".to_owned() } else { format!("{} %", trimmed(percent, 1)) }
}

fn percents((least, most): (f64, f64)) -> String {
    let (least, most) = (percent(least), percent(most));
    if least == most { least } else { format!("{least} to {most}") }
}

fn chance(p: f64) -> String {
    if p < 0.0001 { "below 0.0001".to_owned() } else { format!("{p:.4}") }
}

fn factor(times: f64) -> String {
    trimmed(times, if times < 10.0 { 3 } else { 1 })
}

fn times((least, most): (f64, f64)) -> String {
    if most < 1.0 {
        return format!("{} times too wide", factors(1.0 / most, 1.0 / least));
    }
    if least < 1.0 {
        return format!("from {} times too wide to {} times too narrow", factor(1.0 / least), factor(most));
    }
    format!("{} times too narrow", factors(least, most))
}

fn factors(least: f64, most: f64) -> String {
    let (least, most) = (factor(least), factor(most));
    if least == most { least } else { format!("{least} to {most}") }
}

/// With so many decimals, less the zeros at the end.
fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_with_four_digits_and_whole_from_a_thousand_on() {
        let told = [0.0, 1e-9, 0.000_123_45, -0.5, 9.8765, 999.96, 1000.0, -1_165_817.45, 1e60].map(number);
        assert_eq!(
            told,
            ["0", "1.000e-9", "0.0001234", "-0.5000", "9.877", "1000.0", "1,000", "-1,165,817", "1.000e60"]
        );
    }

    #[test]
    fn shares_near_everything_are_not_told_as_everything() {
        let told = [0.025, 0.95, 0.999_96, 1.0].map(percent);
        assert_eq!(told, ["2.5 %", "95 %", "over 99.9 %", "100 %"]);
    }

    #[test]
    fn too_narrow_and_too_wide_are_told_apart() {
        let told = [(72.81, 72.83), (0.5, 0.5), (0.5, 4.0), (1.2, 1.3)].map(times);
        let wide_to_narrow = "from 2 times too wide to 4 times too narrow";
        assert_eq!(told, ["72.8 times too narrow", "2 times too wide", wide_to_narrow, "1.2 to 1.3 times too narrow"]);
    }
}
