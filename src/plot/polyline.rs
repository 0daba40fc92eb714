//! Cuts a line to the plotted rectangle and at the points that cannot be drawn.

pub(super) type Point = (f64, f64);

/// The rectangle that is shown: `(low, high)` of each axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) x: (f64, f64),
    pub(super) y: (f64, f64),
}

impl Window {
    pub(super) fn holds(&self, (x, y): Point) -> bool {
        (self.x.0..=self.x.1).contains(&x) && (self.y.0..=self.y.1).contains(&y)
    }

    /// The pieces of the line through `points` that can be seen. A point that is not finite makes a gap.
    pub(super) fn pieces(&self, points: &[Point]) -> Vec<Vec<Point>> {
        let mut pieces: Vec<Vec<Point>> = vec![];
        for pair in points.windows(2) {
            let Some((a, b)) = self.cut(pair[0], pair[1]) else {
                continue;
            };
            match pieces.last_mut() {
                Some(piece) if piece.last() == Some(&a) => piece.push(b),
                _ => pieces.push(vec![a, b]),
            }
        }
        pieces
    }

    /// Liang and Barsky's clipping of one segment.
    fn cut(&self, a: Point, b: Point) -> Option<(Point, Point)> {
        if ![a.0, a.1, b.0, b.1].iter().all(|value| value.is_finite()) {
            return None;
        }
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let sides = [
            (-dx, a.0 - self.x.0),
            (dx, self.x.1 - a.0),
            (-dy, a.1 - self.y.0),
            (dy, self.y.1 - a.1),
        ];
        let (mut enter, mut leave) = (0f64, 1f64);
        for (speed, distance) in sides {
            if speed == 0.0 && distance < 0.0 {
                return None;
            } else if speed < 0.0 {
                enter = enter.max(distance / speed);
            } else if speed > 0.0 {
                leave = leave.min(distance / speed);
            }
        }
        let along = |t: f64| {
            if t == 0.0 {
                a
            } else if t == 1.0 {
                b
            } else {
                (a.0 + t * dx, a.1 + t * dy)
            }
        };
        (enter <= leave).then(|| (along(enter), along(leave)))
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
        let points =
            [(0.0, 0.1), (0.2, 0.1), (0.3, f64::NAN), (0.4, 0.1), (0.5, 0.1), (0.6, f64::INFINITY)];
        assert_eq!(
            UNIT.pieces(&points),
            [vec![(0.0, 0.1), (0.2, 0.1)], vec![(0.4, 0.1), (0.5, 0.1)]]
        );
        assert!(UNIT.pieces(&[(0.1, 0.1)]).is_empty());
    }
}
