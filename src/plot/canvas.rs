//! The painter under plotters: plotters places things, this turns them into pixels.
//!
//! plotters' own bitmap backend puts corners on whole pixels and letters without their side bearings; here
//! coordinates are eighths of a pixel ([`SUB`]), edges are anti-aliased and text is set by [`super::text`].

use image::RgbImage;
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    FontStyle,
};
use std::convert::Infallible;

use super::raster::{Mask, blend};
use super::style::SUB;
use super::text;

pub(super) struct Canvas<'a> {
    pub(super) image: &'a mut RgbImage,
}

type Done = Result<(), DrawingErrorKind<Infallible>>;

fn pixels((x, y): BackendCoord) -> (f64, f64) {
    (f64::from(x) / f64::from(SUB), f64::from(y) / f64::from(SUB))
}

impl Canvas<'_> {
    fn fill(&mut self, (x0, y0): (i32, i32), (x1, y1): (i32, i32), colour: BackendColor) {
        for y in y0..y1 {
            for x in x0..x1 {
                blend(self.image, x, y, colour.rgb.into(), colour.alpha as f32);
            }
        }
    }

    /// A horizontal or vertical line, on whole pixels: grids and axes must be crisp.
    fn straight(&mut self, a: (f64, f64), b: (f64, f64), width: f64, colour: BackendColor) {
        let thick = width.round().max(1.0);
        let snap = |centre: f64| (centre - thick / 2.0).round() as i32;
        let thick = thick as i32;
        if a.1 == b.1 {
            let (left, right) = (a.0.min(b.0).round() as i32, a.0.max(b.0).round() as i32);
            self.fill((left, snap(a.1)), (right, snap(a.1) + thick), colour);
        } else {
            let (top, bottom) = (a.1.min(b.1).round() as i32, a.1.max(b.1).round() as i32);
            self.fill((snap(a.0), top), (snap(a.0) + thick, bottom), colour);
        }
    }

    fn stroke(&mut self, points: &[(f64, f64)], width: f64, colour: BackendColor) {
        if let [a, b] = *points
            && a != b
            && (a.0 == b.0 || a.1 == b.1)
        {
            return self.straight(a, b, width, colour);
        }
        let mut mask = Mask::around(points, width / 2.0 + 1.0, self.image);
        for pair in points.windows(2) {
            mask.segment(pair[0], pair[1], width / 2.0);
        }
        mask.blend(self.image, colour.rgb.into(), colour.alpha as f32);
    }
}

fn width_of<S: BackendStyle>(style: &S) -> f64 {
    f64::from(style.stroke_width()) / f64::from(SUB)
}

