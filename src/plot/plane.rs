//! The square of the plane that two-dimensional plots share: [-limit, limit] on both axes, one scale.

use super::axes::{Chart, Frame};
use super::figure::{Area, Figure, Painted, figure};
use super::legend::{Entry, Legend};
use super::ticks::Axis;
use super::window::Window;

#[derive(Clone, Debug)]
pub(super) struct Plane {
    pub(super) title: String,
    pub(super) limit: f64,
    /// Side of the square in points.
    pub(super) side: f64,
    pub(super) numbers: bool,
}

impl Plane {
    pub(super) fn new(title: String, limit: f64) -> Plane {
        assert!(
            limit.is_finite() && limit > 0.0,
            "a plot of the plane wants a limit above zero, got {limit}"
        );
        Plane { title, limit, side: 260.0, numbers: true }
    }

    pub(super) fn window(&self) -> Window {
        Window { x: (-self.limit, self.limit), y: (-self.limit, self.limit) }
    }

    fn frame(&self, right: f64) -> Frame {
        let axis = match self.numbers {
            true => Axis::linear(-self.limit, self.limit, 5),
            false => Axis::bare(-self.limit, self.limit),
        };
        let (x_label, y_label) = (String::new(), String::new());
        Frame { title: self.title.clone(), x_label, y_label, x: axis.clone(), y: axis, right }
    }

    /// Draws the frame, with `right` points beside it, and then what `paint` adds.
    pub(super) fn draw(
        &self,
        alt: &str,
        right: f64,
        paint: impl FnOnce(&Area, &mut Chart) -> Painted,
    ) -> Figure {
        let frame = self.frame(right);
        let room = frame.room();
        let width = room.left + self.side + room.right;
        let height = room.top + self.side + room.bottom;
        figure(alt, width, height, |area| paint(area, &mut frame.draw(area)?))
    }

    /// Draws the frame, what `paint` adds, and the names of the series beside it.
    pub(super) fn draw_with_legend(
        &self,
        alt: &str,
        entries: Vec<Entry>,
        paint: impl FnOnce(&mut Chart) -> Painted,
    ) -> Figure {
        let legend = Legend::new(entries, self.side);
        self.draw(alt, legend.width(), |area, chart| {
            paint(chart)?;
            legend.draw(area, chart.plotting_area().get_pixel_range())
        })
    }

    /// The colour at a place of the plane, in a figure without anything beside the square.
    #[cfg(test)]
    pub(super) fn probe(&self, figure: &Figure, (x, y): (f64, f64)) -> [u8; 3] {
        let room = self.frame(0.0).room();
        let scale = f64::from(super::style::SCALE);
        let place = |start: f64, part: f64| ((start + part * self.side) * scale) as u32;
        let part = |value: f64| (value + self.limit) / (2.0 * self.limit);
        figure.image().get_pixel(place(room.left, part(x)), place(room.top, part(-y))).0
    }
}

/// The setters that every plot of the plane has; its `plane` field is a [`Plane`].
macro_rules! plane_setters {
    () => {
        /// Side of the square in points of the page; 260 unless told.
        pub fn side(mut self, points: f64) -> Self {
            self.plane.side = points;
            self
        }

        /// Without numbers on the axes or a colour bar, for small panels in a row.
        pub fn bare(mut self) -> Self {
            self.plane.numbers = false;
            self
        }

        /// Shows the plot in a notebook; evcxr calls this for a cell's last value.
        pub fn evcxr_display(&self) {
            self.draw().evcxr_display();
        }
    };
}
pub(super) use plane_setters;
