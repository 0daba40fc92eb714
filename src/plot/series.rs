//! What stands in the plotted rectangle of [`Curves`](super::Curves): lines, dots, bars, bands and levels.

use plotters::element::{Circle, EmptyElement, Polygon, Rectangle};
use plotters::prelude::{DashedLineSeries, PathElement, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

use super::axes::{Chart, width_of};
use super::curves::logarithm;
use super::figure::Painted;
use super::legend::Entry;
use super::polyline::{Point, Window};
use super::style::{FAINT_INK, SMALL, at, colour, line, pt, text};

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Line,
    Dashed,
    Points,
    Bars,
    Band,
}

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

fn finite((x, y): Point) -> bool {
    x.is_finite() && y.is_finite()
}

impl Series {
    /// The same series in positions on its axes.
    pub(super) fn on_scale(&self, log: (bool, bool)) -> Series {
        let place = |(x, y): &Point| (logarithm(*x, log.0), logarithm(*y, log.1));
        // a band that reaches down to zero or below reaches the bottom of a logarithmic plot
        let low =
            |y: &f64| if log.1 && *y <= 0.0 { f64::NEG_INFINITY } else { logarithm(*y, log.1) };
        let points = self.points.iter().map(place).collect();
        Series { points, lows: self.lows.iter().map(low).collect(), ..self.clone() }
    }

