//! One series of a plot of curves, and how it is drawn: a line, dots, bars, a band or a level.

use plotters::prelude::{
    Color, DashedLineSeries, EmptyElement, PathElement, Polygon, RGBColor, Rectangle, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axes::{Chart, dots};
use super::figure::Painted;
use super::legend::{Entry, Mark};
use super::style::{FAINT_INK, SMALL, colour, line, pt, text};
use super::text::widest;
use super::window::{Point, Window, finite};

#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) mark: Mark,
    /// The place of its colour among those of the palette; a level has none.
    pub(super) colour: usize,
    /// Every `x` with its lowest and its highest value: the edges of a band, the ends of a bar, else twice the same.
    pub(super) points: Vec<(f64, f64, f64)>,
}

impl Series {
    /// The same series in positions on its axes: on a logarithmic one, log10 of the value; the negative on a
    /// horizontal one that is reversed.
    pub(super) fn on_axes(&self, (log_x, log_y): (bool, bool), reversed: bool) -> Series {
        let side = if reversed { -1.0 } else { 1.0 };
        let place = |value: f64, log: bool| if log { value.log10() } else { value };
        // what reaches down to zero or below reaches the bottom of a logarithmic plot
        let low = |y: f64| if log_y && y <= 0.0 { f64::NEG_INFINITY } else { place(y, log_y) };
        let on_axes = |(x, bottom, top): &(f64, f64, f64)| {
            (side * place(*x, log_x), low(*bottom), place(*top, log_y))
        };
        Series { points: self.points.iter().map(on_axes).collect(), ..self.clone() }
    }

    /// The places that the axes must hold.
    pub(super) fn places(&self) -> impl Iterator<Item = Point> + '_ {
        let half = if self.mark == Mark::Bars { self.bar_distance() / 2.0 } else { 0.0 };
        let places = move |(x, low, high): &(f64, f64, f64)| {
            [(*x, *low), (x - half, *high), (x + half, *high)]
        };
        self.points.iter().flat_map(places).filter(|place| finite(*place))
    }

    /// The distance between two bars, which all stand equally far apart.
    fn bar_distance(&self) -> f64 {
        match &self.points[..] {
            [first, .., last] => (last.0 - first.0).abs() / (self.points.len() - 1) as f64,
            _ => 1.0,
        }
    }

    /// Its line in the legend, with the height, from 0 to 1, at which it arrives at the right of the plot.
    pub(super) fn entry(&self, window: &Window) -> Entry {
        let Window { x, y } = *window;
        let end = match self.mark {
            Mark::Line | Mark::Dashed => {
                let seen = self.tops().into_iter().filter(|top| window.holds(*top));
                let last = seen.max_by(|a, b| a.0.total_cmp(&b.0));
                last.filter(|last| last.0 > x.1 - 0.08 * (x.1 - x.0)).map(|last| last.1)
            }
            Mark::Level | Mark::Points | Mark::Bars | Mark::Band => None,
        };
        let end = end.map(|end| (end - y.0) / (y.1 - y.0));
        Entry { name: self.name.clone(), mark: self.mark, colour: self.ink(), end }
    }

    fn ink(&self) -> RGBColor {
        if self.mark == Mark::Level { FAINT_INK } else { colour(self.colour) }
    }

    /// Writes the name of a level above it, at its left end unless a series runs there.
    pub(super) fn draw_name(&self, chart: &mut Chart, all: &[Series], window: &Window) -> Painted {
        let (Window { x: (x0, x1), y: (y0, y1) }, y) = (*window, self.points[0].1);
        let (wide, high) = chart.plotting_area().dim_in_pixel();
        let long = f64::from(pt(widest([&self.name], SMALL) + 10.0)) / f64::from(wide) * (x1 - x0);
        let tall = f64::from(pt(1.5 * SMALL)) / f64::from(high) * (y1 - y0);
        let spot = Window { x: (x0, x0 + long), y: (y, y + tall) };
        let right = all.iter().any(|series| !spot.pieces(&series.tops()).is_empty());
        let (x, shift, side) = if right { (x1, -5.0, HPos::Right) } else { (x0, 5.0, HPos::Left) };
        let style = text(SMALL, FAINT_INK).pos(Pos::new(side, VPos::Bottom));
        let name = Text::new(self.name.clone(), (pt(shift), pt(-1.0)), style);
        chart.draw_series([EmptyElement::at((x, y)) + name])?;
        Ok(())
    }

    /// The points of a line; of bars and bands, their upper ends.
    fn tops(&self) -> Vec<Point> {
        self.points.iter().map(|(x, _, high)| (*x, *high)).collect()
    }

    /// A line is `width` points wide.
    pub(super) fn draw(&self, chart: &mut Chart, window: &Window, width: f64) -> Painted {
        let (ink, (bottom, top)) = (self.ink(), window.y);
        let tops = self.tops();
        match self.mark {
            Mark::Line | Mark::Dashed => {
                for piece in window.pieces(&tops) {
                    let style = line(ink, width);
                    if self.mark == Mark::Line {
                        chart.draw_series([PathElement::new(piece, style)])?;
                    } else {
                        chart.draw_series(DashedLineSeries::new(piece, pt(5.0), pt(3.0), style))?;
                    }
                }
                // a point alone between gaps, or alone altogether, is a dot
                for alone in tops.split(|top| !finite(*top)).filter(|tops| tops.len() == 1) {
                    dots(chart, *window, alone, 1.6, ink)?;
                }
            }
            Mark::Points => dots(chart, *window, &tops, 2.6, ink)?,
            Mark::Level => {
                let (y, style) = (self.points[0].1, line(ink, 1.0));
                for piece in window.pieces(&[(window.x.0, y), (window.x.1, y)]) {
                    chart.draw_series(DashedLineSeries::new(piece, pt(2.0), pt(2.5), style))?;
                }
            }
            Mark::Bars => {
                let half = 0.42 * self.bar_distance();
                let bars = self.points.iter().filter(|(x, _, high)| finite((*x, *high)));
                chart.draw_series(bars.map(|(x, low, high)| {
                    let from = (x - half, low.clamp(bottom, top));
                    let to = (x + half, high.clamp(bottom, top));
                    Rectangle::new([from, to], ink.mix(0.85).filled())
                }))?;
            }
            Mark::Band => {
                let outlines = outlines(&self.points, window).into_iter();
                chart.draw_series(outlines.map(|outline| Polygon::new(outline, ink.mix(0.18))))?;
            }
        }
        Ok(())
    }
}

/// The outlines of a band, one for each stretch without a gap.
fn outlines(points: &[(f64, f64, f64)], window: &Window) -> Vec<Vec<Point>> {
    let within = |y: f64| y.clamp(window.y.0, window.y.1); // NaN stays NaN
    let points = points.iter().map(|(x, low, high)| (*x, within(*low), within(*high)));
    let points: Vec<_> = points.collect();
    let stretches = points.split(|(x, low, high)| !finite((*x, low + high)));
    let outline = |stretch: &[(f64, f64, f64)]| {
        let there = stretch.iter().map(|(x, _, high)| (*x, *high));
        there.chain(stretch.iter().rev().map(|(x, low, _)| (*x, *low))).collect()
    };
    stretches.filter(|stretch| stretch.len() > 1).map(outline).collect()
}
