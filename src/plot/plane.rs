//! The square of the plane that two-dimensional plots share: [-limit, limit] on both axes, one scale.

use super::axes::{Chart, Frame};
use super::figure::{Figure, Painted, figure};
use super::legend::{Entry, Legend};
use super::polyline::Window;
use super::ticks::Axis;

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

    /// Draws the frame, then what `paint` adds.
    pub(super) fn draw(
        &self,
        alt: &str,
        entries: &[Entry],
        paint: impl FnOnce(&mut Chart) -> Painted,
    ) -> Figure {
        let axis = if self.numbers {
            Axis::linear(-self.limit, self.limit, 4)
        } else {
            Axis::bare(-self.limit, self.limit)
        };
        let listed: Vec<_> =
            entries.iter().filter(|entry| !entry.name.is_empty()).cloned().collect();
        let legend = Legend::new(&listed, self.side);
        let frame = Frame {
            title: self.title.clone(),
            x_label: String::new(),
            y_label: String::new(),
            x: axis.clone(),
            y: axis,
            right: legend.width(),
        };
        let room = frame.room();
        let (width, height) =
            (room.left + self.side + room.right, room.top + self.side + room.bottom);
        figure(alt, width, height, |area| {
            let mut chart = frame.draw(area)?;
            paint(&mut chart)?;
            legend.draw(area, &frame)
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
