//! The rectangle of the plane that a plot shows, and the parts of a line that lie in it.

use line_clipping::cohen_sutherland::clip_line;
use line_clipping::{LineSegment, Point as Corner};

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
        let corner = |(x, y): Point| Corner::new(x, y);
        let mut pieces: Vec<Vec<Point>> = vec![];
        for pair in points.windows(2).filter(|pair| finite(pair[0]) && finite(pair[1])) {
            let segment = LineSegment::new(corner(pair[0]), corner(pair[1]));
            let Some(seen) = clip_line(segment, window) else {
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

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: Window = Window { x: (0.0, 1.0), y: (0.0, 1.0) };

    #[test]
    fn lines_are_cut_at_the_border_and_not_bent() {
        let pieces = UNIT.pieces(&[(0.0, -1.0), (1.0, 1.0), (3.0, 1.0)]);
        assert_eq!(pieces, [vec![(0.5, 0.0), (1.0, 1.0), (1.0, 1.0)]]);
        assert!(UNIT.pieces(&[(-1.0, 0.5), (0.5, 3.0)]).is_empty());
        let through = UNIT.pieces(&[(0.2, 0.2), (0.2, 9.0), (0.8, 9.0), (0.8, 0.2)]);
        assert_eq!(through, [vec![(0.2, 0.2), (0.2, 1.0)], vec![(0.8, 1.0), (0.8, 0.2)]]);
    }

    #[test]
    fn what_is_not_finite_makes_a_gap() {
        let heights = [0.1, 0.1, f64::NAN, 0.2, 0.2, f64::INFINITY];
        let points: Vec<Point> = heights.iter().map(|y| (0.5, *y)).collect();
        let pieces = [vec![(0.5, 0.1); 2], vec![(0.5, 0.2); 2]];
        assert_eq!(UNIT.pieces(&points), pieces);
        assert!(UNIT.pieces(&[(0.1, 0.1)]).is_empty());
    }
}
