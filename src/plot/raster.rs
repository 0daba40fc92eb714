//! Anti-aliased shapes: how much of each pixel a line, a disc or a polygon covers.
//!
//! A shape is collected in a [`Mask`] and blended once, so that a half-transparent line has no dark joints.

use image::RgbImage;

/// Lays `colour` over the pixel at `(x, y)`; outside the image nothing happens.
pub(super) fn blend(image: &mut RgbImage, x: i32, y: i32, colour: [u8; 3], alpha: f32) {
    if x < 0 || y < 0 || x >= image.width() as i32 || y >= image.height() as i32 {
        return;
    }
    let pixel = image.get_pixel_mut(x as u32, y as u32);
    for (under, over) in pixel.0.iter_mut().zip(colour) {
        let mixed =
            f32::from(*under) + (f32::from(over) - f32::from(*under)) * alpha.clamp(0.0, 1.0);
        *under = mixed.round() as u8;
    }
}

/// Coverage in 0..1 of the pixels of a rectangle.
pub(super) struct Mask {
    x: i32,
    y: i32,
    width: usize,
    cover: Vec<f32>,
}

impl Mask {
    /// An empty mask that holds `points` with `reach` pixels around them, cut to the image.
    pub(super) fn around(points: &[(f64, f64)], reach: f64, image: &RgbImage) -> Mask {
        let bounds = |axis: fn(&(f64, f64)) -> f64, size: u32| {
            let low = points.iter().map(axis).fold(f64::INFINITY, f64::min) - reach;
            let high = points.iter().map(axis).fold(f64::NEG_INFINITY, f64::max) + reach;
            let low = low.floor().clamp(0.0, f64::from(size)) as i32;
            (low, (high.ceil().clamp(0.0, f64::from(size)) as i32 - low).max(0) as usize)
        };
        let (x, width) = bounds(|p| p.0, image.width());
        let (y, height) = bounds(|p| p.1, image.height());
        Mask { x, y, width, cover: vec![0.0; width * height] }
    }

    fn height(&self) -> usize {
        self.cover.len().checked_div(self.width).unwrap_or(0)
    }

    /// Covers every pixel nearer than `radius` to the segment from `a` to `b`.
    pub(super) fn segment(&mut self, a: (f64, f64), b: (f64, f64), radius: f64) {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let length2 = dx * dx + dy * dy;
        let reach = radius + 1.0;
        let clip = |low: f64, high: f64, start: i32, size: usize| {
            let first = (low - reach - f64::from(start)).floor().clamp(0.0, size as f64) as usize;
            let last = (high + reach - f64::from(start)).ceil().clamp(0.0, size as f64) as usize;
            first..last
        };
        let columns = clip(a.0.min(b.0), a.0.max(b.0), self.x, self.width);
        for row in clip(a.1.min(b.1), a.1.max(b.1), self.y, self.height()) {
            let py = f64::from(self.y) + row as f64 + 0.5 - a.1;
            for column in columns.clone() {
                let px = f64::from(self.x) + column as f64 + 0.5 - a.0;
                let along = if length2 > 0.0 {
                    ((px * dx + py * dy) / length2).clamp(0.0, 1.0)
                } else {
                    0.0
                };
                let distance = (px - along * dx).hypot(py - along * dy);
                let cover = (radius + 0.5 - distance).clamp(0.0, (2.0 * radius).min(1.0)) as f32;
                let cell = &mut self.cover[row * self.width + column];
                *cell = cell.max(cover);
            }
        }
    }

