//! The square of the plane that two-dimensional plots share: [-limit, limit] on both axes, one scale.

use super::axes::{Chart, Frame};
use super::figure::{Figure, Painted, figure};
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

    /// A figure of `what`, in words: the frame, what `paint` adds, and the names of the series beside it.
    pub(super) fn draw(
        &self,
        what: &str,
        entries: Vec<Entry>,
        paint: impl FnOnce(&mut Chart) -> Painted,
    ) -> Figure {
        let legend = Legend::new(entries, self.side);
        let mut axis = Axis::new((-self.limit, self.limit), false, 4);
        axis.ticks.retain(|_| self.numbers);
        let frame = Frame {
            title: self.title.clone(),
            x_label: String::new(),
            y_label: String::new(),
            x: axis.clone(),
            y: axis,
            right: legend.width(),
        };
        let [left, right, top, bottom] = frame.room();
        let (width, height) = (left + self.side + right, top + self.side + bottom);
        figure(&format!("{}: {what}", self.title), width, height, |area| {
            let mut chart = frame.draw(area)?;
            paint(&mut chart)?;
            legend.draw(area, chart.plotting_area().get_pixel_range())
        })
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

        /// Without numbers on the axes, for small panels in a row.
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
