//! Arrows in the plane: scores, velocities, and how far a learned field is from an exact one.

use plotters::element::{Circle, Polygon};
use plotters::prelude::PathElement;
use plotters::style::{Color, RGBColor};
use tch::Tensor;

use super::axes::Chart;
use super::figure::{Figure, Painted};
use super::heat::LOUD;
use super::legend::Entry;
use super::plane::{Beside, Plane, plane_setters};
use super::polyline::Point;
use super::series::Mark;
use super::style::{colour, line, pt};
use super::tensors;

#[derive(Clone, Debug)]
struct Arrows {
    name: String,
    positions: Vec<Point>,
    vectors: Vec<Point>,
}

/// Named sets of arrows, all drawn to one scale.
#[derive(Clone, Debug)]
pub struct VectorField {
    plane: Plane,
    sets: Vec<Arrows>,
    longest: Option<f64>,
}

impl VectorField {
    /// The square [-limit, limit] on both axes.
    pub fn new(title: impl Into<String>, limit: f64) -> Self {
        Self { plane: Plane::new(title.into(), limit), sets: vec![], longest: None }
    }

    /// Adds arrows `vectors` `[N, 2]` that start at `positions` `[N, 2]`; an empty name stays out of the legend.
    ///
    /// # Panics
    /// When the two have different numbers of rows.
    pub fn arrows(mut self, name: impl Into<String>, positions: &Tensor, vectors: &Tensor) -> Self {
        let (places, arrows) = (positions.size(), vectors.size());
        assert!(places == arrows, "arrows {arrows:?} do not fit their positions {places:?}");
        let read = |tensor: &Tensor| tensors::points("a vector field", tensor);
        self.sets.push(Arrows {
            name: name.into(),
            positions: read(positions),
            vectors: read(vectors),
        });
        self
    }

    /// The length of a vector whose arrow spans one step of the grid. Unless told, nearly all arrows fit into a step;
    /// two plots to be compared need the same.
    pub fn longest(mut self, length: f64) -> Self {
        self.longest = Some(length);
        self
    }

    /// Shows where the points `[N, 2]` are, pale, behind everything else.
    pub fn behind(mut self, points: &Tensor) -> Self {
        self.plane.put_behind(&tensors::points("a density", points));
        self
    }

    plane_setters!();

    pub fn draw(&self) -> Figure {
        let entry = |(index, set): (usize, &Arrows)| Entry {
            name: set.name.clone(),
            mark: Mark::Line,
            colour: colour(index),
            end: None,
        };
        let entries = self.sets.iter().enumerate().map(entry).collect();
        let scale = self.step() / self.longest.unwrap_or_else(|| self.usual_length());
        let names: Vec<_> = self
            .sets
            .iter()
            .map(|set| format!("{} arrows {}", set.vectors.len(), set.name).trim_end().to_string())
            .collect();
        let alt = format!("{}: {}", self.plane.title, names.join(", "));
        self.plane.draw(&alt, Beside::Names(entries), |chart| {
            for (index, set) in self.sets.iter().enumerate() {
                for (from, vector) in set.positions.iter().zip(&set.vectors) {
                    self.arrow(chart, *from, (vector.0 * scale, vector.1 * scale), colour(index))?;
                }
            }
            Ok(())
        })
    }

    /// Distance between two arrows of a square grid.
    fn step(&self) -> f64 {
        let most = self.sets.iter().map(|set| set.positions.len()).max().unwrap_or(0);
        2.0 * self.plane.limit / (most as f64).sqrt().max(1.0) * 0.95
    }

    /// The length that 19 of 20 vectors do not exceed.
    fn usual_length(&self) -> f64 {
        let all = self.sets.iter().flat_map(|set| &set.vectors).map(|(x, y)| x.hypot(*y));
        let mut lengths: Vec<f64> =
            all.filter(|length| length.is_finite() && *length > 0.0).collect();
        lengths.sort_by(f64::total_cmp);
        lengths.get(lengths.len() * 19 / 20).copied().unwrap_or(1.0)
    }

