//! Densities over the plane as heat maps.

use plotters::prelude::{Color, Rectangle, WHITE};
use tch::Tensor;

use super::axes::{Chart, dots};
use super::figure::{Figure, Painted};
use super::legend::{Entry, Mark};
use super::plane::{Plane, plane_setters};
use super::style::viridis;
use super::tensors;
use super::ticks::Axis;
use super::window::Point;

/// Cells along a side as they are painted: so many that the map looks smooth.
const FINE: usize = 240;

/// A heat map of values over [-limit, limit]^2, from dark (the lowest) to bright.
#[derive(Clone, Debug)]
pub struct Density {
    plane: Plane,
    /// `FINE` rows of `FINE` values, the lowest row first.
    values: Vec<f64>,
    range: Option<(f64, f64)>,
    points: Vec<Point>,
    key: bool,
}

impl Density {
    /// Value `[i, j]` of `[H, W]` stands at x = -limit + (2 j + 1) limit / W, y = -limit + (2 i + 1) limit / H.
    pub fn of_grid(title: impl Into<String>, limit: f64, values: &Tensor) -> Self {
        let size = values.size();
        let [rows, columns] = size[..] else {
            panic!("a density wants values of shape [H, W], got {size:?}");
        };
        let fine = |values: Vec<f64>| {
            let values = Tensor::from_slice(&values).view([1, 1, rows, columns]);
            let size = [FINE as i64; 2];
            tensors::values(&values.upsample_bilinear2d(size, false, None, None))
        };
        let values = Some(tensors::values(values)).filter(|values| !values.is_empty());
        let (plane, values) = (Plane::new(title.into(), limit), values.map_or(vec![], fine));
        Self { plane, values, range: None, points: vec![], key: false }
    }

    /// The values of the first and the last colour: give several plots the same range to compare them.
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }

    /// White dots at the rows of `points` `[N, 2]`.
    pub fn points(mut self, points: &Tensor) -> Self {
        self.points = tensors::points("a density", points);
        self
    }

    /// Says beside the plot which colour has which value.
    pub fn key(mut self) -> Self {
        self.key = true;
        self
    }

    plane_setters!();

    pub fn draw(&self) -> Figure {
        let finite = || self.values.iter().copied().filter(|value| value.is_finite());
        let (low, high) = self.range.unwrap_or_else(|| {
            (finite().reduce(f64::min).unwrap_or(0.0), finite().reduce(f64::max).unwrap_or(0.0))
        });
        let span = if high > low { high - low } else { 1.0 };
        let ticks = Axis::new((low, low + span), false, 5).ticks.into_iter().rev();
        let entry = |(value, number): (f64, String)| {
            Entry::new(&number, Mark::Bars, viridis((value - low) / span))
        };
        let entries = ticks.filter(|_| self.key).map(entry).collect();
        let what = if self.points.is_empty() { "a heat map" } else { "a heat map with points" };
        self.plane.draw(what, entries, |chart| {
            self.draw_cells(chart, low, span)?;
            dots(chart, self.plane.window(), &self.points, 0.7, WHITE.mix(0.7))
        })
    }

    fn draw_cells(&self, chart: &mut Chart, low: f64, span: f64) -> Painted {
        let limit = self.plane.limit;
        let place = |index: usize| limit * (2.0 * index as f64 / FINE as f64 - 1.0);
        let cell = |(index, value): (usize, &f64)| {
            let (row, column) = (index / FINE, index % FINE);
            let corners = [(place(column), place(row)), (place(column + 1), place(row + 1))];
            Rectangle::new(corners, viridis((value - low) / span).filled())
        };
        chart.draw_series(self.values.iter().enumerate().map(cell))?;
        Ok(())
    }
}
