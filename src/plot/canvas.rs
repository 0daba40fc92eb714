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

fn width_of(style: &impl BackendStyle) -> f32 {
    style.stroke_width() as f32 / SUB as f32
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
    fn fill(&mut self, (x0, y0): (f32, f32), (x1, y1): (f32, f32), colour: BackendColor) {
        let (left, top) = (x0.min(x1).round(), y0.min(y1).round());
        let (right, bottom) = (x0.max(x1).round(), y0.max(y1).round());
        if let Some(rectangle) = Rect::from_ltrb(left, top, right, bottom) {
            let paint = Paint { anti_alias: false, ..paint(colour) };
            self.pixmap.fill_rect(rectangle, &paint, Transform::identity(), None);
        }
    }

    fn fill_path(&mut self, path: Option<Path>, colour: BackendColor) {
        if let Some(path) = path {
            let (rule, place) = (FillRule::EvenOdd, Transform::identity());
            self.pixmap.fill_path(&path, &paint(colour), rule, place, None);
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

    fn draw_pixel(&mut self, at: BackendCoord, colour: BackendColor) -> Done {
        let (x, y) = pixels(at);
        self.fill((x.floor(), y.floor()), (x.floor() + 1.0, y.floor() + 1.0), colour);
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
        let (width, colour) = (width_of(style), style.color());
        if let [a, b] = points[..]
            && (a.0 == b.0) != (a.1 == b.1)
        {
            let thick = width.round().max(1.0);
            let edge = |centre: f32| (centre - thick / 2.0).round();
            let (a, b) = (pixels(a), pixels(b));
            if a.1 == b.1 {
                self.fill((a.0, edge(a.1)), (b.0, edge(a.1) + thick), colour);
            } else {
                self.fill((edge(a.0), a.1), (edge(a.0) + thick, b.1), colour);
            }
        } else if let Some(path) = path(points) {
            let (line_cap, line_join) = (LineCap::Round, LineJoin::Round);
            let stroke = Stroke { width, line_cap, line_join, ..Stroke::default() };
            let place = Transform::identity();
            self.pixmap.stroke_path(&path, &paint(colour), &stroke, place, None);
        }
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        a: BackendCoord,
        b: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Done {
        if !fill {
            return self.draw_path([a, (b.0, a.1), b, (a.0, b.1), a], style);
        }
        self.fill(pixels(a), pixels(b), style.color());
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
        let em = style.size() as f32 / SUB as f32;
        let line = text::set(words, em, matches!(style.style(), FontStyle::Bold));
        let (x, y) = pixels(at);
        let left = match style.anchor().h_pos {
            HPos::Left => x,
            HPos::Center => x - line.width / 2.0,
            HPos::Right => x - line.width,
        };
        let baseline = match style.anchor().v_pos {
            VPos::Top => y + text::CAPITAL * em,
            VPos::Center => y + text::CAPITAL / 2.0 * em,
            VPos::Bottom => y - text::DESCENT * em,
        };
        let (r, g, b) = style.color().rgb;
        line.draw(left, baseline.round(), |x, y, cover| {
            let alpha = f64::from(cover) * style.color().alpha;
            let (x, y) = (x as f32, y as f32);
            let ink = BackendColor { alpha, rgb: (r, g, b) };
            self.fill((x, y), (x + 1.0, y + 1.0), ink);
        });
        Ok(())
    }

    fn estimate_text_size<T: BackendTextStyle>(
        &self,
        words: &str,
        style: &T,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        let em = style.size() as f32;
        let width = text::set(words, em, matches!(style.style(), FontStyle::Bold)).width;
        Ok((width.ceil() as u32, ((text::CAPITAL + text::DESCENT) * em).ceil() as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::style::{INK, pt, text};
    use plotters::drawing::IntoDrawingArea;
    use plotters::element::Text;
    use plotters_backend::text_anchor::Pos;
    use tiny_skia::Color;

    /// The box around the ink of "Mam" written at (100, 100) of 200 by 200 pixels.
    fn ink(h: HPos, v: VPos) -> [f64; 4] {
        let mut pixmap = Pixmap::new(200, 200).unwrap();
        pixmap.fill(Color::WHITE);
        let area = Canvas { pixmap: &mut pixmap }.into_drawing_area();
        let style = text(10.0, INK).pos(Pos::new(h, v));
        area.draw(&Text::new("Mam", (pt(50.0), pt(50.0)), style)).unwrap();
        drop(area);
        let dark = (0..40_000).filter(|index| pixmap.pixels()[*index].red() < 128);
        dark.map(|index| ((index % 200) as f64, (index / 200) as f64)).fold(
            [200.0, 0.0, 200.0, 0.0],
            |[left, right, top, bottom], (x, y)| {
                [left.min(x), right.max(x), top.min(y), bottom.max(y)]
            },
        )
    }

    #[test]
    fn text_stands_where_its_anchor_says() {
        let [left, right, top, bottom] = ink(HPos::Left, VPos::Top);
        assert!((100.0..104.0).contains(&left) && right > 130.0, "{left} {right}");
        assert!((99.0..102.0).contains(&top) && bottom < 118.0, "{top} {bottom}");
        let [left, right, top, bottom] = ink(HPos::Right, VPos::Center);
        assert!((96.0..100.0).contains(&right) && left < 70.0, "{left} {right}");
        assert!(((top + bottom) / 2.0 - 100.0).abs() < 2.0, "{top} {bottom}");
        let [left, right, _, bottom] = ink(HPos::Center, VPos::Bottom);
        assert!(((left + right) / 2.0 - 100.0).abs() < 2.0, "{left} {right}");
        assert!((92.0..100.0).contains(&bottom), "{bottom}");
    }
}
