//! Curves over a common axis: losses, schedules, errors against step counts.

use plotters::element::{Circle, EmptyElement, Polygon, Rectangle};
use plotters::prelude::{DashedLineSeries, PathElement, Text};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor};

use super::axes::{Chart, Frame, width_of};
use super::figure::{Area, Figure, Painted, figure};
use super::legend::{Entry, Legend};
use super::polyline::{Point, Window};
use super::style::{FAINT_INK, LABEL, SMALL, at, colour, line, pt, text};
use super::ticks::Axis;

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
struct Series {
    name: String,
    mark: Mark,
    colour: usize,
    points: Vec<Point>,
}

/// Several named series over one pair of axes. What cannot be drawn (NaN, infinity, a logarithm of nothing) is a gap.
///
/// ```
/// use from_noise::plot::Curves;
/// let loss: Vec<(f64, f64)> = (1..100).map(|step| (step as f64, 1.0 / step as f64)).collect();
/// let figure = Curves::new("Loss", "step", "loss").line("training", &loss).log_y().draw();
/// assert_eq!(figure.size(), (1160, 640));
/// ```
#[derive(Clone, Debug)]
pub struct Curves {
    title: String,
    x_label: String,
    y_label: String,
    series: Vec<Series>,
    levels: Vec<(f64, String)>,
    log: (bool, bool),
    x_range: Option<(f64, f64)>,
    y_range: Option<(f64, f64)>,
    size: (f64, f64),
}

impl Curves {
    pub fn new(
        title: impl Into<String>,
        x_label: impl Into<String>,
        y_label: impl Into<String>,
    ) -> Self {
        Self {
            title: title.into(),
            x_label: x_label.into(),
            y_label: y_label.into(),
            series: vec![],
            levels: vec![],
            log: (false, false),
            x_range: None,
            y_range: None,
            size: (580.0, 320.0),
        }
    }

    /// A solid line through `points`.
    pub fn line(self, name: impl Into<String>, points: &[(f64, f64)]) -> Self {
        self.push(name.into(), Mark::Line, points.to_vec())
    }

    /// A dashed line, for what is exact, expected or a bound.
    pub fn dashed(self, name: impl Into<String>, points: &[(f64, f64)]) -> Self {
        self.push(name.into(), Mark::Dashed, points.to_vec())
    }

    /// A dot at every point.
    pub fn points(self, name: impl Into<String>, points: &[(f64, f64)]) -> Self {
        self.push(name.into(), Mark::Points, points.to_vec())
    }

    /// A bar from zero at every point.
    pub fn bars(self, name: impl Into<String>, points: &[(f64, f64)]) -> Self {
        self.push(name.into(), Mark::Bars, points.to_vec())
    }

    /// A pale band between `(x, low, high)`, for a spread or an interval. A series of the same name shares its colour.
    pub fn band(self, name: impl Into<String>, band: &[(f64, f64, f64)]) -> Self {
        let there = band.iter().map(|(x, low, _)| (*x, *low));
        let back = band.iter().rev().map(|(x, _, high)| (*x, *high));
        self.push(name.into(), Mark::Band, there.chain(back).collect())
    }

    /// A thin line across the whole plot at height `y`, with its name on it.
    pub fn hline(mut self, y: f64, name: impl Into<String>) -> Self {
        self.levels.push((y, name.into()));
        self
    }

    pub fn log_x(mut self) -> Self {
        self.log.0 = true;
        self
    }

    pub fn log_y(mut self) -> Self {
        self.log.1 = true;
        self
    }

    /// Shows only `low..high` of the horizontal axis.
    pub fn x_range(mut self, low: f64, high: f64) -> Self {
        self.x_range = Some((low, high));
        self
    }

    /// Shows only `low..high` of the vertical axis.
    pub fn y_range(mut self, low: f64, high: f64) -> Self {
        self.y_range = Some((low, high));
        self
    }

    /// Width and height in points of the page; 580 by 320 unless told.
    pub fn size(mut self, width: f64, height: f64) -> Self {
        self.size = (width, height);
        self
    }

