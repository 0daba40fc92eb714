//! Densities over the plane as heat maps.

use plotters::element::{Rectangle, Text};
use plotters::style::Color;
use plotters::style::text_anchor::HPos;
use tch::Tensor;

use super::axes::{Chart, widest};
use super::figure::{Area, Figure, Painted};
use super::plane::{Plane, plane_setters};
use super::style::{FAINT_INK, TICK, pt, text_at, viridis};
use super::tensors;
use super::ticks::Axis;

/// A heat map over [-limit, limit]^2: of points, counted and lightly smoothed, or of values on a grid.
#[derive(Clone, Debug)]
pub struct Density {
    plane: Plane,
    /// Row by row, the lowest row first.
    values: Vec<f64>,
    columns: usize,
    /// How many points were counted; none for values on a grid.
    points: Option<usize>,
    range: Option<(f64, f64)>,
}

impl Density {
    /// Where the points `[N, 2]` are: dark where there are none, bright where there are most.
    pub fn new(title: impl Into<String>, limit: f64, points: &Tensor) -> Self {
        let plane = Plane::new(title.into(), limit);
        let points = tensors::points("a density", points);
        let bins = ((points.len() as f64).sqrt() / 1.5).clamp(24.0, 96.0) as usize;
        let mut counts = vec![0.0; bins * bins];
        let bin = |x: f64| ((x + limit) / (2.0 * limit) * bins as f64).floor();
        for (column, row) in points.iter().map(|(x, y)| (bin(*x), bin(*y))) {
            if (0.0..bins as f64).contains(&column) && (0.0..bins as f64).contains(&row) {
                counts[row as usize * bins + column as usize] += 1.0;
            }
        }
        let values = smoothed(&counts, bins);
        Self { plane, values, columns: bins, points: Some(points.len()), range: None }
    }

    /// The values `[H, W]` themselves, with a bar that says which colour is which value.
    ///
    /// Value `[i, j]` stands at x = -limit + (2 j + 1) limit / W, y = -limit + (2 i + 1) limit / H: row 0 is the lowest.
    pub fn of_grid(title: impl Into<String>, limit: f64, values: &Tensor) -> Self {
        let size = values.size();
        let [_, width] = size[..] else {
            panic!("a density wants values of shape [H, W], got {size:?}");
        };
        let (plane, values) = (Plane::new(title.into(), limit), tensors::values(values));
        Self { plane, values, columns: width as usize, points: None, range: None }
    }

    /// The values of the first and the last colour: give several plots the same range to compare them.
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }

    plane_setters!();

    pub fn draw(&self) -> Figure {
        let (low, high) = self.shown_range();
        let axis = Axis::linear(low, high, 6);
        let bar = self.points.is_none() && self.plane.numbers;
        let right = if bar { colour_bar_width(&axis) } else { 0.0 };
        let rows = self.values.len().checked_div(self.columns).unwrap_or(0);
        let what = match self.points {
            Some(count) => format!("density of {count} points"),
            None => format!("values on a grid of {rows} x {}", self.columns),
        };
        let alt = format!("{}: {what}", self.plane.title);
        self.plane.draw(&alt, right, |area, chart| {
            self.draw_cells(chart, rows)?;
            if bar { draw_colour_bar(area, chart, &axis) } else { Ok(()) }
        })
    }

    fn shown_range(&self) -> (f64, f64) {
        let finite = || self.values.iter().copied().filter(|value| value.is_finite());
        let smallest = finite().fold(f64::INFINITY, f64::min);
        let lowest = if self.points.is_some() { 0.0 } else { smallest };
        let found = (lowest, finite().fold(f64::NEG_INFINITY, f64::max));
        match self.range.unwrap_or(found) {
            (low, high) if low < high => (low, high),
            (low, _) if low.is_finite() => (low - 0.5, low + 0.5),
            _ => (0.0, 1.0),
        }
    }

    /// Paints the values, bilinear between the middles of their cells, so finely that they look smooth.
    fn draw_cells(&self, chart: &mut Chart, rows: usize) -> Painted {
        if self.values.is_empty() {
            return Ok(());
        }
        let ((low, high), limit) = (self.shown_range(), self.plane.limit);
        let fine = |cells: usize| cells * (240 / cells).max(1);
        let (fine_rows, fine_columns) = (fine(rows), fine(self.columns));
        let smooth = Tensor::from_slice(&self.values)
            .view([1, 1, rows as i64, self.columns as i64])
            .upsample_bilinear2d([fine_rows as i64, fine_columns as i64], false, None, None);
        let place = |index: usize, count: usize| limit * (2.0 * index as f64 / count as f64 - 1.0);
        let cell = |(index, value): (usize, f64)| {
            let (row, column) = (index / fine_columns, index % fine_columns);
            let from = (place(column, fine_columns), place(row, fine_rows));
            let to = (place(column + 1, fine_columns), place(row + 1, fine_rows));
            Rectangle::new([from, to], viridis((value - low) / (high - low)).filled())
        };
        chart.draw_series(tensors::values(&smooth).into_iter().enumerate().map(cell))?;
        Ok(())
    }
}

