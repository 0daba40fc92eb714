//! The frame of a plot: title, labels, grid, numbers, and the coordinates to draw in.

use plotters::prelude::{
    Cartesian2d, ChartBuilder, ChartContext, Circle, Color, DrawingAreaErrorKind, Text,
};
use plotters::style::TRANSPARENT;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::convert::Infallible;

use super::canvas::Canvas;
use super::figure::{Area, Painted};
use super::style::{AXIS, FAINT_INK, GRID, INK, LABEL, MARGIN, TICK, TITLE, bold, line, pt, text};
use super::text::widest;
use super::ticks::Axis;
use super::window::{Point, Window};

pub(super) type Chart<'a, 'b> = ChartContext<'a, Canvas<'b>, Cartesian2d<Axis, Axis>>;

/// Discs of `radius` points at those of `places` that can be seen.
pub(super) fn dots<'p>(
    chart: &mut Chart,
    window: Window,
    places: impl IntoIterator<Item = &'p Point>,
    radius: f64,
    ink: impl Color,
) -> Painted {
    let seen = places.into_iter().filter(|place| window.holds(**place));
    chart.draw_series(seen.map(|place| Circle::new(*place, pt(radius), ink.filled())))?;
    Ok(())
}

/// What stands around the plotted square or rectangle. Empty words take no room.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) x_label: String,
    /// Written upright above the axis: nobody should have to turn their head.
    pub(super) y_label: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// Points kept free at the right, for the names of the series.
    pub(super) right: f64,
}

impl Frame {
    /// The room at the left, the right, the top and the bottom of the plotted rectangle, in points.
    pub(super) fn room(&self) -> [f64; 4] {
        let line_of = |words: &str, size: f64| if words.is_empty() { 0.0 } else { size * 1.55 };
        let y_numbers = widest(self.y.ticks.iter().map(|tick| &tick.1), TICK);
        let overhang = widest(self.x.ticks.last().map(|tick| &tick.1), TICK) / 2.0 - 4.0;
        let x_numbers = if self.x.ticks.is_empty() { 0.0 } else { TICK + 6.0 };
        let left = MARGIN + if y_numbers > 0.0 { y_numbers + 6.0 } else { 0.0 };
        let top = MARGIN + line_of(&self.title, TITLE) + line_of(&self.y_label, LABEL) + 2.0;
        let bottom = MARGIN + x_numbers + if self.x_label.is_empty() { 0.0 } else { LABEL };
        [left, MARGIN + self.right.max(overhang), top, bottom]
    }

    /// Draws the frame and hands out its coordinates.
    pub(super) fn draw<'a, 'b>(
        &self,
        area: &'a Area<'b>,
    ) -> Result<Chart<'a, 'b>, DrawingAreaErrorKind<Infallible>> {
        let [left, right, top, bottom] = self.room();
        self.draw_words(area, left, right)?;
        let mut chart = ChartBuilder::on(area)
            .margin_left(pt(MARGIN))
            .margin_top(pt(top))
            .margin_right(pt(right))
            .margin_bottom(pt(MARGIN))
            .y_label_area_size(pt(left - MARGIN))
            .x_label_area_size(pt(bottom - MARGIN))
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(line(GRID, 0.5))
            .axis_style(line(AXIS, 0.5))
            .set_all_tick_mark_size(pt(2.5))
            .label_style(text(TICK, FAINT_INK))
            .draw()?;
        Ok(chart)
    }

    fn draw_words(&self, area: &Area, left: f64, right: f64) -> Painted {
        let (width, height) = area.dim_in_pixel();
        let corner = (pt(MARGIN), pt(MARGIN));
        area.draw(&Text::new(self.title.as_str(), corner, bold(TITLE, INK)))?;
        let y = MARGIN + if self.title.is_empty() { 0.0 } else { TITLE * 1.55 };
        let style = text(LABEL, FAINT_INK);
        area.draw(&Text::new(self.y_label.as_str(), (pt(MARGIN), pt(y)), style.clone()))?;
        let middle = (pt(left) + width as i32 - pt(right)) / 2;
        let below = (middle, height as i32 - pt(MARGIN - 4.0));
        let style = style.pos(Pos::new(HPos::Center, VPos::Bottom));
        area.draw(&Text::new(self.x_label.as_str(), below, style))
    }
}