    fn push(mut self, name: String, mark: Mark, points: Vec<Point>) -> Self {
        let known =
            self.series.iter().find(|series| series.name == name).map(|series| series.colour);
        let fresh = self.series.iter().map(|series| series.colour + 1).max().unwrap_or(0);
        self.series.push(Series { name, mark, colour: known.unwrap_or(fresh), points });
        self
    }

    pub fn draw(&self) -> Figure {
        let shown = self.on_plotted_scale();
        let all = || {
            shown
                .iter()
                .flat_map(|series| &series.points)
                .filter(|(x, y)| x.is_finite() && y.is_finite())
        };
        let bars = shown.iter().any(|series| series.mark == Mark::Bars);
        let lines = shown
            .iter()
            .any(|series| matches!(series.mark, Mark::Line | Mark::Dashed | Mark::Band));
        let levels = self.levels.iter().map(|(y, _)| logarithm(*y, self.log.1));
        let floor = (bars && !self.log.1).then_some(0.0);
        let half = if bars { bar_width(&shown) / 2.0 } else { 0.0 };
        let xs = all().flat_map(|(x, _)| [x - half, x + half]);
        let ys = all().map(|(_, y)| *y).chain(levels).chain(floor);
        let x = span(self.x_range, self.log.0, xs, if lines || bars { 0.0 } else { 0.04 });
        let y = span(self.y_range, self.log.1, ys, 0.05);
        let y = if bars && self.y_range.is_none() && y.0 < 0.0 && !all().any(|(_, y)| *y < 0.0) {
            (0.0, y.1)
        } else {
            y
        };
        let window = Window { x, y };
        let legend = Legend::new(&self.entries(&shown, &window), self.size.1);
        let frame = Frame {
            title: self.title.clone(),
            x_label: self.x_label.clone(),
            y_label: self.y_label.clone(),
            x: axis(x, self.log.0, (self.size.0 / if bars { 45.0 } else { 85.0 }) as usize),
            y: axis(y, self.log.1, (self.size.1 / 55.0) as usize),
            right: legend.width(),
        };
        figure(&self.alt(), self.size.0, self.size.1, |area| {
            let mut chart = frame.draw(area)?;
            self.paint(&mut chart, &shown, &window)?;
            legend.draw(area, &frame)?;
            if all().next().is_none() { no_data(area) } else { Ok(()) }
        })
    }

    /// Shows the plot in a notebook; evcxr calls this for a cell's last value.
    pub fn evcxr_display(&self) {
        self.draw().evcxr_display();
    }

    fn alt(&self) -> String {
        let mut names: Vec<&str> = self.series.iter().map(|series| series.name.as_str()).collect();
        names.dedup();
        let title = [&self.title, &self.y_label].into_iter().find(|words| !words.is_empty());
        let over = format!("{} over {}", self.y_label, self.x_label);
        format!("{}: {over}; series: {}", title.map_or("Plot", String::as_str), names.join(", "))
    }

    fn on_plotted_scale(&self) -> Vec<Series> {
        let scaled = |(x, y): &Point| (logarithm(*x, self.log.0), logarithm(*y, self.log.1));
        let scale = |series: &Series| Series {
            points: series.points.iter().map(scaled).collect(),
            ..series.clone()
        };
        self.series.iter().map(scale).collect()
    }

    /// One legend entry a name, at the height where its line leaves the plot.
    fn entries(&self, shown: &[Series], window: &Window) -> Vec<Entry> {
        let mut entries: Vec<Entry> = vec![];
        for series in shown.iter().filter(|series| !series.name.is_empty()) {
            if entries.iter().any(|entry| entry.name == series.name) {
                continue;
            }
            let last = series
                .points
                .iter()
                .filter(|point| window.holds(**point))
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let end = last
                .filter(|_| matches!(series.mark, Mark::Line | Mark::Dashed))
                .filter(|(x, _)| *x > window.x.1 - 0.08 * (window.x.1 - window.x.0))
                .map(|(_, y)| (y - window.y.0) / (window.y.1 - window.y.0));
            entries.push(Entry {
                name: series.name.clone(),
                mark: series.mark,
                colour: colour(series.colour),
                end,
            });
        }
        entries
    }

