//! Where an axis carries numbers, and how they are written.

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use std::ops::Range;

/// A stretch of an axis with its marks. On a logarithmic axis positions are log10 of the value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// Round numbers from `low` to `high`, about `count` of them. An axis that begins just above
    /// zero (t = 1 of 1000) begins at zero.
    pub(super) fn linear(low: f64, high: f64, count: usize) -> Axis {
        let low = if low > 0.0 && low < 0.01 * (high - low) { 0.0 } else { low };
        let step = round_step((high - low) / count.max(1) as f64);
        let first = (low / step - 1e-9).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        let ticks =
            (first..=last).map(|k| (k as f64 * step, number(k as f64 * step, step))).collect();
        Axis { low, high, ticks }
    }

    /// Powers of ten between `10^low` and `10^high`; 2 and 5 between them where there is room.
    pub(super) fn log10(low: f64, high: f64, count: usize) -> Axis {
        let every = ((high - low) / count.max(1) as f64).ceil().max(1.0) as i32;
        let between: &[f64] = match high - low {
            span if span <= 1.0 => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0],
            span if span <= 2.2 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let (first, last) = (low.floor() as i32, high.ceil() as i32);
        let plain = low >= -3.2 && high <= 4.2;
        let ticks: Vec<_> = (first..=last)
            .filter(|decade| decade % every == 0)
            .flat_map(|decade| {
                between
                    .iter()
                    .map(move |factor| (f64::from(decade) + factor.log10(), decade, *factor))
            })
            .filter(|(position, ..)| (low - 1e-9..=high + 1e-9).contains(position))
            .map(|(position, decade, factor)| (position, power(decade, factor, plain)))
            .collect();
        if ticks.len() >= 2 {
            return Axis { low, high, ticks };
        }
        let narrow = Axis::linear(10f64.powf(low), 10f64.powf(high), count);
        let ticks = narrow.ticks.into_iter().map(|(value, text)| (value.log10(), text)).collect();
        Axis { low, high, ticks }
    }

    /// The same stretch without numbers.
    pub(super) fn bare(low: f64, high: f64) -> Axis {
        Axis { low, high, ticks: vec![] }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let fraction = (value - self.low) / (self.high - self.low);
        start + (fraction * f64::from(end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        let bold = !hint.weight().allow_light_points();
        self.ticks.iter().filter(|_| bold).map(|(position, _)| *position).collect()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.ticks
            .iter()
            .find(|(position, _)| position == value)
            .map_or(String::new(), |(_, text)| text.clone())
    }
}

/// The nearest of 1, 2, 2.5, 5 times a power of ten that is not below `rough`.
fn round_step(rough: f64) -> f64 {
    let magnitude = 10f64.powf(rough.log10().floor());
    let factors = [1.0, 2.0, 2.5, 5.0, 10.0];
    magnitude
        * factors
            .into_iter()
            .find(|factor| factor * magnitude >= rough * (1.0 - 1e-9))
            .unwrap_or(10.0)
}

/// `value` with as many decimals as `step` needs.
fn number(value: f64, step: f64) -> String {
    let largest = value.abs().max(step);
    let text = if largest >= 1e6 || step < 1e-4 {
        scientific(value, step)
    } else {
        let decimals = (0..6).find(|d| is_whole(step * 10f64.powi(*d))).unwrap_or(6) as usize;
        let plain = format!("{:.decimals$}", value.abs());
        if largest >= 1e4 { thousands(&plain) } else { plain }
    };
    if value < 0.0 { format!("−{text}") } else { text }
}

fn is_whole(value: f64) -> bool {
    (value - value.round()).abs() < 1e-6 * value.abs().max(1.0)
}

fn scientific(value: f64, step: f64) -> String {
    if value.abs() < step / 2.0 {
        return "0".to_string();
    }
    let exponent = value.abs().log10().floor() as i32;
    let digits = (exponent - step.log10().floor() as i32).clamp(0, 3) as usize;
    let mantissa = format!("{:.digits$}", value.abs() / 10f64.powi(exponent));
    let mantissa = if mantissa.contains('.') {
        mantissa.trim_end_matches('0').trim_end_matches('.')
    } else {
        &mantissa
    };
    format!("{mantissa}·10{}", superscript(exponent))
}

fn thousands(digits: &str) -> String {
    let whole = digits.find('.').unwrap_or(digits.len());
    let mut out = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && index < whole && (whole - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `factor * 10^decade`, written out or as a power of ten.
fn power(decade: i32, factor: f64, plain: bool) -> String {
    if plain {
        let value = factor * 10f64.powi(decade);
        return format!("{}", (value * 1e6).round() / 1e6);
    }
    let ten = format!("10{}", superscript(decade));
    if factor == 1.0 { ten } else { format!("{factor}·{ten}") }
}

fn superscript(exponent: i32) -> String {
    let raised = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digits = exponent.unsigned_abs().to_string();
    let sign = if exponent < 0 { "⁻" } else { "" };
    digits.chars().fold(sign.to_string(), |text, digit| {
        text + &raised[digit as usize - '0' as usize].to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn linear_axes_carry_round_numbers() {
        assert_eq!(texts(&Axis::linear(0.0, 1.0, 5)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts(&Axis::linear(0.0, 1000.0, 5)), ["0", "200", "400", "600", "800", "1000"]);
        assert_eq!(texts(&Axis::linear(-3.2, 3.2, 6)), ["−2", "0", "2"]);
        assert_eq!(texts(&Axis::linear(0.0, 0.021, 4)), ["0.00", "0.01", "0.02"]);
        assert_eq!(texts(&Axis::linear(0.0, 60_000.0, 3)), ["0", "20,000", "40,000", "60,000"]);
        assert_eq!(texts(&Axis::linear(0.0, 3e-5, 3)), ["0", "1·10⁻⁵", "2·10⁻⁵", "3·10⁻⁵"]);
        assert_eq!(texts(&Axis::linear(0.0, 3e6, 3)), ["0", "1·10⁶", "2·10⁶", "3·10⁶"]);
    }

    #[test]
    fn logarithmic_axes_carry_powers_of_ten() {
        assert_eq!(
            texts(&Axis::log10(-5.0, 0.0, 6)),
            ["10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰"]
        );
        assert_eq!(texts(&Axis::log10(1.0, 2.9, 6)), ["10", "20", "50", "100", "200", "500"]);
        assert_eq!(texts(&Axis::log10(-12.0, 0.0, 6)).len(), 7);
        let narrow = Axis::log10(2.01, 2.04, 4);
        assert!(
            narrow.ticks.len() >= 2 && narrow.ticks.iter().all(|(p, _)| (2.01..=2.04).contains(p)),
            "{narrow:?}"
        );
    }
}
