//! Arrows in the plane: scores, velocities, and how far a learned field is from an exact one.

use plotters::prelude::{Circle, Color, PathElement, Polygon, RGBColor};
use tch::Tensor;

use super::axes::Chart;
use super::figure::{Figure, Painted};
use super::legend::{Entry, Mark};
use super::plane::{Plane, plane_setters};
use super::style::{LOUD, colour, line, pt};
use super::tensors;
use super::window::Point;

/// Named sets of arrows, all drawn to one scale.
#[derive(Clone, Debug)]
pub struct VectorField {
    plane: Plane,
    /// The name of each set, and where its arrows start and their vectors.
    sets: Vec<(String, Vec<(Point, Point)>)>,
}

impl VectorField {
    /// The square [-limit, limit] on both axes.
    pub fn new(title: impl Into<String>, limit: f64) -> Self {
        Self { plane: Plane::new(title.into(), limit), sets: vec![] }
    }

    /// Adds arrows `vectors` `[N, 2]` that start at `positions` `[N, 2]`; an empty name stays out of the legend.
    ///
    /// # Panics
    /// When the two have different numbers of rows.
    pub fn arrows(mut self, name: impl Into<String>, positions: &Tensor, vectors: &Tensor) -> Self {
        let (places, arrows) = (positions.size(), vectors.size());
        assert!(places == arrows, "arrows {arrows:?} do not fit their positions {places:?}");
        let read = |tensor: &Tensor| tensors::points("a vector field", tensor);
        let arrows = read(positions).into_iter().zip(read(vectors)).collect();
        self.sets.push((name.into(), arrows));
        self
    }

    plane_setters!();

    pub fn draw(&self) -> Figure {
        let (mut entries, mut words) = (vec![], vec![]);
        for (index, (name, arrows)) in self.sets.iter().enumerate() {
            words.push(format!("{} arrows {name}", arrows.len()).trim_end().to_string());
            entries.push(Entry::new(name, Mark::Line, colour(index)));
        }
        let most = self.sets.iter().map(|(_, arrows)| arrows.len()).max().unwrap_or(0);
        let step = 2.0 * self.plane.limit / (most as f64).sqrt().max(1.0); // between two of a grid
        let scale = 0.95 * step / self.usual_length();
        self.plane.draw(&words.join(", "), entries, |chart| {
            for (index, (_, arrows)) in self.sets.iter().enumerate() {
                for (from, (x, y)) in arrows {
                    self.draw_arrow(chart, *from, (x * scale, y * scale), colour(index))?;
                }
            }
            Ok(())
        })
    }

    /// The length that 19 of 20 vectors do not exceed.
    fn usual_length(&self) -> f64 {
        let arrows = self.sets.iter().flat_map(|(_, arrows)| arrows);
        let lengths = arrows.map(|(_, (x, y))| x.hypot(*y));
        let mut lengths: Vec<f64> = lengths.filter(|l| l.is_finite() && *l > 0.0).collect();
        lengths.sort_by(f64::total_cmp);
        lengths.get(lengths.len() * 19 / 20).copied().unwrap_or(1.0)
    }

    fn draw_arrow(
        &self,
        chart: &mut Chart,
        from: Point,
        (dx, dy): Point,
        ink: RGBColor,
    ) -> Painted {
        let window = self.plane.window();
        if !window.holds(from) {
            return Ok(());
        }
        let length = dx.hypot(dy);
        let point = 2.0 * self.plane.limit / self.plane.side; // of the page
        if !(length >= 0.3 * point && length.is_finite()) {
            let (radius, ink) = if length.is_finite() { (0.7, ink) } else { (2.0, LOUD) };
            chart.draw_series([Circle::new(from, pt(radius), ink.filled())])?;
            return Ok(());
        }
        let head = (0.4 * length).min(4.5 * point);
        let (ux, uy) = (dx / length, dy / length);
        let place = |along: f64, aside: f64| {
            (from.0 + ux * along - uy * aside, from.1 + uy * along + ux * aside)
        };
        let shaft = window.pieces(&[from, place(length - 0.8 * head, 0.0)]);
        let style = line(ink, 0.9);
        chart.draw_series(shaft.into_iter().map(|piece| PathElement::new(piece, style)))?;
        let (back, half) = (length - head, 0.4 * head);
        let corners = [place(length, 0.0), place(back, half), place(back, -half)];
        if corners.iter().all(|corner| window.holds(*corner)) {
            chart.draw_series([Polygon::new(corners, ink.filled())])?;
        }
        Ok(())
    }
}
