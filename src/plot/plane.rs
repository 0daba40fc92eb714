//! The square of the plane that two-dimensional plots share: [-limit, limit] on both axes, one scale.

use super::axes::{Chart, Frame};
use super::density::ColourBar;
use super::figure::{Figure, Painted, figure};
use super::heat::{Colours, Heat};
use super::legend::{Entry, Legend};
use super::polyline::{Point, Window};
use super::ticks::Axis;

#[derive(Clone, Debug)]
pub(super) struct Plane {
    pub(super) title: String,
    pub(super) limit: f64,
    /// Side of the square in points.
    pub(super) side: f64,
    pub(super) numbers: bool,
    /// A pale density under everything else.
    backdrop: Option<Heat>,
}

/// What stands at the right of the square.
pub(super) enum Beside {
    Nothing,
    Names(Vec<Entry>),
    Bar(ColourBar),
}

impl Plane {
    pub(super) fn new(title: String, limit: f64) -> Plane {
        assert!(
            limit.is_finite() && limit > 0.0,
            "a plot of the plane wants a limit above zero, got {limit}"
        );
        Plane { title, limit, side: 260.0, numbers: true, backdrop: None }
    }

    pub(super) fn window(&self) -> Window {
        Window { x: (-self.limit, self.limit), y: (-self.limit, self.limit) }
    }

    pub(super) fn put_behind(&mut self, points: &[Point]) {
        self.backdrop = Some(Heat::of_points(points, self.limit));
    }

    fn frame(&self, right: f64) -> Frame {
        let axis = match self.numbers {
            true => Axis::linear(-self.limit, self.limit, 4),
            false => Axis::bare(-self.limit, self.limit),
        };
        let (x_label, y_label) = (String::new(), String::new());
        Frame { title: self.title.clone(), x_label, y_label, x: axis.clone(), y: axis, right }
    }

    /// Draws the frame, then what `paint` adds.
    pub(super) fn draw(
        &self,
        alt: &str,
        beside: Beside,
        paint: impl FnOnce(&mut Chart) -> Painted,
    ) -> Figure {
        let legend = match &beside {
            Beside::Names(entries) => {
                let named = entries.iter().filter(|entry| !entry.name.is_empty());
                Legend::new(&named.cloned().collect::<Vec<_>>(), self.side)
            }
            _ => Legend::new(&[], self.side),
        };
        let frame =
            self.frame(if let Beside::Bar(bar) = &beside { bar.width() } else { legend.width() });
        let room = frame.room();
        let (width, height) =
            (room.left + self.side + room.right, room.top + self.side + room.bottom);
        figure(alt, width, height, |area| {
            let mut chart = frame.draw(area)?;
            if let Some(heat) = &self.backdrop {
                heat.paint(&mut chart, self.limit, Colours::Pale, (0.0, heat.range().1.max(1e-9)))?;
            }
            paint(&mut chart)?;
            if let Beside::Bar(bar) = &beside {
                bar.draw(area, &frame)
            } else {
                legend.draw(area, &frame)
            }
        })
    }

    /// The pixel of `point` in a figure drawn without anything beside the square.
    #[cfg(test)]
    pub(super) fn pixel(&self, (x, y): Point) -> (u32, u32) {
        let room = self.frame(0.0).room();
        let place = |start: f64, fraction: f64| {
            ((start + fraction * self.side) * f64::from(super::style::SCALE)) as u32
        };
        let fraction = |value: f64| (value + self.limit) / (2.0 * self.limit);
        (place(room.left, fraction(x)), place(room.top, 1.0 - fraction(y)))
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