    fn paint(&self, chart: &mut Chart, shown: &[Series], window: &Window) -> Painted {
        let rank = |mark: Mark| match mark {
            Mark::Band => 0,
            Mark::Bars => 1,
            _ => 2,
        };
        let mut ordered: Vec<&Series> = shown.iter().collect();
        ordered.sort_by_key(|series| rank(series.mark));
        let levels = self.levels.iter().map(|(y, name)| (logarithm(*y, self.log.1), name));
        let levels: Vec<_> = levels.filter(|(y, _)| window.holds((window.x.0, *y))).collect();
        for (y, _) in &levels {
            let ends = [(window.x.0, *y), (window.x.1, *y)];
            chart.draw_series(DashedLineSeries::new(
                ends,
                pt(2.0),
                pt(2.5),
                line(FAINT_INK, 1.0),
            ))?;
        }
        for series in ordered {
            draw_series(chart, series, window, shown)?;
        }
        for (y, name) in levels {
            name_level(chart, window, y, name, shown)?;
        }
        Ok(())
    }
}

fn draw_series(chart: &mut Chart, series: &Series, window: &Window, all: &[Series]) -> Painted {
    let ink = colour(series.colour);
    match series.mark {
        Mark::Line => {
            let lone = lone_points(&series.points, window);
            chart.draw_series(
                window
                    .pieces(&series.points)
                    .into_iter()
                    .map(|piece| PathElement::new(piece, line(ink, 1.6))),
            )?;
            chart.draw_series(
                lone.into_iter().map(|point| Circle::new(point, pt(1.6), ink.filled())),
            )?;
        }
        Mark::Dashed => {
            for piece in window.pieces(&series.points) {
                chart.draw_series(DashedLineSeries::new(
                    piece,
                    pt(5.0),
                    pt(3.0),
                    line(ink, 1.4),
                ))?;
            }
        }
        Mark::Points => {
            let seen = series.points.iter().filter(|point| window.holds(**point));
            chart.draw_series(seen.map(|point| Circle::new(*point, pt(2.6), ink.filled())))?;
        }
        Mark::Bars => draw_bars(chart, series, window, all, ink)?,
        Mark::Band => {
            let corners: Vec<Point> = series
                .points
                .iter()
                .filter(|(x, y)| x.is_finite() && y.is_finite())
                .copied()
                .collect();
            let inside = corners
                .into_iter()
                .map(|(x, y)| (x.clamp(window.x.0, window.x.1), y.clamp(window.y.0, window.y.1)));
            let corners: Vec<Point> = inside.collect();
            chart.draw_series((corners.len() > 2).then(|| Polygon::new(corners, ink.mix(0.18))))?;
        }
    }
    Ok(())
}

/// Bars of several series stand side by side.
fn draw_bars(
    chart: &mut Chart,
    series: &Series,
    window: &Window,
    all: &[Series],
    ink: RGBColor,
) -> Painted {
    let rivals: Vec<&Series> = all.iter().filter(|other| other.mark == Mark::Bars).collect();
    let place = rivals.iter().position(|other| other.name == series.name).unwrap_or(0) as f64;
    let width = bar_width(all) * 0.84 / rivals.len() as f64;
    let left = -width * rivals.len() as f64 / 2.0 + place * width;
    let base = 0f64.clamp(window.y.0, window.y.1);
    let finite = series
        .points
        .iter()
        .filter(|(x, y)| y.is_finite() && (window.x.0..=window.x.1).contains(x));
    chart.draw_series(finite.map(|(x, y)| {
        let top = y.clamp(window.y.0, window.y.1);
        Rectangle::new([(x + left, base), (x + left + width, top)], ink.mix(0.85).filled())
    }))?;
    Ok(())
}

/// The smallest distance between two bars of one series.
fn bar_width(all: &[Series]) -> f64 {
    let bars = all.iter().filter(|series| series.mark == Mark::Bars);
    let gaps = bars.flat_map(|series| {
        let mut xs: Vec<f64> =
            series.points.iter().map(|point| point.0).filter(|x| x.is_finite()).collect();
        xs.sort_by(f64::total_cmp);
        xs.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > 0.0).collect::<Vec<_>>()
    });
    let smallest = gaps.fold(f64::INFINITY, f64::min);
    if smallest.is_finite() { smallest } else { 1.0 }
}