    /// Covers the inside of a closed polygon (even-odd rule), four samples a pixel row.
    pub(super) fn polygon(&mut self, corners: &[(f64, f64)]) {
        const ROWS: usize = 4;
        for sample in 0..self.height() * ROWS {
            let y = f64::from(self.y) + (sample as f64 + 0.5) / ROWS as f64;
            let mut crossings: Vec<f64> = edges(corners)
                .filter(|(a, b)| (a.1 <= y) != (b.1 <= y))
                .map(|(a, b)| a.0 + (y - a.1) / (b.1 - a.1) * (b.0 - a.0) - f64::from(self.x))
                .collect();
            crossings.sort_by(f64::total_cmp);
            let row = &mut self.cover[sample / ROWS * self.width..][..self.width];
            for span in crossings.chunks_exact(2) {
                let first = span[0].floor().max(0.0) as usize;
                for (column, cell) in row.iter_mut().enumerate().skip(first) {
                    let inside = span[1].min(column as f64 + 1.0) - span[0].max(column as f64);
                    if inside <= 0.0 {
                        break;
                    }
                    *cell += inside as f32 / ROWS as f32;
                }
            }
        }
    }

    /// Lays `colour` over the covered pixels.
    pub(super) fn blend(&self, image: &mut RgbImage, colour: [u8; 3], alpha: f32) {
        for (index, cover) in self.cover.iter().enumerate().filter(|(_, cover)| **cover > 0.0) {
            let (x, y) =
                (self.x + (index % self.width) as i32, self.y + (index / self.width) as i32);
            blend(image, x, y, colour, alpha * cover.min(1.0));
        }
    }
}

fn edges(corners: &[(f64, f64)]) -> impl Iterator<Item = ((f64, f64), (f64, f64))> + '_ {
    let next = corners.iter().cycle().skip(1);
    corners.iter().zip(next).map(|(a, b)| (*a, *b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    fn ink(draw: impl FnOnce(&mut Mask), points: &[(f64, f64)]) -> RgbImage {
        let mut image = RgbImage::from_pixel(20, 20, Rgb([255; 3]));
        let mut mask = Mask::around(points, 2.0, &image);
        draw(&mut mask);
        mask.blend(&mut image, [0; 3], 1.0);
        image
    }

    fn area(image: &RgbImage) -> f64 {
        image.pixels().map(|pixel| 1.0 - f64::from(pixel.0[0]) / 255.0).sum()
    }

    #[test]
    fn shapes_have_the_area_of_geometry() {
        let points = [(3.3, 4.1), (14.2, 12.7)];
        let length = (10.9f64).hypot(8.6);
        let capsule = ink(|mask| mask.segment(points[0], points[1], 1.5), &points);
        let exact = 3.0 * length + std::f64::consts::PI * 1.5 * 1.5;
        assert!((area(&capsule) / exact - 1.0).abs() < 0.02, "{} of {exact}", area(&capsule));

        let corners = [(2.25, 3.5), (15.5, 3.5), (15.5, 9.75), (2.25, 9.75)];
        let rectangle = ink(|mask| mask.polygon(&corners), &corners);
        assert!((area(&rectangle) - 13.25 * 6.25).abs() < 0.3, "{}", area(&rectangle));
    }

    #[test]
    fn a_slanted_polygon_leans_the_right_way() {
        let corners = [(8.0, 2.0), (14.0, 2.0), (8.0, 16.0), (2.0, 16.0)];
        let image = ink(|mask| mask.polygon(&corners), &corners);
        let dark = |x, y| image.get_pixel(x, y).0[0] < 60;
        assert!(dark(12, 2) && dark(3, 15) && !dark(3, 2) && !dark(12, 15));
        assert!((area(&image) - 6.0 * 14.0).abs() < 1.0, "{}", area(&image));
    }

    #[test]
    fn nothing_is_painted_outside_the_image() {
        let points = [(-30.0, -5.0), (60.0, 45.0)];
        let image = ink(|mask| mask.segment(points[0], points[1], 1.0), &points);
        assert!(area(&image) > 10.0 && image.get_pixel(0, 0).0 == [255; 3]);
        assert_eq!(area(&ink(|mask| mask.polygon(&[]), &[])), 0.0);
    }
}
