//! A field of values over the square, and the colours it is painted in.

use plotters::element::Rectangle;
use plotters::prelude::ViridisRGB;
use plotters::style::colors::colormaps::ColorMap;
use plotters::style::{Color, RGBAColor, RGBColor};

use super::axes::Chart;
use super::figure::Painted;
use super::polyline::Point;

/// What a value that is not finite looks like: nobody should take it for part of the picture.
pub(super) const LOUD: RGBColor = RGBColor(255, 0, 255);

/// How values in 0..1 become colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    /// Perceptually uniform, dark to bright.
    Viridis,
    /// Blue through white to vermilion: 0.5 is nothing.
    Diverging,
    /// Clear to grey, to lie behind other things without hiding the grid.
    Pale,
}

impl Colours {
    pub(super) fn at(self, value: f64) -> RGBAColor {
        if !value.is_finite() {
            return LOUD.to_rgba();
        }
        let value = value.clamp(0.0, 1.0);
        let between = |a: [f64; 3], b: [f64; 3], t: f64| {
            let mix = |channel: usize| (a[channel] + (b[channel] - a[channel]) * t).round() as u8;
            RGBColor(mix(0), mix(1), mix(2)).to_rgba()
        };
        let white = [255.0; 3];
        match self {
            Colours::Viridis => ViridisRGB.get_color(value as f32).to_rgba(),
            Colours::Diverging if value < 0.5 => between([0.0, 84.0, 158.0], white, 2.0 * value),
            Colours::Diverging => between(white, [186.0, 70.0, 0.0], 2.0 * value - 1.0),
            Colours::Pale => RGBColor(130, 145, 165).mix(0.55 * value.sqrt()),
        }
    }
}

/// Values `[rows, columns]` over [-limit, limit]^2; row 0 is the lowest.
#[derive(Clone, Debug)]
pub(super) struct Heat {
    pub(super) columns: usize,
    pub(super) values: Vec<f64>,
}

impl Heat {
    /// How many of `points` fall into each cell, lightly smoothed; points outside the square are left out.
    pub(super) fn of_points(points: &[Point], limit: f64) -> Heat {
        let bins = ((points.len() as f64).sqrt() / 1.5).clamp(24.0, 96.0) as usize;
        let mut values = vec![0.0; bins * bins];
        let cell = |x: f64| ((x + limit) / (2.0 * limit) * bins as f64).floor();
        for (x, y) in points {
            let (column, row) = (cell(*x), cell(*y));
            if (0.0..bins as f64).contains(&column) && (0.0..bins as f64).contains(&row) {
                values[row as usize * bins + column as usize] += 1.0;
            }
        }
        let smooth = |values: &[f64]| transposed(&blurred(values, bins), bins);
        Heat { columns: bins, values: smooth(&smooth(&values)) }
    }

    fn rows(&self) -> usize {
        self.values.len().checked_div(self.columns).unwrap_or(0)
    }

    /// Smallest and largest finite value.
    pub(super) fn range(&self) -> (f64, f64) {
        let finite = self.values.iter().filter(|value| value.is_finite());
        let bounds = |(low, high): (f64, f64), value: &f64| (low.min(*value), high.max(*value));
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), bounds);
        if low <= high { (low, high) } else { (0.0, 1.0) }
    }

    /// Value at a place given in cells, bilinear between the middles of the cells.
    fn between(&self, row: f64, column: f64) -> f64 {
        let last = |count: usize| count.saturating_sub(1) as f64;
        let (row, column) =
            (row.clamp(0.0, last(self.rows())), column.clamp(0.0, last(self.columns)));
        let value =
            |row: f64, column: f64| self.values[row as usize * self.columns + column as usize];
        let along = |row: f64| {
            let (left, right) = (value(row, column.floor()), value(row, column.ceil()));
            if left == right { left } else { left + (right - left) * column.fract() }
        };
        let (low, high) = (along(row.floor()), along(row.ceil()));
        if low == high { low } else { low + (high - low) * row.fract() }
    }

    /// Paints the field so that `range` spans the colours; a cell is cut small enough to look smooth.
    pub(super) fn paint(
        &self,
        chart: &mut Chart,
        limit: f64,
        colours: Colours,
        range: (f64, f64),
    ) -> Painted {
        if self.values.is_empty() {
            return Ok(());
        }
        let fine = |cells: usize| cells * (240 / cells).max(1);
        let (rows, columns) = (fine(self.rows()), fine(self.columns));
        let place = |index: usize, count: usize| -limit + 2.0 * limit * index as f64 / count as f64;
        let middle = |index: usize, fine: usize, cells: usize| {
            (index as f64 + 0.5) / fine as f64 * cells as f64 - 0.5
        };
        let cells = (0..rows * columns).map(|index| (index / columns, index % columns));
        chart.draw_series(cells.map(|(row, column)| {
            let value =
                self.between(middle(row, rows, self.rows()), middle(column, columns, self.columns));
            let from = (place(column, columns), place(row, rows));
            let to = (place(column + 1, columns), place(row + 1, rows));
            let colour = colours.at((value - range.0) / (range.1 - range.0));
            Rectangle::new([from, to], colour.filled())
        }))?;
        Ok(())
    }
}

/// Every row weighted with (1, 4, 6, 4, 1) / 16; what would leave the row stays at its end.
fn blurred(values: &[f64], columns: usize) -> Vec<f64> {
    let kernel = [1.0, 4.0, 6.0, 4.0, 1.0].map(|weight| weight / 16.0);
    let at = |row: &[f64], column: usize, shift: usize| {
        row[(column + shift).saturating_sub(2).min(columns - 1)]
    };
    let blur = |row: &[f64], column: usize| {
        (0..5).map(|shift| kernel[shift] * at(row, column, shift)).sum::<f64>()
    };
    values
        .chunks(columns)
        .flat_map(|row| (0..columns).map(move |column| blur(row, column)))
        .collect()
}

fn transposed(values: &[f64], columns: usize) -> Vec<f64> {
    let rows = values.len() / columns;
    (0..values.len()).map(|index| values[index % rows * columns + index / rows]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_counted_where_they_are() {
        let heat = Heat::of_points(&[(1.5, -0.9); 7], 2.0);
        let top = heat.values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        assert_eq!((top / 24, top % 24), (6, 21), "row from y, column from x");
        assert!((heat.values.iter().sum::<f64>() - 7.0).abs() < 1e-9);
        assert_eq!(
            Heat::of_points(&[(9.0, 0.0), (f64::NAN, 0.0)], 2.0).values.iter().sum::<f64>(),
            0.0
        );
    }

    #[test]
    fn between_cells_the_field_is_bilinear() {
        let heat = Heat { columns: 2, values: vec![0.0, 1.0, 2.0, 3.0] };
        assert_eq!(heat.between(0.5, 0.25), 1.25);
        assert_eq!(heat.between(-3.0, 9.0), 1.0);
    }

    #[test]
    fn colours_run_from_end_to_end() {
        assert_eq!(Colours::Pale.at(0.0).3, 0.0);
        assert_eq!(Colours::Diverging.at(0.5).rgb(), (255, 255, 255));
        assert_eq!(Colours::Viridis.at(f64::NAN).rgb(), LOUD.rgb());
        let light = |value: f64| {
            let (r, g, b) = Colours::Viridis.at(value).rgb();
            0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b)
        };
        assert!((0..20).all(|k| light(f64::from(k) / 20.0) < light(f64::from(k + 1) / 20.0)));
    }
}