/// Points that no segment reaches: alone between gaps, or alone altogether.
fn lone_points(points: &[Point], window: &Window) -> Vec<Point> {
    let drawn =
        |index: usize| points.get(index).is_some_and(|(x, y)| x.is_finite() && y.is_finite());
    let lone = |index: &usize| drawn(*index) && !drawn(index.wrapping_sub(1)) && !drawn(index + 1);
    (0..points.len())
        .filter(lone)
        .map(|index| points[index])
        .filter(|point| window.holds(*point))
        .collect()
}

/// The name of a level, where no series runs through it: above or below the line, at its left or right end.
fn name_level(chart: &mut Chart, window: &Window, y: f64, name: &str, shown: &[Series]) -> Painted {
    let (width, height) = chart.plotting_area().dim_in_pixel();
    let (dx, dy) = (window.x.1 - window.x.0, window.y.1 - window.y.0);
    let long = (width_of(name, SMALL) + 10.0) * f64::from(pt(1.0)) / f64::from(width) * dx;
    let tall = 1.5 * SMALL * f64::from(pt(1.0)) / f64::from(height) * dy;
    let sides = [(HPos::Left, window.x.0), (HPos::Right, window.x.1 - long)];
    let heights = [(VPos::Bottom, y), (VPos::Top, y - tall)];
    let spots = heights.iter().flat_map(|v| sides.iter().map(move |h| (*h, *v)));
    let free = |(h, v): &((HPos, f64), (VPos, f64))| {
        let spot = Window { x: (h.1, h.1 + long), y: (v.1, v.1 + tall) };
        let inside = window.holds((h.1, v.1)) && window.holds((h.1, v.1 + tall));
        inside && shown.iter().all(|series| spot.pieces(&series.points).is_empty())
    };
    let ((h, _), (v, _)) = spots.clone().find(free).unwrap_or((sides[0], heights[0]));
    let (x, inward) =
        if matches!(h, HPos::Left) { (window.x.0, pt(5.0)) } else { (window.x.1, pt(-5.0)) };
    let lift = if matches!(v, VPos::Bottom) { pt(-1.0) } else { pt(3.0) };
    let style = text(SMALL, FAINT_INK).pos(at(h, v));
    chart.draw_series([
        EmptyElement::at((x, y)) + Text::new(name.to_string(), (inward, lift), style)
    ])?;
    Ok(())
}

fn no_data(area: &Area) -> Painted {
    let (width, height) = area.dim_in_pixel();
    let style = text(LABEL, FAINT_INK).pos(at(HPos::Center, VPos::Center));
    area.draw(&Text::new("no data", (width as i32 / 2, height as i32 / 2), style))
}

fn logarithm(value: f64, log: bool) -> f64 {
    match (log, value > 0.0) {
        (false, _) => value,
        (true, true) => value.log10(),
        (true, false) => f64::NAN,
    }
}

/// The stretch to show: the one asked for, else what holds the finite `values`, a little wider by `pad`.
fn span(
    asked: Option<(f64, f64)>,
    log: bool,
    values: impl Iterator<Item = f64>,
    pad: f64,
) -> (f64, f64) {
    let asked = asked.map(|(a, b)| (logarithm(a.min(b), log), logarithm(a.max(b), log)));
    if let Some((low, high)) =
        asked.filter(|(low, high)| low.is_finite() && high.is_finite() && low < high)
    {
        return (low, high);
    }
    let bounds = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
    let (low, high) =
        values.filter(|value| value.is_finite()).fold((f64::INFINITY, f64::NEG_INFINITY), bounds);
    let room = pad * (high - low);
    match (low, high) {
        _ if low > high => (0.0, 1.0),
        _ if high - low <= 1e-12 * low.abs().max(high.abs()) => {
            let half = if log { 0.5 } else { (0.1 * low.abs()).max(1e-3) };
            (low - half, high + half)
        }
        _ => (low - room, high + room),
    }
}

fn axis((low, high): (f64, f64), log: bool, count: usize) -> Axis {
    if log { Axis::log10(low, high, count) } else { Axis::linear(low, high, count) }
}
