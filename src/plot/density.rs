//! Densities over the plane as heat maps.

use plotters::prelude::{Color, Rectangle};
use tch::Tensor;

use super::axes::Chart;
use super::figure::{Figure, Painted};
use super::plane::{Plane, plane_setters};
use super::style::viridis;
use super::tensors;

/// A heat map of values over [-limit, limit]^2, from dark (the lowest) to bright.
#[derive(Clone, Debug)]
pub struct Density {
    plane: Plane,
    /// Row by row, the lowest row first.
    values: Vec<f64>,
    rows: usize,
    columns: usize,
    range: Option<(f64, f64)>,
}

impl Density {
    /// Value `[i, j]` of `[H, W]` stands at x = -limit + (2 j + 1) limit / W, y = -limit + (2 i + 1) limit / H.
    pub fn of_grid(title: impl Into<String>, limit: f64, values: &Tensor) -> Self {
        let size = values.size();
        let [rows, columns] = size[..] else {
            panic!("a density wants values of shape [H, W], got {size:?}");
        };
        let (rows, columns) = (rows as usize, columns as usize);
        let (plane, values) = (Plane::new(title.into(), limit), tensors::values(values));
        Self { plane, values, rows, columns, range: None }
    }

    /// The values of the first and the last colour: give several plots the same range to compare them.
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }

    plane_setters!();

    pub fn draw(&self) -> Figure {
        let what = format!("values on a grid of {} x {}", self.rows, self.columns);
        self.plane.draw(&what, vec![], |chart| {
            if self.values.is_empty() { Ok(()) } else { self.draw_cells(chart) }
        })
    }

    /// Paints the values, bilinear between the middles of their cells, so finely that they look smooth.
    fn draw_cells(&self, chart: &mut Chart) -> Painted {
        let mut finite = self.values.clone();
        finite.retain(|value| value.is_finite());
        finite.sort_by(f64::total_cmp);
        let found = (finite.first().unwrap_or(&0.0), finite.last().unwrap_or(&0.0));
        let (low, high) = self.range.unwrap_or((*found.0, *found.1));
        let span = if high > low { high - low } else { 1.0 };
        let fine = |cells: usize| cells * (240 / cells).max(1);
        let (rows, columns) = (fine(self.rows), fine(self.columns));
        let smooth = Tensor::from_slice(&self.values)
            .view([1, 1, self.rows as i64, self.columns as i64])
            .upsample_bilinear2d([rows as i64, columns as i64], false, None, None);
        let limit = self.plane.limit;
        let place = |index: usize, count: usize| limit * (2.0 * index as f64 / count as f64 - 1.0);
        let cell = |(index, value): (usize, f64)| {
            let (row, column) = (index / columns, index % columns);
            let from = (place(column, columns), place(row, rows));
            let to = (place(column + 1, columns), place(row + 1, rows));
            Rectangle::new([from, to], viridis((value - low) / span).filled())
        };
        chart.draw_series(tensors::values(&smooth).into_iter().enumerate().map(cell))?;
        Ok(())
    }
}
