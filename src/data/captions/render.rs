//! Scenes as pixels.

use super::scene::{Object, Scene, Shape};
use std::f64::consts::TAU;
use tch::Tensor;

/// From the centre of a star to its inner corners, in distances to its points.
const STAR_INNER: f64 = 0.45;
/// Half the width of a cross's arms, in halves of its box.
const CROSS_ARM: f64 = 0.33;

impl Scene {
    /// The picture with this many pixels a side, `[3, side, side]`, u8.
    ///
    /// Edges are anti-aliased: a pixel takes as much of an object's colour as the object covers of
    /// it, measured by the distance of the pixel's centre from the edge. A picture of twice the side
    /// shows the same scene, finer.
    ///
    /// # Panics
    /// When `side` is not positive.
    pub fn render(&self, side: i64) -> Tensor {
        assert!(side > 0, "a picture of {side} pixels a side");
        Tensor::from_slice(&self.pixels(side as usize)).view([3, side, side])
    }

    /// The bytes of [`render`](Self::render).
    pub(super) fn pixels(&self, side: usize) -> Vec<u8> {
        let plane = side * side;
        let mut pixels: Vec<f64> =
            self.background.rgb().iter().flat_map(|&value| vec![value.into(); plane]).collect();
        for object in self.objects() {
            object.cover(side, |at, share| {
                for (channel, value) in object.color.rgb().into_iter().enumerate() {
                    let pixel = &mut pixels[channel * plane + at];
                    *pixel += share * (f64::from(value) - *pixel);
                }
            });
        }
        pixels.into_iter().map(|value| value.round() as u8).collect()
    }
}

impl Object {
    /// Calls `paint` with each pixel that the object covers, and how much of it.
    pub(super) fn cover(&self, side: usize, mut paint: impl FnMut(usize, f64)) {
        let (half, outline) = (self.size.half(), self.shape.outline());
        let [columns, rows] = self.center.map(|center| {
            let pixel = |place: f64| (place * side as f64).clamp(0.0, side as f64) as usize;
            pixel(center - half - 1.0 / side as f64)..pixel(center + half + 2.0 / side as f64)
        });
        for row in rows {
            for column in columns.clone() {
                let place = |pixel: usize| (pixel as f64 + 0.5) / side as f64;
                let offset = [place(column) - self.center[0], place(row) - self.center[1]];
                let inside = half * depth(&outline, offset.map(|x| x / half));
                let share = (inside * side as f64 + 0.5).clamp(0.0, 1.0);
                if share > 0.0 {
                    paint(row * side + column, share);
                }
            }
        }
    }
}

/// The edge of a shape whose bounding box is `-1..=1`, x to the right and y down.
enum Outline {
    Circle,
    Polygon(Vec<[f64; 2]>),
}

impl Shape {
    fn outline(self) -> Outline {
        let arm = CROSS_ARM;
        let corners = match self {
            Shape::Circle => return Outline::Circle,
            Shape::Square => vec![[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]],
            Shape::Triangle => vec![[0.0, -1.0], [1.0, 1.0], [-1.0, 1.0]],
            Shape::Star => star(),
            Shape::Cross => {
                let quarter = [[arm, -arm], [arm, -1.0], [-arm, -1.0]]; // the arm that points up
                let turned = |quarters| {
                    quarter.map(|[x, y]| match quarters {
                        0 => [x, y],
                        1 => [y, -x],
                        2 => [-x, -y],
                        _ => [-y, x],
                    })
                };
                (0..4).flat_map(turned).collect()
            }
        };
        Outline::Polygon(corners)
    }
}

/// Five points and the corners between them, the first point up, stretched to its box.
fn star() -> Vec<[f64; 2]> {
    let at = |radius: f64, corner: f64| {
        let (sin, cos) = (corner * TAU / 10.0).sin_cos();
        let (width, top, bottom) = ((TAU / 5.0).sin(), 1.0, (TAU / 10.0).cos());
        let y = -radius * cos; // from -top to bottom
        [radius * sin / width, 2.0 * (y + top) / (top + bottom) - 1.0]
    };
    (0..10).map(|i| at(if i % 2 == 0 { 1.0 } else { STAR_INNER }, i as f64)).collect()
}

/// How far a point is inside an outline: its distance from the edge, negative outside.
fn depth(outline: &Outline, point: [f64; 2]) -> f64 {
    let Outline::Polygon(corners) = outline else { return 1.0 - point[0].hypot(point[1]) };
    let (mut nearest, mut inside) = (f64::INFINITY, false);
    for (i, &end) in corners.iter().enumerate() {
        let start = corners[(i + corners.len() - 1) % corners.len()];
        let (edge, to) = (sub(end, start), sub(point, start));
        let along = (dot(edge, to) / dot(edge, edge)).clamp(0.0, 1.0);
        let away = sub(to, edge.map(|x| along * x));
        nearest = nearest.min(dot(away, away));
        // A ray to the right crosses the outline an odd number of times from inside.
        let spans = (start[1] > point[1]) != (end[1] > point[1]);
        inside ^= spans && to[0] < to[1] * edge[0] / edge[1];
    }
    if inside { nearest.sqrt() } else { -nearest.sqrt() }
}

fn sub(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] - b[0], a[1] - b[1]]
}

fn dot(a: [f64; 2], b: [f64; 2]) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}
