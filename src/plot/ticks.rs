//! Where an axis carries numbers, and how they are written.

use plotters::coord::ranged1d::{
    BoldPoints, KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter,
};
use plotters::coord::types::RangedCoordf64;
use std::ops::Range;

/// A stretch of an axis with its marks. On a logarithmic axis positions are log10 of the value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// At most `count` round numbers from `low` to `high`. An axis that begins just above zero
    /// (t = 1 of 1000) begins at zero.
    pub(super) fn linear(low: f64, high: f64, count: usize) -> Axis {
        let low = if low > 0.0 && low < 0.01 * (high - low) { 0.0 } else { low };
        let places = RangedCoordf64::from(low..high).key_points(BoldPoints(count));
        let step = places.windows(2).next().map_or(high - low, |pair| pair[1] - pair[0]);
        let ticks = places.into_iter().map(|value| (value, number(value, step))).collect();
        Axis { low, high, ticks }
    }

    /// Powers of ten between `10^low` and `10^high`, at most about `count` of them; 2 and 5 between them where there
    /// is room.
    pub(super) fn log10(low: f64, high: f64, count: usize) -> Axis {
        let every = ((high - low) / count.max(1) as f64).ceil().max(1.0) as i32;
        let between: &[f64] = match high - low {
            span if span <= 1.0 => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0],
            span if span <= 2.2 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let plain = low >= -3.2 && high <= 4.2;
        let mut ticks = vec![];
        for decade in (low.floor() as i32..=high.ceil() as i32).filter(|d| d % every == 0) {
            for factor in between {
                let place = f64::from(decade) + factor.log10();
                if (low - 1e-9..=high + 1e-9).contains(&place) {
                    ticks.push((place, power(decade, *factor, plain)));
                }
            }
        }
        if ticks.len() < 2 {
            let values = Axis::linear(10f64.powf(low), 10f64.powf(high), count).ticks;
            ticks = values.into_iter().map(|(value, text)| (value.log10(), text)).collect();
        }
        Axis { low, high, ticks }
    }

    /// A stretch of an axis without numbers.
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
        self.ticks.iter().filter(|_| bold).map(|(place, _)| *place).collect()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        let tick = self.ticks.iter().find(|(place, _)| place == value);
        tick.map_or(String::new(), |(_, number)| number.clone())
    }
}

/// `value` with as many decimals as `step` needs; a power of ten where that would be long.
fn number(value: f64, step: f64) -> String {
    let size = if value.abs() < 1e-6 * step { 0.0 } else { value.abs() };
    let decimals = -step.log10().floor();
    let text = if size == 0.0 && !(1e-4..1.0).contains(&step) {
        "0".to_string()
    } else if size >= 1e6 || step < 1e-4 {
        scientific(size, (size.log10().floor() + decimals).clamp(0.0, 3.0) as usize)
    } else if size >= 1e4 && step >= 1.0 {
        let whole = size.round() as u64;
        format!("{},{:03}", whole / 1000, whole % 1000)
    } else {
        format!("{size:.*}", decimals.max(0.0) as usize)
    };
    if value < 0.0 && size > 0.0 { format!("−{text}") } else { text }
}

/// `size` as a factor of at most so many decimals and a power of ten.
fn scientific(size: f64, decimals: usize) -> String {
    let number = format!("{size:.decimals$e}");
    let (factor, exponent) = number.split_once('e').expect("Rust writes an exponent");
    let whole = if decimals > 0 { factor.trim_end_matches('0') } else { factor };
    let exponent = exponent.parse().expect("an exponent is a whole number");
    format!("{}·{}", whole.trim_end_matches('.'), ten_to_the(exponent))
}

/// `factor * 10^decade`, written out or as a power of ten.
fn power(decade: i32, factor: f64, plain: bool) -> String {
    match plain {
        true => format!("{}", (factor * 10f64.powi(decade) * 1e6).round() / 1e6),
        false if factor == 1.0 => ten_to_the(decade),
        false => format!("{factor}·{}", ten_to_the(decade)),
    }
}

fn ten_to_the(exponent: i32) -> String {
    let raised = |letter: char| match letter.to_digit(10) {
        Some(digit) => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][digit as usize],
        None => '⁻',
    };
    format!("10{}", exponent.to_string().chars().map(raised).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn linear_axes_carry_round_numbers() {
        let linear = |low: f64, high: f64, count| texts(&Axis::linear(low, high, count)).join(" ");
        assert_eq!(linear(0.0, 1.0, 6), "0.0 0.2 0.4 0.6 0.8 1.0");
        assert_eq!(linear(1.0, 1000.0, 6), "0 200 400 600 800 1000");
        assert_eq!(linear(-3.2, 3.2, 5), "−2 0 2");
        assert_eq!(linear(0.0, 0.021, 4), "0.00 0.01 0.02");
        assert_eq!(linear(0.0, 60_000.0, 4), "0 20,000 40,000 60,000");
        assert_eq!(linear(0.0, 3e-5, 4), "0 1·10⁻⁵ 2·10⁻⁵ 3·10⁻⁵");
        assert_eq!(linear(-1e6, 1.5e6, 6), "−1·10⁶ −500,000 0 500,000 1·10⁶ 1.5·10⁶");
    }

    #[test]
    fn logarithmic_axes_carry_powers_of_ten() {
        let log10 = |low, high| texts(&Axis::log10(low, high, 6)).join(" ");
        assert_eq!(log10(-5.0, 0.0), "10⁻⁵ 10⁻⁴ 10⁻³ 10⁻² 10⁻¹ 10⁰");
        assert_eq!(log10(1.0, 2.9), "10 20 50 100 200 500");
        assert_eq!(texts(&Axis::log10(-12.0, 0.0, 6)).len(), 7);
        let narrow = Axis::log10(2.01, 2.04, 4).ticks;
        let inside = narrow.iter().all(|(place, _)| (2.01..=2.04).contains(place));
        assert!(narrow.len() >= 2 && inside, "{narrow:?}");
    }
}
