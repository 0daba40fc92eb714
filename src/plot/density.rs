//! Densities over the plane as heat maps.

use plotters::element::{Rectangle, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};
use tch::Tensor;

use super::axes::{Frame, width_of};
use super::figure::{Area, Figure, Painted};
use super::heat::{Colours, Heat};
use super::plane::{Beside, Plane, plane_setters};
use super::style::{FAINT_INK, MARGIN, TICK, at, pt, text};
use super::tensors;
use super::ticks::Axis;

/// A heat map over [-limit, limit]^2: of points, counted and lightly smoothed, or of values on a grid.
#[derive(Clone, Debug)]
pub struct Density {
    plane: Plane,
    heat: Heat,
    what: String,
    colours: Colours,
    range: Option<(f64, f64)>,
    bar: bool,
}

impl Density {
    /// Where the points `[N, 2]` are: dark where there are none, bright where there are most.
    pub fn new(title: impl Into<String>, limit: f64, points: &Tensor) -> Self {
        let points = tensors::points("a density", points);
        let what = format!("density of {} points", points.len());
        Self::with(Plane::new(title.into(), limit), Heat::of_points(&points, limit), what)
    }

    /// The values `[H, W]` themselves, with a bar that says which colour is which value.
    ///
    /// Value `[i, j]` stands at x = -limit + (2 j + 1) limit / W, y = -limit + (2 i + 1) limit / H: row 0 is the lowest.
    pub fn of_grid(title: impl Into<String>, limit: f64, values: &Tensor) -> Self {
        let size = values.size();
        let [height, width] = size[..] else {
            panic!("a density wants values of shape [H, W], got {size:?}");
        };
        let heat = Heat { columns: width as usize, values: tensors::values(values) };
        let what = format!("values on a grid of {height} x {width}");
        Self { bar: true, ..Self::with(Plane::new(title.into(), limit), heat, what) }
    }

    fn with(plane: Plane, heat: Heat, what: String) -> Self {
        Self { plane, heat, what, colours: Colours::Viridis, range: None, bar: false }
    }

    /// The values of the first and the last colour: give several plots the same range to compare them.
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }

    /// For values of both signs: blue below zero, white at zero, vermilion above.
    pub fn diverging(mut self) -> Self {
        self.colours = Colours::Diverging;
        self
    }

    plane_setters!();

    pub fn draw(&self) -> Figure {
        let range = self.shown_range();
        let bar = ColourBar { axis: Axis::linear(range.0, range.1, 5), colours: self.colours };
        let beside =
            if self.bar && self.plane.numbers { Beside::Bar(bar) } else { Beside::Nothing };
        let alt = format!("{}: {}", self.plane.title, self.what);
        self.plane.draw(&alt, beside, |chart| {
            self.heat.paint(chart, self.plane.limit, self.colours, range)
        })
    }

    fn shown_range(&self) -> (f64, f64) {
        let (low, high) = self.heat.range();
        let (low, high) = match (self.range, self.colours) {
            (Some(asked), _) => asked,
            (None, Colours::Diverging) => (-low.abs().max(high.abs()), low.abs().max(high.abs())),
            (None, _) if self.bar => (low, high),
            (None, _) => (0.0, high),
        };
        if low < high { (low, high) } else { (low - 0.5, low + 0.5) }
    }
}

/// Which colour stands for which value.
#[derive(Clone, Debug)]
pub(super) struct ColourBar {
    axis: Axis,
    colours: Colours,
}

impl ColourBar {
    const WIDTH: f64 = 9.0;
    const GAP: f64 = 8.0;

    /// Points needed at the right of the plot.
    pub(super) fn width(&self) -> f64 {
        let numbers =
            self.axis.ticks.iter().map(|(_, text)| width_of(text, TICK)).fold(0.0, f64::max);
        Self::GAP + Self::WIDTH + 5.0 + numbers
    }

    pub(super) fn draw(&self, area: &Area, frame: &Frame) -> Painted {
        let (width, height) = area.dim_in_pixel();
        let room = frame.room();
        let (top, bottom) = (pt(room.top), height as i32 - pt(room.bottom));
        let left = width as i32 - pt(MARGIN + self.width() - Self::GAP);
        let right = left + pt(Self::WIDTH);
        let y = |fraction: f64| bottom - (fraction * f64::from(bottom - top)).round() as i32;
        const STRIPES: u32 = 256;
        for stripe in 0..STRIPES {
            let part = |offset: f64| (f64::from(stripe) + offset) / f64::from(STRIPES);
            let colour = self.colours.at(part(0.5));
            area.draw(&Rectangle::new(
                [(left, y(part(0.0))), (right, y(part(1.0)))],
                colour.filled(),
            ))?;
        }
        let style = text(TICK, FAINT_INK).pos(at(HPos::Left, VPos::Center));
        for (value, number) in &self.axis.ticks {
            let height = y((value - self.axis.low) / (self.axis.high - self.axis.low));
            area.draw(&Text::new(number.clone(), (right + pt(5.0), height), style.clone()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::probe;
    use tch::{Device, Kind};

    fn brightness(figure: &Figure, density: &Density, x: f64, y: f64) -> u32 {
        probe(figure, &density.plane, (x, y)).iter().map(|channel| u32::from(*channel)).sum()
    }

    #[test]
    fn brightest_where_the_points_are() {
        let noise = Tensor::randn([4000, 2], (Kind::Float, Device::Cpu)) * 0.1;
        let points = noise + Tensor::from_slice(&[1.0f32, -0.5]);
        let density = Density::new("", 2.0, &points);
        let figure = density.draw();
        let here = brightness(&figure, &density, 1.0, -0.5);
        for (x, y) in [(-0.5, 1.0), (1.0, 0.5), (-1.0, -0.5), (-0.5, -1.0)] {
            assert!(here > 2 * brightness(&figure, &density, x, y), "brighter at {x}, {y}");
        }
    }

    #[test]
    fn a_grids_first_row_is_the_lowest_and_its_first_column_the_leftmost() {
        let density =
            Density::of_grid("", 1.0, &Tensor::from_slice(&[0.0, 1.0, 2.0, 3.0]).view([2, 2]));
        let figure = density.draw();
        let seen = [(-0.9, -0.9), (0.9, -0.9), (-0.9, 0.9), (0.9, 0.9)];
        let seen = seen.map(|(x, y)| brightness(&figure, &density, x, y));
        assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    }

    #[test]
    fn flat_and_broken_fields_are_drawn() {
        for value in [0.0, 5.0, f64::NAN, f64::INFINITY] {
            let values = Tensor::full([3, 3], value, (Kind::Double, Device::Cpu));
            Density::of_grid("", 1.0, &values).draw();
            Density::of_grid("", 1.0, &values).diverging().draw();
        }
        Density::new("", 1.0, &Tensor::zeros([0, 2], (Kind::Float, Device::Cpu))).draw();
    }

    #[test]
    #[should_panic(expected = "[2, 3, 4]")]
    fn a_shape_that_is_no_grid_is_named() {
        Density::of_grid("", 1.0, &Tensor::zeros([2, 3, 4], (Kind::Float, Device::Cpu)));
    }
}
