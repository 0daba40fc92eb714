//! What stands in the plotted rectangle of a plot of curves: lines, dots, bars, bands and levels.

use plotters::element::{Circle, EmptyElement, Polygon, Rectangle};
use plotters::prelude::{DashedLineSeries, PathElement, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axes::Chart;
use super::figure::Painted;
use super::legend::{Entry, Mark};
use super::style::{FAINT_INK, SMALL, colour, line, pt, text};
use super::text::width;
use super::window::{Point, Window, finite};

#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) mark: Mark,
    pub(super) colour: usize,
    /// Of a band, the upper edge.
    pub(super) points: Vec<Point>,
    /// Of a band, the heights of the lower edge; else nothing.
    pub(super) lows: Vec<f64>,
}

impl Series {
    /// The points that have a place, with those of a band's lower edge.
    pub(super) fn drawable(&self) -> impl Iterator<Item = Point> + '_ {
        let lows = self.points.iter().zip(&self.lows).map(|((x, _), low)| (*x, *low));
        self.points.iter().copied().chain(lows).filter(|point| finite(*point))
    }

    /// Points that no segment reaches: alone between gaps, or alone altogether.
    fn lone_points(&self) -> impl Iterator<Item = Point> + '_ {
        let stretches = self.points.split(|point| !finite(*point));
        stretches.filter(|stretch| stretch.len() == 1).map(|stretch| stretch[0])
    }

    /// The outlines of a band, one for each stretch without a gap.
    fn outlines(&self, (bottom, top): (f64, f64)) -> Vec<Vec<Point>> {
        let height = |y: f64| y.clamp(bottom, top); // a NaN stays one
        let edges = self.points.iter().zip(&self.lows);
        let edges: Vec<_> =
            edges.map(|((x, high), low)| (*x, height(*high), height(*low))).collect();
        let gap = |(x, high, low): &(f64, f64, f64)| !finite((*x, high + low));
        let stretches = edges.split(gap).filter(|stretch| stretch.len() > 1);
        let outline = |stretch: &[(f64, f64, f64)]| {
            let there = stretch.iter().map(|(x, high, _)| (*x, *high));
            there.chain(stretch.iter().rev().map(|(x, _, low)| (*x, *low))).collect()
        };
        stretches.map(outline).collect()
    }
}

/// The smallest distance between two bars of one series.
pub(super) fn bar_distance(all: &[Series]) -> f64 {
    let mut smallest = f64::INFINITY;
    for series in all.iter().filter(|series| series.mark == Mark::Bars) {
        let mut xs: Vec<f64> = series.drawable().map(|point| point.0).collect();
        xs.sort_by(f64::total_cmp);
        let gaps = xs.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > 0.0);
        smallest = gaps.fold(smallest, f64::min);
    }
    if smallest.is_finite() { smallest } else { 1.0 }
}

/// Series and levels in positions on the axes, with the part of the plane that is shown.
#[derive(Debug)]
pub(super) struct Plotted {
    pub(super) series: Vec<Series>,
    pub(super) levels: Vec<(f64, String)>,
    pub(super) window: Window,
    /// Where bars stand.
    pub(super) base: f64,
    /// Room for the bars of one place.
    pub(super) bar: f64,
}

