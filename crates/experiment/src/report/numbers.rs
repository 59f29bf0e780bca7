//! Numbers as people read them: as many digits as they deserve.

use std::time::{Duration, UNIX_EPOCH};

/// The end of the year 9999, which is as far as a date of HTTP goes.
const LAST_DAY: Duration = Duration::from_secs(253_402_300_799);

/// Three significant digits, none invented beyond them: `16.3`, `0.0123`, `12 345`.
pub(crate) fn figure(value: f64) -> String {
    significant(value, 3)
}

/// A share of something: three decimals.
pub(crate) fn share(value: f64) -> String {
    with_decimals(value, 3)
}

/// A mean and the half-width of its interval, both to two significant digits of the half-width; to one where the mean has four already,
/// and never beyond its fifth: nobody reads more.
pub(crate) fn with_interval(mean: f64, half_width: Option<f64>) -> String {
    let Some(half_width) = half_width else { return significant(mean, 4) };
    if half_width == 0.0 && mean == 0.0 {
        return "0".to_owned();
    }
    if half_width == 0.0 {
        return format!("{} ± 0", with_decimals(mean, decimals(mean, 4)));
    }
    let decimals = decimals(half_width, 2).min(decimals(mean, 4).max(decimals(half_width, 1))).min(decimals(mean, 5));
    format!("{} ± {}", with_decimals(mean, decimals), with_decimals(half_width, decimals))
}

/// A number of a scale that counts in steps, all of them with the same decimals.
pub(crate) fn on_scale(value: f64, step: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { with_decimals(value, decimals(step, 1)) }
}

/// A duration of such a scale.
pub(crate) fn duration_on_scale_ms(ms: f64, step_ms: f64) -> String {
    if step_ms < 1000.0 && ms < 10_000.0 && ms != 0.0 {
        return format!("{} ms", on_scale(ms, step_ms));
    }
    format!("{} s", on_scale(ms / 1000.0, step_ms / 1000.0))
}

/// A probability that something was chance.
pub(crate) fn chance(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

/// A duration in the unit that suits it.
pub(crate) fn duration_ms(ms: f64) -> String {
    if ms.abs() >= 1000.0 { format!("{} s", figure(ms / 1000.0)) } else { format!("{} ms", figure(ms)) }
}

/// A count with its noun: `1 run`, `8 runs`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", with_decimals(number as f64, 0))
}

/// The least and the most, as one number where they look alike.
pub(crate) fn span(least: f64, most: f64) -> String {
    let (least, most) = (figure(least), figure(most));
    if least == most { least } else { format!("{least} to {most}") }
}

/// The day and time of a Unix time.
pub(crate) fn day_and_time(unix_s: f64) -> String {
    let since = Duration::try_from_secs_f64(unix_s).unwrap_or_default().min(LAST_DAY);
    httpdate::fmt_http_date(UNIX_EPOCH + since)
}

/// So many significant digits; a whole number has no decimals.
fn significant(value: f64, digits: i32) -> String {
    let text = with_decimals(value, decimals(value, digits));
    match text.split_once('.') {
        Some((whole, rest)) if rest.bytes().all(|digit| digit == b'0') => whole.to_owned(),
        _ => text,
    }
}

fn decimals(value: f64, digits: i32) -> usize {
    if value == 0.0 || !value.is_finite() {
        return 0;
    }
    let before = value.abs().log10().floor() as i32 + 1;
    usize::try_from((digits - before).clamp(0, 9)).unwrap_or_default()
}

/// Groups of three before the point, and a true minus.
fn with_decimals(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), ""), |(whole, rest)| (whole, rest));
    let sign = if value < 0.0 && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) { "−" } else { "" };
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{rest}", grouped(whole))
}

fn grouped(whole: &str) -> String {
    if whole.len() < 5 {
        return whole.to_owned();
    }
    let mut text = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_as_many_digits_as_it_deserves() {
        let texts = [0.0, 1.0, 16.289, 0.012_345, 12_345.6, 999.96, -2.5, 300.0].map(figure);
        assert_eq!(texts, ["0", "1", "16.3", "0.0123", "12\u{202f}346", "1000", "−2.50", "300"]);
    }

    #[test]
    fn an_interval_decides_how_precisely_its_mean_is_told() {
        assert_eq!(with_interval(1.98437, Some(0.0312)), "1.984 ± 0.031");
        assert_eq!([1.98437, 550.0].map(|mean| with_interval(mean, None)), ["1.984", "550"]);
        assert_eq!(with_interval(2.0, Some(0.031)), "2.000 ± 0.031");
        assert_eq!(with_interval(1.014_997, Some(0.000_000_4)), "1.0150 ± 0.0000");
        assert_eq!(with_interval(10.2191, Some(0.0077)), "10.219 ± 0.008");
        assert_eq!(with_interval(2.0, Some(0.0)), "2.000 ± 0");
    }

    #[test]
    fn a_time_is_told_as_a_day() {
        assert_eq!(day_and_time(951_782_400.4), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(day_and_time(f64::NAN), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(day_and_time(1e18), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