    /// The points that have a place, with those of a band's lower edge.
    pub(super) fn drawable(&self) -> impl Iterator<Item = Point> + '_ {
        let lows = self.points.iter().zip(&self.lows).map(|((x, _), low)| (*x, *low));
        self.points.iter().copied().chain(lows).filter(|point| finite(*point))
    }

    /// The smallest distance between two bars of one series.
    pub(super) fn bar_width(all: &[Series]) -> f64 {
        let bars = all.iter().filter(|series| series.mark == Mark::Bars);
        let gaps = bars.flat_map(|series| {
            let mut xs: Vec<f64> = series.drawable().map(|point| point.0).collect();
            xs.sort_by(f64::total_cmp);
            xs.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > 0.0).collect::<Vec<_>>()
        });
        let smallest = gaps.fold(f64::INFINITY, f64::min);
        if smallest.is_finite() { smallest } else { 1.0 }
    }

    /// Points that no segment reaches: alone between gaps, or alone altogether.
    fn lone_points(&self) -> impl Iterator<Item = Point> + '_ {
        let drawn = |index: usize| self.points.get(index).is_some_and(|point| finite(*point));
        let lone = move |index: &usize| {
            drawn(*index) && !drawn(index.wrapping_sub(1)) && !drawn(index + 1)
        };
        (0..self.points.len()).filter(lone).map(|index| self.points[index])
    }

    /// The outlines of a band, one for each stretch without a gap.
    fn outlines(&self, window: &Window) -> Vec<Vec<Point>> {
        let edges: Vec<_> = self.points.iter().zip(&self.lows).collect();
        let seen = |((x, high), low): &(&Point, &f64)| {
            (window.x.0..=window.x.1).contains(x) && !high.is_nan() && !low.is_nan()
        };
        let height = |y: f64| y.clamp(window.y.0, window.y.1);
        let stretches = edges.split(|edge| !seen(edge)).filter(|stretch| stretch.len() > 1);
        let outline = |stretch: &[(&Point, &f64)]| {
            let there = stretch.iter().map(|((x, high), _)| (*x, height(*high)));
            let back = stretch.iter().rev().map(|((x, _), low)| (*x, height(**low)));
            there.chain(back).collect()
        };
        stretches.map(outline).collect()
    }
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

    pub(super) fn has_bars(&self) -> bool {
        self.series.iter().any(|series| series.mark == Mark::Bars)
    }

    /// One legend entry a name, at the height where its line leaves the plot.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = vec![];
        for series in self.series.iter().filter(|series| !series.name.is_empty()) {
            if entries.iter().all(|entry| entry.name != series.name) {
                let (name, mark, colour) =
                    (series.name.clone(), series.mark, colour(series.colour));
                entries.push(Entry { name, mark, colour, end: self.end(series) });
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
        let left = self.window.x.0;
        let levels = self.levels.iter().filter(|(y, _)| self.window.holds((left, *y)));
        for (y, _) in levels.clone() {
            let ends = [(left, *y), (self.window.x.1, *y)];
            let style = line(FAINT_INK, 1.0);
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
        let dots = |radius: f64| {
            move |point: Point| {
                window.holds(point).then(|| Circle::new(point, pt(radius), ink.filled()))
            }
        };
        let pieces = window.pieces(&series.points).into_iter();
        match series.mark {
            Mark::Line => {
                chart.draw_series(pieces.map(|piece| PathElement::new(piece, line(ink, 1.6))))?;
                chart.draw_series(series.lone_points().filter_map(dots(1.6)))?;
            }
            Mark::Dashed => {
                for piece in pieces {
                    let dashes = DashedLineSeries::new(piece, pt(5.0), pt(3.0), line(ink, 1.4));
                    chart.draw_series(dashes)?;
                }
                chart.draw_series(series.lone_points().filter_map(dots(1.4)))?;
            }
            Mark::Points => {
                chart.draw_series(series.points.iter().copied().filter_map(dots(2.6)))?;
            }
            Mark::Bars => self.draw_bars(chart, series)?,
            Mark::Band => {
                let outlines = series.outlines(&window).into_iter();
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
        let (x_range, y_range) = (self.window.x, self.window.y);
        let seen = series
            .points
            .iter()
            .filter(|(x, y)| !y.is_nan() && (x_range.0..=x_range.1).contains(x));
        let style = colour(series.colour).mix(0.85).filled();
        chart.draw_series(seen.map(|(x, y)| {
            let corner = (x + left + width, y.clamp(y_range.0, y_range.1));
            Rectangle::new([(x + left, self.base), corner], style)
        }))?;
        Ok(())
    }

    /// The name of a level, where no series runs through it: above or below the line, at its left or right end.
    fn name_level(&self, chart: &mut Chart, y: f64, name: &str) -> Painted {
        let Window { x: (x0, x1), y: (y0, y1) } = self.window;
        let (width, height) = chart.plotting_area().dim_in_pixel();
        let point = f64::from(pt(1.0));
        let long = (width_of(name, SMALL) + 10.0) * point / f64::from(width) * (x1 - x0);
        let tall = 1.5 * SMALL * point / f64::from(height) * (y1 - y0);
        let free = |(right, below): &(bool, bool)| {
            let (left, bottom) =
                (if *right { x1 - long } else { x0 }, if *below { y - tall } else { y });
            let spot = Window { x: (left, left + long), y: (bottom, bottom + tall) };
            let inside = y0 <= bottom && bottom + tall <= y1;
            inside && self.series.iter().all(|series| spot.pieces(&series.points).is_empty())
        };
        let spots = [(false, false), (true, false), (false, true), (true, true)];
        let (right, below) = spots.into_iter().find(free).unwrap_or(spots[0]);
        let (x, inward, h) =
            if right { (x1, pt(-5.0), HPos::Right) } else { (x0, pt(5.0), HPos::Left) };
        let (lift, v) = if below { (pt(3.0), VPos::Top) } else { (pt(-1.0), VPos::Bottom) };
        let label =
            Text::new(name.to_string(), (inward, lift), text(SMALL, FAINT_INK).pos(at(h, v)));
        chart.draw_series([EmptyElement::at((x, y)) + label])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_points_without_neighbours_are_lone() {
        let heights = [1.0, f64::NAN, 2.0, 3.0, f64::INFINITY, 4.0, 5.0, 6.0, f64::NAN, 7.0];
        let points = heights.iter().enumerate().map(|(x, y)| (x as f64, *y)).collect();
        let series =
            Series { name: String::new(), mark: Mark::Line, colour: 0, points, lows: vec![] };
        let lone: Vec<f64> = series.lone_points().map(|point| point.1).collect();
        assert_eq!(lone, [1.0, 7.0]);
    }

    #[test]
    fn a_band_is_broken_where_it_has_no_edge() {
        let band = [(0.0, 1.0), (1.0, 1.0), (2.0, f64::NAN), (3.0, 1.0), (4.0, 9.0)];
        let lows = vec![0.0, -9.0, 0.0, 0.0, 0.0];
        let series = Series {
            name: String::new(),
            mark: Mark::Band,
            colour: 0,
            points: band.to_vec(),
            lows,
        };
        let window = Window { x: (0.0, 4.0), y: (-1.0, 2.0) };
        let left = vec![(0.0, 1.0), (1.0, 1.0), (1.0, -1.0), (0.0, 0.0)];
        let right = vec![(3.0, 1.0), (4.0, 2.0), (4.0, 0.0), (3.0, 0.0)];
        assert_eq!(series.outlines(&window), [left, right]);
    }
}