impl Plotted {
    pub(super) fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.drawable().next().is_none())
    }

    /// One legend entry a name, at the height where its line leaves the plot.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = vec![];
        for series in &self.series {
            if entries.iter().all(|entry| entry.name != series.name) {
                let (name, colour) = (series.name.clone(), colour(series.colour));
                entries.push(Entry { name, mark: series.mark, colour, end: self.end(series) });
            }
        }
        entries
    }

    /// Height, from 0 to 1, at which a line arrives at the right of the plot.
    fn end(&self, series: &Series) -> Option<f64> {
        let Window { x, y } = self.window;
        let seen = series.points.iter().filter(|point| self.window.holds(**point));
        let last = seen.max_by(|a, b| a.0.total_cmp(&b.0))?;
        let arrives =
            matches!(series.mark, Mark::Line | Mark::Dashed) && last.0 > x.1 - 0.08 * (x.1 - x.0);
        arrives.then(|| (last.1 - y.0) / (y.1 - y.0))
    }

    pub(super) fn draw(&self, chart: &mut Chart) -> Painted {
        let (left, right) = self.window.x;
        let levels = self.levels.iter().filter(|(y, _)| self.window.holds((left, *y)));
        for (y, _) in levels.clone() {
            let (ends, style) = ([(left, *y), (right, *y)], line(FAINT_INK, 1.0));
            chart.draw_series(DashedLineSeries::new(ends, pt(2.0), pt(2.5), style))?;
        }
        let layers: [&[Mark]; 3] =
            [&[Mark::Band], &[Mark::Bars], &[Mark::Line, Mark::Dashed, Mark::Points]];
        for layer in layers {
            for series in self.series.iter().filter(|series| layer.contains(&series.mark)) {
                self.draw_series(chart, series)?;
            }
        }
        for (y, name) in levels {
            self.name_level(chart, *y, name)?;
        }
        Ok(())
    }

    fn draw_series(&self, chart: &mut Chart, series: &Series) -> Painted {
        let (ink, window) = (colour(series.colour), self.window);
        let dot = |point: Point, radius: f64| {
            window.holds(point).then(|| Circle::new(point, pt(radius), ink.filled()))
        };
        let pieces = window.pieces(&series.points).into_iter();
        match series.mark {
            Mark::Line => {
                chart.draw_series(pieces.map(|piece| PathElement::new(piece, line(ink, 1.6))))?;
                chart.draw_series(series.lone_points().filter_map(|point| dot(point, 1.6)))?;
            }
            Mark::Dashed => {
                for piece in pieces {
                    let dashes = DashedLineSeries::new(piece, pt(5.0), pt(3.0), line(ink, 1.4));
                    chart.draw_series(dashes)?;
                }
                chart.draw_series(series.lone_points().filter_map(|point| dot(point, 1.4)))?;
            }
            Mark::Points => {
                chart.draw_series(series.points.iter().filter_map(|point| dot(*point, 2.6)))?;
            }
            Mark::Bars => self.draw_bars(chart, series)?,
            Mark::Band => {
                let outlines = series.outlines(window.y).into_iter();
                chart.draw_series(outlines.map(|outline| Polygon::new(outline, ink.mix(0.18))))?;
            }
        }
        Ok(())
    }

    /// Bars of several series stand side by side.
    fn draw_bars(&self, chart: &mut Chart, series: &Series) -> Painted {
        let bars: Vec<_> = self.series.iter().filter(|other| other.mark == Mark::Bars).collect();
        let place = bars.iter().position(|other| std::ptr::eq(*other, series)).unwrap_or(0);
        let width = self.bar * 0.84 / bars.len() as f64;
        let left = width * (place as f64 - bars.len() as f64 / 2.0);
        let (bottom, top) = self.window.y;
        let style = colour(series.colour).mix(0.85).filled();
        chart.draw_series(series.drawable().map(|(x, y)| {
            let corner = (x + left + width, y.clamp(bottom, top));
            Rectangle::new([(x + left, self.base), corner], style)
        }))?;
        Ok(())
    }

    /// The name of a level, where no series runs through it: above or below the line, at its left or right end.
    fn name_level(&self, chart: &mut Chart, y: f64, name: &str) -> Painted {
        let Window { x: (x0, x1), y: (y0, y1) } = self.window;
        let (wide, high) = chart.plotting_area().dim_in_pixel();
        let long = f64::from(pt(width(name, SMALL) + 10.0)) / f64::from(wide) * (x1 - x0);
        let tall = f64::from(pt(1.5 * SMALL)) / f64::from(high) * (y1 - y0);
        let free = |(right, below): &(bool, bool)| {
            let (left, bottom) =
                (if *right { x1 - long } else { x0 }, if *below { y - tall } else { y });
            let spot = Window { x: (left, left + long), y: (bottom, bottom + tall) };
            let inside = y0 <= bottom && bottom + tall <= y1;
            inside && self.series.iter().all(|series| spot.pieces(&series.points).is_empty())
        };
        let spots = [(false, false), (true, false), (false, true), (true, true)];
        let (right, below) = spots.into_iter().find(free).unwrap_or(spots[0]);
        let (x, inward, side) =
            if right { (x1, pt(-5.0), HPos::Right) } else { (x0, pt(5.0), HPos::Left) };
        let (lift, v) = if below { (pt(3.0), VPos::Top) } else { (pt(-1.0), VPos::Bottom) };
        let style = text(SMALL, FAINT_INK).pos(Pos::new(side, v));
        let label = Text::new(name.to_string(), (inward, lift), style);
        chart.draw_series([EmptyElement::at((x, y)) + label])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(mark: Mark, points: &[Point], lows: &[f64]) -> Series {
        let (points, lows) = (points.to_vec(), lows.to_vec());
        Series { name: String::new(), mark, colour: 0, points, lows }
    }

    #[test]
    fn only_points_without_neighbours_are_lone() {
        let heights = [1.0, f64::NAN, 2.0, 3.0, f64::INFINITY, 4.0, 5.0, 6.0, f64::NAN, 7.0];
        let line = series(Mark::Line, &heights.map(|y| (0.0, y)), &[]);
        assert_eq!(line.lone_points().map(|point| point.1).collect::<Vec<_>>(), [1.0, 7.0]);
    }

    #[test]
    fn a_band_is_broken_where_it_has_no_edge() {
        let highs = [(0.0, 1.0), (1.0, 1.0), (2.0, f64::NAN), (3.0, 1.0), (4.0, 9.0)];
        let band = series(Mark::Band, &highs, &[0.0, f64::NEG_INFINITY, 0.0, 0.0, 0.0]);
        let left = vec![(0.0, 1.0), (1.0, 1.0), (1.0, -1.0), (0.0, 0.0)];
        let right = vec![(3.0, 1.0), (4.0, 2.0), (4.0, 0.0), (3.0, 0.0)];
        assert_eq!(band.outlines((-1.0, 2.0)), [left, right]);
    }
}
