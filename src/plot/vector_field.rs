//! Arrows in the plane: scores, velocities, and how far a learned field is from an exact one.

use plotters::element::{Circle, Polygon};
use plotters::prelude::PathElement;
use plotters::style::{Color, RGBColor};
use tch::Tensor;

use super::axes::Chart;
use super::figure::{Figure, Painted};
use super::legend::{Entry, Mark};
use super::plane::{Plane, plane_setters};
use super::style::{LOUD, colour, line, pt};
use super::tensors;
use super::window::{Point, finite};

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
        self.sets.push(Arrows {
            name: name.into(),
            positions: read(positions),
            vectors: read(vectors),
        });
        self
    }

    plane_setters!();

    pub fn draw(&self) -> Figure {
        let (mut entries, mut words) = (vec![], vec![]);
        for (index, set) in self.sets.iter().enumerate() {
            let (name, colour) = (set.name.clone(), colour(index));
            words.push(format!("{} arrows {name}", set.vectors.len()).trim_end().to_string());
            entries.push(Entry { name, mark: Mark::Line, colour, end: None });
        }
        let alt = format!("{}: {}", self.plane.title, words.join(", "));
        let scale = self.step() / self.usual_length();
        self.plane.draw_with_legend(&alt, entries, |chart| {
            for (index, set) in self.sets.iter().enumerate() {
                for (from, (x, y)) in set.positions.iter().zip(&set.vectors) {
                    self.draw_arrow(chart, *from, (x * scale, y * scale), colour(index))?;
                }
            }
            Ok(())
        })
    }

    /// Distance between two arrows of a square grid, a little shortened.
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
        let dot = match length {
            _ if !finite((dx, dy)) => Some((2.0, LOUD)),
            _ if length < 0.3 * point => Some((0.7, ink)),
            _ => None,
        };
        if let Some((radius, ink)) = dot {
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

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn rows(values: &[f64]) -> Tensor {
        Tensor::from_slice(values).view([-1, 2])
    }

    /// Four equal arrows from the origin, 1.9 long.
    fn right_and_up() -> (VectorField, Figure) {
        let vectors = rows(&[0.6, 0.3]).repeat([4, 1]);
        let plot = VectorField::new("", 2.0).arrows("", &vectors.zeros_like(), &vectors);
        let figure = plot.draw();
        (plot, figure)
    }

    /// The place a part of the way from the tail to the tip of that arrow.
    fn on_arrow(part: f64) -> (f64, f64) {
        let y = 1.9 / 5f64.sqrt() * part;
        (2.0 * y, y)
    }

    #[test]
    fn an_arrow_points_where_its_vector_does() {
        let (plot, figure) = right_and_up();
        let inked = |x: f64, y: f64| plot.plane.probe(&figure, (x, y)) != [255; 3];
        assert!([0.1, 0.5, 0.97].map(on_arrow).iter().all(|(x, y)| inked(*x, *y)));
        assert!(!inked(on_arrow(1.03).0, on_arrow(1.03).1), "longer than its vector");
        for (x, y) in [0.1, 0.3, 0.5].map(on_arrow) {
            assert!(!(inked(-x, -y) || inked(x, -y) || inked(y, x)), "a mirrored arrow");
        }
    }

    #[test]
    fn the_head_is_at_the_tip() {
        let (plot, figure) = right_and_up();
        let wide = |part: f64| {
            let (x, y) = on_arrow(part);
            let across = (-60..60).map(|k| f64::from(k) * 0.004).map(|d| (x - d, y + 2.0 * d));
            across.filter(|place| plot.plane.probe(&figure, *place)[0] < 128).count()
        };
        assert!(wide(0.985) > wide(0.5) && wide(0.5) == wide(0.2), "{} {}", wide(0.985), wide(0.5));
    }

    #[test]
    fn nothing_and_no_numbers_are_drawn() {
        VectorField::new("", 1.0).draw();
        let (zero, place) = (rows(&[0.0, 0.0]), rows(&[0.1, 0.1]));
        VectorField::new("", 1.0).arrows("", &zero, &zero).draw();
        let plot = VectorField::new("", 1.0).arrows("", &place, &rows(&[f64::NAN, 0.0]));
        assert_eq!(plot.plane.probe(&plot.draw(), (0.1, 0.1)), [255, 0, 255]);
    }

    #[test]
    #[should_panic(expected = "arrows [4, 2] do not fit their positions [3, 2]")]
    fn every_arrow_needs_a_place() {
        let of = |n: i64| Tensor::zeros([n, 2], (Kind::Float, Device::Cpu));
        let _ = VectorField::new("", 1.0).arrows("", &of(3), &of(4));
    }
}
