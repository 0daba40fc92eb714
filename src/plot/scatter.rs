//! Clouds of points in the plane.

use plotters::prelude::Color;
use tch::Tensor;

use super::axes::dots;
use super::figure::Figure;
use super::legend::{Entry, Mark};
use super::plane::{Plane, plane_setters};
use super::style::colour;
use super::tensors;
use super::window::Point;

/// Named clouds of points, half transparent so that their density shows.
#[derive(Clone, Debug)]
pub struct Scatter {
    plane: Plane,
    clouds: Vec<(String, Vec<Point>)>,
}

impl Scatter {
    /// The square [-limit, limit] on both axes.
    pub fn new(title: impl Into<String>, limit: f64) -> Self {
        Self { plane: Plane::new(title.into(), limit), clouds: vec![] }
    }

    /// Adds points `[N, 2]`; an empty name keeps them out of the legend.
    pub fn points(mut self, name: impl Into<String>, points: &Tensor) -> Self {
        self.clouds.push((name.into(), tensors::points("a scatter plot", points)));
        self
    }

    plane_setters!();

    pub fn draw(&self) -> Figure {
        let (mut entries, mut words) = (vec![], vec![]);
        for (index, (name, points)) in self.clouds.iter().enumerate() {
            words.push(format!("{} points {name}", points.len()).trim_end().to_string());
            entries.push(Entry::new(name, Mark::Points, colour(index)));
        }
        self.plane.draw(&words.join(", "), entries, |chart| {
            for (index, (_, points)) in self.clouds.iter().enumerate() {
                let count = points.len().max(1) as f64; // few points stand out, many add up
                let ink = colour(index).mix((25.0 / count.sqrt()).clamp(0.08, 0.75));
                let radius = 1.4 * (2000.0 / count).powf(0.25).clamp(0.5, 1.0);
                dots(chart, self.plane.window(), points, radius, ink)?;
            }
            Ok(())
        })
    }
}