    fn arrow(&self, chart: &mut Chart, from: Point, (dx, dy): Point, ink: RGBColor) -> Painted {
        let window = self.plane.window();
        if !window.holds(from) {
            return Ok(());
        }
        let length = dx.hypot(dy);
        if !length.is_finite() {
            chart.draw_series([Circle::new(from, pt(2.0), LOUD.filled())])?;
            return Ok(());
        }
        let unit = 2.0 * self.plane.limit / self.plane.side; // one point of the page
        if length < 0.3 * unit {
            chart.draw_series([Circle::new(from, pt(0.7), ink.filled())])?;
            return Ok(());
        }
        let head = (0.4 * length).min(4.5 * unit);
        let (ux, uy) = (dx / length, dy / length);
        let along =
            |far: f64, aside: f64| (from.0 + ux * far - uy * aside, from.1 + uy * far + ux * aside);
        let shaft = window.pieces(&[from, along(length - 0.8 * head, 0.0)]);
        chart
            .draw_series(shaft.into_iter().map(|piece| PathElement::new(piece, line(ink, 0.9))))?;
        let corners = [
            along(length, 0.0),
            along(length - head, 0.4 * head),
            along(length - head, -0.4 * head),
        ];
        if corners.iter().all(|corner| window.holds(*corner)) {
            chart.draw_series([Polygon::new(corners.to_vec(), ink.filled())])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::probe;
    use tch::{Device, Kind};

    fn rows(values: &[f64]) -> Tensor {
        Tensor::from_slice(values).view([-1, 2])
    }

    #[test]
    fn an_arrow_points_where_its_vector_does() {
        let plot = VectorField::new("", 1.0)
            .arrows("", &rows(&[0.0, 0.0]), &rows(&[1.6, 0.8]))
            .longest(4.0);
        let figure = plot.draw();
        let inked = |x: f64, y: f64| probe(&figure, &plot.plane, (x, y)) != [255; 3];
        let at = |part: f64| (1.6 * part * 1.9 / 4.0, 0.8 * part * 1.9 / 4.0);
        assert!([0.1, 0.5, 0.97].map(at).iter().all(|(x, y)| inked(*x, *y)));
        assert!(!inked(at(1.03).0, at(1.03).1), "longer than its vector");
        let mirrored = [0.1, 0.3, 0.5].map(at);
        assert!(!mirrored.iter().any(|(x, y)| inked(-x, -y) || inked(*x, -y) || inked(*y, *x)));
    }

    #[test]
    fn the_head_is_at_the_tip() {
        let plot = VectorField::new("", 1.0)
            .arrows("", &rows(&[-0.5, 0.1]), &rows(&[1.0, 0.0]))
            .longest(1.9);
        let figure = plot.draw();
        let wide = |x: f64| {
            let column =
                (0..60).map(|k| probe(&figure, &plot.plane, (x, 0.1 + 0.002 * f64::from(k - 30))));
            column.filter(|pixel| pixel[0] < 128).count()
        };
        assert!(
            wide(0.475) > wide(0.2) && wide(0.2) == wide(-0.4),
            "{} {}",
            wide(0.475),
            wide(0.2)
        );
    }

    #[test]
    fn nothing_and_no_numbers_are_drawn() {
        VectorField::new("", 1.0).draw();
        let zero = rows(&[0.0, 0.0]);
        VectorField::new("", 1.0).arrows("", &zero, &zero).draw();
        let plot =
            VectorField::new("", 1.0).arrows("", &rows(&[0.1, 0.1]), &rows(&[f64::NAN, 0.0]));
        assert_eq!(probe(&plot.draw(), &plot.plane, (0.1, 0.1)), [255, 0, 255]);
    }

    #[test]
    #[should_panic(expected = "arrows [4, 2] do not fit their positions [3, 2]")]
    fn every_arrow_needs_a_place() {
        let of = |n: i64| Tensor::zeros([n, 2], (Kind::Float, Device::Cpu));
        let _ = VectorField::new("", 1.0).arrows("", &of(3), &of(4));
    }
}