/// Averages every count of a square with its neighbours, with the weights (1, 4, 6, 4, 1) / 16 along each axis.
fn smoothed(counts: &[f64], bins: usize) -> Vec<f64> {
    let weights = Tensor::from_slice(&[1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0;
    let kernel = weights.outer(&weights).view([1, 1, 5, 5]);
    let square = Tensor::from_slice(counts).view([1, 1, bins as i64, bins as i64]);
    let padded = square.replication_pad2d([2, 2, 2, 2]);
    tensors::values(&padded.conv2d(&kernel, None::<&Tensor>, 1, 0, 1, 1))
}

const BAR: f64 = 9.0;
const GAP: f64 = 8.0;

/// Points that a colour bar needs at the right of the plot.
fn colour_bar_width(axis: &Axis) -> f64 {
    GAP + BAR + 5.0 + widest(axis.ticks.iter().map(|(_, number)| number), TICK)
}

/// Says beside the plot which colour stands for which value.
fn draw_colour_bar(area: &Area, chart: &Chart, axis: &Axis) -> Painted {
    let (x, y) = chart.plotting_area().get_pixel_range();
    let (left, right) = (x.end + pt(GAP), x.end + pt(GAP + BAR));
    let height = |part: f64| y.end - (part * f64::from(y.end - y.start)).round() as i32;
    for stripe in 0..256 {
        let part = |offset: f64| (f64::from(stripe) + offset) / 256.0;
        let corners = [(left, height(part(0.0))), (right, height(part(1.0)))];
        area.draw(&Rectangle::new(corners, viridis(part(0.5)).filled()))?;
    }
    for (value, number) in &axis.ticks {
        let at = (right + pt(5.0), height((value - axis.low) / (axis.high - axis.low)));
        area.draw(&Text::new(number.as_str(), at, text_at(HPos::Left, TICK, FAINT_INK)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn brightness(figure: &Figure, density: &Density, (x, y): (f64, f64)) -> u32 {
        density.plane.probe(figure, (x, y)).iter().map(|channel| u32::from(*channel)).sum()
    }

    #[test]
    fn brightest_where_the_points_are() {
        let noise = Tensor::randn([4000, 2], (Kind::Float, Device::Cpu)) * 0.1;
        let density = Density::new("", 2.0, &(noise + Tensor::from_slice(&[1.0f32, -0.5])));
        let figure = density.draw();
        let here = brightness(&figure, &density, (1.0, -0.5));
        for place in [(-0.5, 1.0), (1.0, 0.5), (-1.0, -0.5), (-0.5, -1.0)] {
            assert!(here > 2 * brightness(&figure, &density, place), "brighter at {place:?}");
        }
    }

    #[test]
    fn points_are_counted_where_they_are_and_smoothing_loses_none() {
        let places = [[1.5, -0.9].repeat(7), vec![9.0, 0.0, f64::NAN, 0.0]].concat();
        let values = Density::new("", 2.0, &Tensor::from_slice(&places).view([-1, 2])).values;
        let top = values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        assert_eq!((top / 24, top % 24), (6, 21), "row from y, column from x");
        assert!((values.iter().sum::<f64>() - 7.0).abs() < 1e-9);
        assert!((values[top - 1] / values[top] - 4.0 / 6.0).abs() < 1e-9);
    }

    #[test]
    fn a_grids_first_row_is_the_lowest_and_its_first_column_the_leftmost() {
        let values = Tensor::from_slice(&[0.0, 1.0, 2.0, 3.0]).view([2, 2]);
        let density = Density::of_grid("", 1.0, &values);
        let figure = density.draw();
        let seen = [(-0.9, -0.9), (0.0, -0.9), (0.9, -0.9), (-0.9, 0.9), (0.9, 0.9)];
        let seen = seen.map(|place| brightness(&figure, &density, place));
        assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    }

    #[test]
    fn flat_and_broken_fields_are_drawn() {
        for value in [0.0, 5.0, f64::NAN, f64::INFINITY] {
            let density = Density::of_grid("", 1.0, &Tensor::from_slice(&[value; 9]).view([3, 3]));
            let magenta = density.plane.probe(&density.draw(), (0.1, 0.1)) == [255, 0, 255];
            assert_eq!(magenta, !value.is_finite(), "{value}");
        }
        Density::new("", 1.0, &Tensor::zeros([0, 2], (Kind::Float, Device::Cpu))).draw();
    }

    #[test]
    #[should_panic(expected = "[2, 3, 4]")]
    fn a_shape_that_is_no_grid_is_named() {
        Density::of_grid("", 1.0, &Tensor::zeros([2, 3, 4], (Kind::Float, Device::Cpu)));
    }
}
