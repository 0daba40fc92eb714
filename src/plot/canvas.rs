//! The renderer under plotters: plotters places shapes, tiny-skia paints them with smooth edges.
//!
//! plotters' own bitmap backend puts corners on whole pixels and letters without their side bearings; here
//! coordinates are eighths of a pixel ([`SUB`]) and text is set by [`super::text`].

use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    FontStyle,
};
use std::convert::Infallible;
use tiny_skia::{
    FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform,
};

use super::style::SUB;
use super::text;

/// A picture that plotters draws on, all of it opaque.
pub(super) struct Canvas<'a> {
    pub(super) pixmap: &'a mut Pixmap,
}

type Done = Result<(), DrawingErrorKind<Infallible>>;

/// A place in the units of plotters, in pixels.
fn pixels((x, y): BackendCoord) -> (f32, f32) {
    (x as f32 / SUB as f32, y as f32 / SUB as f32)
}

fn paint(colour: BackendColor) -> Paint<'static> {
    let ((r, g, b), alpha) = (colour.rgb, (colour.alpha * 255.0).round() as u8);
    let mut paint = Paint::default();
    paint.set_color_rgba8(r, g, b, alpha);
    paint
}

/// The path from corner to corner; none through fewer than two.
fn path(corners: impl IntoIterator<Item = BackendCoord>) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (x, y) in corners.into_iter().map(pixels) {
        if path.is_empty() { path.move_to(x, y) } else { path.line_to(x, y) }
    }
    path.finish()
}

impl Canvas<'_> {
    /// Fills a rectangle on whole pixels: neighbours meet without a seam, and grid lines are crisp.
    fn fill_rect(&mut self, (x0, y0): (f32, f32), (x1, y1): (f32, f32), colour: BackendColor) {
        let (left, top) = (x0.min(x1).round(), y0.min(y1).round());
        let (right, bottom) = (x0.max(x1).round(), y0.max(y1).round());
        if let Some(rectangle) = Rect::from_ltrb(left, top, right, bottom) {
            let paint = Paint { anti_alias: false, ..paint(colour) };
            self.pixmap.fill_rect(rectangle, &paint, Transform::identity(), None);
        }
    }

    fn fill_path(&mut self, path: Option<Path>, colour: BackendColor) {
        if let Some(path) = path {
            let rule = FillRule::EvenOdd;
            self.pixmap.fill_path(&path, &paint(colour), rule, Transform::identity(), None);
        }
    }
}

impl DrawingBackend for Canvas<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (self.pixmap.width() * SUB as u32, self.pixmap.height() * SUB as u32)
    }

    fn ensure_prepared(&mut self) -> Done {
        Ok(())
    }

    fn present(&mut self) -> Done {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, colour: BackendColor) -> Done {
        self.fill_rect(pixels((x, y)), pixels((x + SUB, y + SUB)), colour);
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, a: BackendCoord, b: BackendCoord, style: &S) -> Done {
        self.draw_path([a, b], style)
    }

    /// Strokes a line; one that is horizontal or vertical, as of a grid or an axis, covers whole pixels.
    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        points: I,
        style: &S,
    ) -> Done {
        let points: Vec<BackendCoord> = points.into_iter().collect();
        let (width, colour) = (style.stroke_width() as f32 / SUB as f32, style.color());
        if let [a, b] = points[..]
            && (a.0 == b.0) != (a.1 == b.1)
        {
            let ((x0, y0), (x1, y1)) = (pixels(a), pixels(b));
            let thick = width.round().max(1.0);
            let edge = |centre: f32| (centre - thick / 2.0).round();
            if y0 == y1 {
                self.fill_rect((x0, edge(y0)), (x1, edge(y0) + thick), colour);
            } else {
                self.fill_rect((edge(x0), y0), (edge(x0) + thick, y1), colour);
            }
        } else if let Some(path) = path(points) {
            let (line_cap, line_join) = (LineCap::Round, LineJoin::Round);
            let stroke = Stroke { width, line_cap, line_join, ..Stroke::default() };
            self.pixmap.stroke_path(&path, &paint(colour), &stroke, Transform::identity(), None);
        }
        Ok(())
    }

    /// Fills a rectangle; plotters' open ones are not needed and come out filled too.
    fn draw_rect<S: BackendStyle>(
        &mut self,
        a: BackendCoord,
        b: BackendCoord,
        style: &S,
        _fill: bool,
    ) -> Done {
        self.fill_rect(pixels(a), pixels(b), style.color());
        Ok(())
    }

    /// Fills a disc; plotters' open circles are not needed and come out filled too.
    fn draw_circle<S: BackendStyle>(
        &mut self,
        centre: BackendCoord,
        radius: u32,
        style: &S,
        _fill: bool,
    ) -> Done {
        let ((x, y), radius) = (pixels(centre), radius as f32 / SUB as f32);
        self.fill_path(PathBuilder::from_circle(x, y, radius), style.color());
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Done {
        self.fill_path(path(corners), style.color());
        Ok(())
    }

    /// Sets a line of horizontal text: no label of ours is turned.
    fn draw_text<T: BackendTextStyle>(&mut self, words: &str, style: &T, at: BackendCoord) -> Done {
        let line = set(words, style);
        let (x, y) = pixels(at);
        let left = match style.anchor().h_pos {
            HPos::Left => x,
            HPos::Center => x - line.width / 2.0,
            HPos::Right => x - line.width,
        };
        let baseline = match style.anchor().v_pos {
            VPos::Top => y + text::CAPITAL * line.em,
            VPos::Center => y + text::CAPITAL / 2.0 * line.em,
            VPos::Bottom => y - text::DESCENT * line.em,
        };
        let BackendColor { rgb, alpha } = style.color();
        line.draw(left, baseline.round(), |x, y, cover| {
            let ink = BackendColor { rgb, alpha: alpha * f64::from(cover) };
            self.fill_rect((x, y), (x + 1.0, y + 1.0), ink);
        });
        Ok(())
    }

    fn estimate_text_size<T: BackendTextStyle>(
        &self,
        words: &str,
        style: &T,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        let line = set(words, style);
        let units = |pixels: f32| (pixels * SUB as f32).ceil() as u32;
        Ok((units(line.width), units((text::CAPITAL + text::DESCENT) * line.em)))
    }
}

fn set(words: &str, style: &impl BackendTextStyle) -> text::Line {
    let bold = matches!(style.style(), FontStyle::Bold);
    text::set(words, style.size() as f32 / SUB as f32, bold)
}
