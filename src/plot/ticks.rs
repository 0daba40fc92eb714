//! Where an axis carries numbers, and how they are written.

use plotters::coord::ranged1d::{BoldPoints, KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::Ranged;
use std::ops::Range;

/// A stretch of an axis with its marks. On a logarithmic axis positions are log10 of the value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// About `count` round numbers over the positions `low` to `high`.
    pub(super) fn new((low, high): (f64, f64), log: bool, count: usize) -> Axis {
        if log { Axis::log10(low, high, count) } else { Axis::linear(low, high, count) }
    }

    /// The same numbers from right to left, each at its negative position.
    pub(super) fn mirrored(self) -> Axis {
        let ticks = self.ticks.into_iter().map(|(place, number)| (-place, number)).collect();
        Axis { low: -self.high, high: -self.low, ticks }
    }

    /// An axis that begins just above zero (t = 1 of 1000) begins at zero.
    fn linear(low: f64, high: f64, count: usize) -> Axis {
        let low = if low > 0.0 && low < 0.01 * (high - low) { 0.0 } else { low };
        let places = RangedCoordf64::from(low..high).key_points(BoldPoints(count + 1));
        let step = places.windows(2).next().map_or(high - low, |pair| pair[1] - pair[0]);
        let ticks = places.into_iter().map(|value| (value, number(value, step))).collect();
        Axis { low, high, ticks }
    }

    /// Powers of ten, and multiples of them where there is room.
    fn log10(low: f64, high: f64, count: usize) -> Axis {
        let every = ((high - low) / count.max(1) as f64).ceil().max(1.0) as i32;
        let factors: &[f64] = match high - low {
            span if span <= 1.0 => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0],
            span if span <= 2.2 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let plain = low >= -3.2 && high <= 4.2;
        let mut ticks = vec![];
        for decade in (low.floor() as i32..=high.ceil() as i32).filter(|d| d % every == 0) {
            for value in factors.iter().map(|factor| factor * 10f64.powi(decade)) {
                let rounded = (value * 1e6).round() / 1e6;
                let text = if plain { rounded.to_string() } else { scientific(value, 1) };
                ticks.push((value.log10(), text));
            }
        }
        ticks.retain(|(place, _)| (low - 1e-9..=high + 1e-9).contains(place));
        if ticks.len() < 2 {
            let values = Axis::linear(10f64.powf(low), 10f64.powf(high), count).ticks;
            ticks = values.into_iter().map(|(value, text)| (value.log10(), text)).collect();
        }
        Axis { low, high, ticks }
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

/// `size` as a factor of at most so many decimals, unless it is one, and a power of ten.
fn scientific(size: f64, decimals: usize) -> String {
    let number = format!("{size:.decimals$e}");
    let (factor, exponent) = number.split_once('e').expect("Rust writes an exponent");
    let factor = if decimals > 0 { factor.trim_end_matches('0') } else { factor };
    let factor = factor.trim_end_matches('.');
    let raised = |letter: char| match letter.to_digit(10) {
        Some(digit) => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][digit as usize],
        None => '⁻',
    };
    let power: String = "10".chars().chain(exponent.chars().map(raised)).collect();
    if factor == "1" { power } else { format!("{factor}·{power}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(low: f64, high: f64, log: bool) -> String {
        let ticks = Axis::new((low, high), log, 5).ticks;
        ticks.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn axes_carry_round_numbers() {
        assert_eq!(texts(1.0, 1000.0, false), "0 200 400 600 800 1000");
        assert_eq!(texts(-0.5, 0.5, false), "−0.4 −0.2 0.0 0.2 0.4");
        assert_eq!(texts(0.0, 0.021, false), "0.000 0.005 0.010 0.015 0.020");
        assert_eq!(texts(0.0, 60_000.0, false), "0 20,000 40,000 60,000");
        assert_eq!(texts(0.0, 5e-5, false), "0 10⁻⁵ 2·10⁻⁵ 3·10⁻⁵ 4·10⁻⁵ 5·10⁻⁵");
        assert_eq!(texts(-1e6, 1.5e6, false), "−10⁶ −500,000 0 500,000 10⁶ 1.5·10⁶");
        assert_eq!(texts(-5.0, 0.0, true), "10⁻⁵ 10⁻⁴ 10⁻³ 10⁻² 10⁻¹ 10⁰");
        assert_eq!(texts(-4.0, -3.5, true), "10⁻⁴ 1.5·10⁻⁴ 2·10⁻⁴ 3·10⁻⁴");
        assert_eq!(texts(1.0, 2.9, true), "10 20 50 100 200 500");
        assert_eq!(texts(-12.0, 0.0, true), "10⁻¹² 10⁻⁹ 10⁻⁶ 10⁻³ 10⁰");
        assert_eq!(texts(2.01, 2.04, true), "104 106 108");
    }
}
