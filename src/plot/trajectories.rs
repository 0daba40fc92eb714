//! The ways that points take from noise to data.

use plotters::prelude::{Color, PathElement};
use tch::Tensor;

use super::axes::dots;
use super::figure::Figure;
use super::legend::{Entry, Mark};
use super::plane::{Plane, plane_setters};
use super::style::{FAINT_INK, INK, line, viridis};
use super::tensors;
use super::window::Point;

/// Points that move: a thin line each, its colour running from light at the start to dark at the end.
#[derive(Clone, Debug)]
pub struct Trajectories {
    plane: Plane,
    /// One list of places a particle, of one place at least.
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
        let (start, end) = (("start", FAINT_INK), ("end", INK));
        let entries = [start, end].map(|(name, ink)| Entry::new(name, Mark::Points, ink));
        let what = format!("{} trajectories", self.ways.len());
        self.plane.draw(&what, entries.into(), |chart| {
            let window = self.plane.window();
            for way in &self.ways {
                let segments = way.len() - 1;
                let shades = segments.min(24); // steps of colour
                for shade in 0..shades {
                    let (from, to) = (segments * shade / shades, segments * (shade + 1) / shades);
                    let age = (shade as f64 + 0.5) / shades as f64;
                    let style = line(viridis(0.9 - 0.8 * age), 0.8);
                    let pieces = window.pieces(&way[from..=to]).into_iter();
                    chart.draw_series(pieces.map(|piece| PathElement::new(piece, style)))?;
                }
            }
            let starts = self.ways.iter().map(|way| &way[0]);
            dots(chart, window, starts, 1.4, FAINT_INK.mix(0.6))?;
            dots(chart, window, self.ways.iter().map(|way| &way[way.len() - 1]), 1.7, INK)
        })
    }
}
