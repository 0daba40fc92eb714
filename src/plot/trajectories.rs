//! The ways that points take from noise to data.

use plotters::element::Circle;
use plotters::prelude::PathElement;
use plotters::style::{Color, RGBColor};
use tch::Tensor;

use super::axes::Chart;
use super::figure::{Figure, Painted};
use super::legend::{Entry, Mark};
use super::plane::{Plane, plane_setters};
use super::style::{FAINT_INK, INK, line, pt, viridis};
use super::tensors;
use super::window::Point;

/// Steps of colour from the start of a trajectory to its end.
const SHADES: usize = 24;

/// Points that move: a thin line each, its colour running from light at the start to dark at the end.
#[derive(Clone, Debug)]
pub struct Trajectories {
    plane: Plane,
    /// One list of places a particle.
    ways: Vec<Vec<Point>>,
}

impl Trajectories {
    /// The square [-limit, limit] on both axes.
    pub fn new(title: impl Into<String>, limit: f64) -> Self {
        Self { plane: Plane::new(title.into(), limit), ways: vec![] }
    }

    /// Adds the particles of `steps`: positions `[N, 2]` at the first step, the second, and so on.
    ///
    /// # Panics
    /// When two steps hold different numbers of particles.
    pub fn steps(mut self, steps: &[Tensor]) -> Self {
        let places: Vec<_> =
            steps.iter().map(|step| tensors::points("a trajectory", step)).collect();
        let count = places.first().map_or(0, Vec::len);
        for (index, step) in places.iter().enumerate() {
            let found = step.len();
            assert!(
                found == count,
                "step 0 of a trajectory has {count} points, step {index} has {found}"
            );
        }
        let way = |particle: usize| places.iter().map(|step| step[particle]).collect();
        self.ways.extend((0..count).map(way));
        self
    }

    plane_setters!();

    pub fn draw(&self) -> Figure {
        let entry = |name: &str, colour| Entry {
            name: name.to_string(),
            mark: Mark::Points,
            colour,
            end: None,
        };
        let entries = vec![entry("start", FAINT_INK), entry("end", INK)];
        let alt = format!("{}: {} trajectories", self.plane.title, self.ways.len());
        self.plane.draw_with_legend(&alt, entries, |chart| {
            for way in &self.ways {
                self.draw_way(chart, way)?;
            }
            let window = self.plane.window();
            let dot = |place: &Point, radius: f64, opacity: f64, ink: RGBColor| {
                let circle = Circle::new(*place, pt(radius), ink.mix(opacity).filled());
                window.holds(*place).then_some(circle)
            };
            let starts = self.ways.iter().filter_map(|way| way.first());
            chart.draw_series(starts.filter_map(|place| dot(place, 1.2, 0.45, FAINT_INK)))?;
            let ends = self.ways.iter().filter_map(|way| way.last());
            chart.draw_series(ends.filter_map(|place| dot(place, 1.7, 1.0, INK)))?;
            Ok(())
        })
    }

    fn draw_way(&self, chart: &mut Chart, way: &[Point]) -> Painted {
        let segments = way.len().saturating_sub(1);
        let shades = SHADES.min(segments);
        for shade in 0..shades {
            let (first, last) = (segments * shade / shades, segments * (shade + 1) / shades);
            let age = (shade as f64 + 0.5) / shades as f64;
            let style = line(viridis(0.9 - 0.8 * age), 0.8);
            let pieces = self.plane.window().pieces(&way[first..=last]);
            chart.draw_series(pieces.into_iter().map(|piece| PathElement::new(piece, style)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn at(x: f64, y: f64) -> Tensor {
        Tensor::from_slice(&[x, y]).view([1, 2])
    }

    #[test]
    fn a_way_is_light_at_its_start_and_dark_at_its_end() {
        let steps: Vec<_> = (0..=40).map(|k| at(-0.8 + 0.04 * f64::from(k), 0.5)).collect();
        let plot = Trajectories::new("", 1.0).steps(&steps);
        let figure = plot.draw();
        let light = |x: f64, y: f64| {
            plot.plane.probe(&figure, (x, y)).iter().map(|channel| u32::from(*channel)).sum::<u32>()
        };
        let (start, end) = (light(-0.6, 0.5), light(0.6, 0.5));
        assert!(start > end + 60 && start < 700, "the line goes dark: {start} {end}");
        assert!(light(0.8, 0.5) < 150, "the end is marked");
        assert!(light(-0.6, -0.5) > 700, "there is no line where no points are");
    }

    #[test]
    fn short_broken_and_empty_ways_are_drawn() {
        Trajectories::new("", 1.0).draw();
        Trajectories::new("", 1.0).steps(&[at(0.0, 0.0)]).draw();
        Trajectories::new("", 1.0).steps(&[at(0.0, f64::NAN), at(9.0, 0.0), at(0.0, 0.0)]).draw();
    }

    #[test]
    #[should_panic(expected = "step 0 of a trajectory has 3 points, step 1 has 2")]
    fn particles_cannot_vanish() {
        let of = |n: i64| Tensor::zeros([n, 2], (Kind::Float, Device::Cpu));
        let _ = Trajectories::new("", 1.0).steps(&[of(3), of(2)]);
    }
}
