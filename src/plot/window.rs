//! The rectangle of the plane that a plot shows, and the parts of a line that lie in it.

use line_clipping::{LineSegment, cohen_sutherland};

pub(super) type Point = (f64, f64);

/// The part of the plane that is shown: `(low, high)` of each axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) x: (f64, f64),
    pub(super) y: (f64, f64),
}

pub(super) fn finite((x, y): Point) -> bool {
    x.is_finite() && y.is_finite()
}

impl Window {
    pub(super) fn holds(&self, (x, y): Point) -> bool {
        (self.x.0..=self.x.1).contains(&x) && (self.y.0..=self.y.1).contains(&y)
    }

    /// The pieces of the line through `points` that can be seen. A point that is not finite makes a gap.
    pub(super) fn pieces(&self, points: &[Point]) -> Vec<Vec<Point>> {
        let window = line_clipping::Window::new(self.x.0, self.x.1, self.y.0, self.y.1);
        let corner = |(x, y): Point| line_clipping::Point { x, y };
        let mut pieces: Vec<Vec<Point>> = vec![];
        for pair in points.windows(2).filter(|pair| finite(pair[0]) && finite(pair[1])) {
            let segment = LineSegment::new(corner(pair[0]), corner(pair[1]));
            let Some(seen) = cohen_sutherland::clip_line(segment, window) else {
                continue;
            };
            let (from, to) = ((seen.p1.x, seen.p1.y), (seen.p2.x, seen.p2.y));
            match pieces.last_mut() {
                Some(piece) if piece.last() == Some(&from) => piece.push(to),
                _ => pieces.push(vec![from, to]),
            }
        }
        pieces
    }
}