impl DrawingBackend for Canvas<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (self.image.width() * SUB as u32, self.image.height() * SUB as u32)
    }

    fn ensure_prepared(&mut self) -> Done {
        Ok(())
    }

    fn present(&mut self) -> Done {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, colour: BackendColor) -> Done {
        blend(
            self.image,
            x.div_euclid(SUB),
            y.div_euclid(SUB),
            colour.rgb.into(),
            colour.alpha as f32,
        );
        Ok(())
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Done {
        self.stroke(&[pixels(from), pixels(to)], width_of(style), style.color());
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Done {
        let points: Vec<_> = path.into_iter().map(pixels).collect();
        self.stroke(&points, width_of(style), style.color());
        Ok(())
    }

    /// Filled rectangles end on whole pixels, so that neighbours meet without a seam.
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
        let (a, b) = (pixels(a), pixels(b));
        let corner = |x: f64, y: f64| (x.round() as i32, y.round() as i32);
        self.fill(
            corner(a.0.min(b.0), a.1.min(b.1)),
            corner(a.0.max(b.0), a.1.max(b.1)),
            style.color(),
        );
        Ok(())
    }

    /// A disc; plotters' open circles are not needed and come out filled too.
    fn draw_circle<S: BackendStyle>(
        &mut self,
        centre: BackendCoord,
        radius: u32,
        style: &S,
        _fill: bool,
    ) -> Done {
        let (centre, radius) = (pixels(centre), f64::from(radius) / f64::from(SUB));
        let mut mask = Mask::around(&[centre], radius + 1.0, self.image);
        mask.segment(centre, centre, radius);
        mask.blend(self.image, style.color().rgb.into(), style.color().alpha as f32);
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Done {
        let corners: Vec<_> = corners.into_iter().map(pixels).collect();
        let mut mask = Mask::around(&corners, 1.0, self.image);
        mask.polygon(&corners);
        mask.blend(self.image, style.color().rgb.into(), style.color().alpha as f32);
        Ok(())
    }

    /// Horizontal text only: no label of ours is turned.
    fn draw_text<T: BackendTextStyle>(
        &mut self,
        words: &str,
        style: &T,
        position: BackendCoord,
    ) -> Done {
        let em = style.size() as f32 / SUB as f32;
        let line = text::set(words, em, matches!(style.style(), FontStyle::Bold));
        let (x, y) = pixels(position);
        let x = x as f32
            - match style.anchor().h_pos {
                HPos::Left => 0.0,
                HPos::Center => line.width / 2.0,
                HPos::Right => line.width,
            };
        let y = y as f32
            - match style.anchor().v_pos {
                VPos::Top => 0.0,
                VPos::Center => text::CAPITAL / 2.0 * em,
                VPos::Bottom => text::BOX * em,
            };
        line.paint(self.image, x, y, style.color().rgb.into(), style.color().alpha as f32);
        Ok(())
    }

    fn estimate_text_size<T: BackendTextStyle>(
        &self,
        words: &str,
        style: &T,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        let em = style.size() as f32;
        let width = text::set(words, em, matches!(style.style(), FontStyle::Bold)).width;
        Ok((width.ceil() as u32, (em * text::BOX).ceil() as u32))
    }
}

#[cfg(test)]
mod tests {
    use crate::plot::figure::figure;
    use crate::plot::style::{INK, at, pt, text};
    use plotters::element::Text;
    use plotters_backend::text_anchor::{HPos, VPos};

    /// The box around the ink of "Mam" written at (50, 50) of 100 by 100 points, in points.
    fn ink(h: HPos, v: VPos) -> (f64, f64, f64, f64) {
        let style = text(10.0, INK).pos(at(h, v));
        let drawn = figure("", 100.0, 100.0, |area| {
            area.draw(&Text::new("Mam", (pt(50.0), pt(50.0)), style))
        });
        let dark = drawn.image().enumerate_pixels().filter(|(.., pixel)| pixel.0[0] < 128);
        dark.fold((100.0, 0.0, 100.0, 0.0), |(left, right, top, bottom), (x, y, _)| {
            let (x, y) = (f64::from(x) / 2.0, f64::from(y) / 2.0);
            (f64::min(left, x), f64::max(right, x), f64::min(top, y), f64::max(bottom, y))
        })
    }

    #[test]
    fn text_stands_where_its_anchor_says() {
        let (left, right, top, bottom) = ink(HPos::Left, VPos::Top);
        assert!((50.0..52.0).contains(&left) && right > 65.0, "{left} {right}");
        assert!((49.5..51.0).contains(&top) && bottom < 59.0, "{top} {bottom}");
        let (left, right, top, bottom) = ink(HPos::Right, VPos::Center);
        assert!((48.0..50.0).contains(&right) && left < 35.0, "{left} {right}");
        assert!(((top + bottom) / 2.0 - 50.0).abs() < 1.0, "{top} {bottom}");
        let (left, right, _, bottom) = ink(HPos::Center, VPos::Bottom);
        assert!(
            ((left + right) / 2.0 - 50.0).abs() < 1.0 && (46.0..50.0).contains(&bottom),
            "{bottom}"
        );
    }
}
