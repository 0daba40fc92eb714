//! One look for every figure: sizes in points of the page, colours that colour-blind readers can tell apart.

use plotters::prelude::{Color, ColorMap, IntoFont, RGBColor, ShapeStyle, TextStyle, ViridisRGB};
use plotters::style::FontStyle;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Pixels of the picture for one point of the page: two, so that text stays sharp on dense screens.
pub(super) const SCALE: u32 = 2;
/// Units of the painter for one pixel: plotters counts in whole numbers, lines need finer ones.
pub(super) const SUB: i32 = 8;

pub(super) const INK: RGBColor = RGBColor(34, 34, 34);
pub(super) const FAINT_INK: RGBColor = RGBColor(96, 96, 96);
pub(super) const AXIS: RGBColor = RGBColor(120, 120, 120);
pub(super) const GRID: RGBColor = RGBColor(228, 228, 228);
/// What a value that is not finite looks like: nobody should take it for part of the picture.
pub(super) const LOUD: RGBColor = RGBColor(255, 0, 255);

pub(super) const TITLE: f64 = 12.5;
pub(super) const LABEL: f64 = 10.5;
pub(super) const TICK: f64 = 10.0;
pub(super) const SMALL: f64 = 9.5;
/// Free room around a figure, in points.
pub(super) const MARGIN: f64 = 10.0;

/// Okabe and Ito's colours, without the yellow that white paper swallows.
const PALETTE: [u32; 7] = [0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9, 0x464646];

/// The colour of the `index`-th series; they repeat after seven.
pub(super) fn colour(index: usize) -> RGBColor {
    let [_, red, green, blue] = PALETTE[index % PALETTE.len()].to_be_bytes();
    RGBColor(red, green, blue)
}

/// The colour of a value from 0 (dark) to 1 (bright) in the colour map viridis.
pub(super) fn viridis(value: f64) -> RGBColor {
    if value.is_finite() { ViridisRGB.get_color(value as f32) } else { LOUD }
}

/// Points of the page in units of the painter.
pub(super) fn pt(points: f64) -> i32 {
    (points * f64::from(SCALE) * f64::from(SUB)).round() as i32
}

/// A line of the given width in points.
pub(super) fn line(colour: impl Color, width: f64) -> ShapeStyle {
    ShapeStyle { color: colour.to_rgba(), filled: false, stroke_width: pt(width).max(1) as u32 }
}

pub(super) fn text(size: f64, colour: RGBColor) -> TextStyle<'static> {
    ("sans-serif", pt(size)).into_font().color(&colour)
}

/// Text in the middle of the line at `side` of its anchor.
pub(super) fn text_at(side: HPos, size: f64, colour: RGBColor) -> TextStyle<'static> {
    text(size, colour).pos(Pos::new(side, VPos::Center))
}

pub(super) fn bold(size: f64, colour: RGBColor) -> TextStyle<'static> {
    ("sans-serif", pt(size), FontStyle::Bold).into_font().color(&colour)
}
