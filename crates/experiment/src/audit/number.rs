//! Numbers as they are printed: a value, and how well it is known.

use std::ops::RangeInclusive;

/// The smallest and the largest size of a number that is not 0: squares of such numbers, and ratios of those, are in the range of a
/// double, and nothing that anybody measures is outside.
const SIZES: RangeInclusive<f64> = 1e-60..=1e60;

/// A printed number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number {
    /// What is printed; finite.
    pub(super) value: f64,
    /// One in the last printed place. What was rounded is known to half of it, what was cut to all of it.
    pub(super) unit: f64,
}

impl Number {
    /// Of a field; else what is wrong with it, to follow the column's name.
    pub(super) fn parse(field: &str) -> Result<Self, String> {
        let not_a_number =
            || format!("is \"{field}\", which is not a number; digits with a decimal point and nothing else are one");
        let value = field.parse::<f64>().map_err(|_| not_a_number())?;
        if !value.is_finite() {
            return Err(not_a_number());
        }
        if value != 0.0 && !SIZES.contains(&value.abs()) {
            return Err(format!(
                "is {value:e}; what can be computed with is 0, and from {:e} to {:e}",
                SIZES.start(),
                SIZES.end()
            ));
        }
        Ok(Self { value, unit: unit(field) })
    }

    /// A share: `0.95`, `95` or `95 %`.
    pub(super) fn parse_share(field: &str) -> Result<Self, String> {
        let number = field.trim_end_matches('%').trim_end();
        let printed = Self::parse(number)?;
        let is_percent = number.len() < field.len() || printed.value > 1.0;
        let divisor = if is_percent { 100.0 } else { 1.0 };
        Ok(Self { value: printed.value / divisor, unit: printed.unit / divisor })
    }
}

/// One in the last place of a number that is one.
fn unit(field: &str) -> f64 {
    let (digits, exponent) = field.split_once(['e', 'E']).unwrap_or((field, "0"));
    let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let decimals = i32::try_from(decimals).unwrap_or(i32::MAX);
    10_f64.powi(exponent.parse::<i32>().unwrap_or(0).saturating_sub(decimals))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_known_to_its_last_place() {
        let units = ["16273283", "16305304.71", "-0.5", "1.50e3", "2E-3"]
            .map(|field| Number::parse(field).expect("a number").unit);
        assert_eq!(units, [1.0, 0.01, 0.1, 10.0, 0.001]);
    }

    #[test]
    fn what_is_no_number_is_refused_with_what_would_be() {
        for field in ["", "many", "1,5", "1 000", "inf", "NaN", "1e999"] {
            let what = Number::parse(field).expect_err("no number");
            assert!(what.contains("digits with a decimal point"), "{what}");
        }
    }

    #[test]
    fn what_cannot_be_computed_with_is_refused() {
        for field in ["1e61", "-1e308", "1e-61"] {
            let what = Number::parse(field).expect_err("out of range");
            assert!(what.contains("from 1e-60 to 1e60"), "{what}");
        }
        assert_eq!(Number::parse("0.000").expect("a number").value, 0.0);
    }

    #[test]
    fn a_share_may_be_written_in_percent() {
        for field in ["0.95", "95", "95%", "95.0 %"] {
            assert_eq!(Number::parse_share(field).expect("a share").value, 0.95, "{field}");
        }
        assert_eq!(Number::parse_share("95.0 %"), Ok(Number { value: 0.95, unit: 0.001 }));
        assert_eq!(Number::parse_share("1").map(|share| share.value), Ok(1.0));
        assert!(Number::parse_share("%").is_err());
    }
}
