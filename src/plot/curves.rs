//! Curves over a common axis: losses, schedules, errors against step counts.

use plotters::element::Text;
use plotters::style::text_anchor::HPos;

use super::axes::{Chart, Frame};
use super::figure::{Figure, Painted, figure};
use super::legend::{Legend, Mark};
use super::series::{Plotted, Series, bar_distance};
use super::style::{FAINT_INK, LABEL, text_at};
use super::ticks::Axis;
use super::window::{Point, Window};

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
        let highs = band.iter().map(|(x, _, high)| (*x, *high)).collect();
        let mut curves = self.push(name.into(), Mark::Band, highs);
        curves.series.last_mut().expect("just pushed").lows =
            band.iter().map(|(_, low, _)| *low).collect();
        curves
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
        let colour = known.unwrap_or(fresh);
        self.series.push(Series { name, mark, colour, points, lows: vec![] });
        self
    }

    pub fn draw(&self) -> Figure {
        let plotted = self.plotted();
        let (frame, legend) = self.frame(&plotted);
        let height = self.size.1.max(frame.room().top + frame.room().bottom + legend.height());
        figure(&self.alt(), self.size.0, height, |area| {
            let mut chart = frame.draw(area)?;
            plotted.draw(&mut chart)?;
            if plotted.is_empty() {
                no_data(&mut chart, &plotted.window)?;
            }
            legend.draw(area, chart.plotting_area().get_pixel_range())
        })
    }

    /// Shows the plot in a notebook; evcxr calls this for a cell's last value.
    pub fn evcxr_display(&self) {
        self.draw().evcxr_display();
    }

    fn alt(&self) -> String {
        let mut names: Vec<&str> = self.series.iter().map(|series| series.name.as_str()).collect();
        names.dedup();
        names.retain(|name| !name.is_empty());
        let colon = if names.is_empty() { "" } else { ": " };
        let title = if self.title.is_empty() { "Plot" } else { &self.title };
        format!("{title} ({} over {}){colon}{}", self.y_label, self.x_label, names.join(", "))
    }

    /// The series on the scale of the axes, and the part of the plane that holds them.
    fn plotted(&self) -> Plotted {
        let series: Vec<_> = self.series.iter().map(|series| self.on_scale(series)).collect();
        let on_axis = |(y, name): &(f64, String)| (position(*y, self.log.1), name.clone());
        let levels: Vec<_> = self.levels.iter().map(on_axis).collect();

        let bar = bar_distance(&series);
        let half = if self.has_bars() { bar / 2.0 } else { 0.0 };
        let floor = (self.has_bars() && !self.log.1).then_some(0.0);
        let points = || series.iter().flat_map(Series::drawable);
        let xs = points().flat_map(|(x, _)| [x - half, x + half]);
        let ys = points().map(|(_, y)| y).chain(levels.iter().map(|level| level.0)).chain(floor);
        let only_dots = series.iter().all(|series| series.mark == Mark::Points);
        let x = span(xs, self.log.0, if only_dots { 0.04 } else { 0.0 });
        let asked = self.y_range.map(|(low, high)| {
            let (low, high) = (low.min(high), low.max(high));
            (position(low, self.log.1), position(high, self.log.1))
        });
        let sound = |(low, high): &(f64, f64)| low.is_finite() && high.is_finite() && low < high;
        let y = asked.filter(sound).unwrap_or_else(|| {
            let (low, high) = span(ys, self.log.1, 0.05);
            let on_axis = floor.is_some() && points().all(|(_, y)| y >= 0.0);
            (if on_axis { 0.0 } else { low }, high)
        });
        let base = if self.log.1 { y.0 } else { 0f64.clamp(y.0, y.1) };
        Plotted { series, levels, window: Window { x, y }, base, bar }
    }

    /// The same series in positions on the axes.
    fn on_scale(&self, series: &Series) -> Series {
        let place = |(x, y): &Point| (position(*x, self.log.0), position(*y, self.log.1));
        // a band that reaches down to zero or below reaches the bottom of a logarithmic plot
        let low = |y: &f64| match self.log.1 && *y <= 0.0 {
            true => f64::NEG_INFINITY,
            false => position(*y, self.log.1),
        };
        let points = series.points.iter().map(place).collect();
        Series { points, lows: series.lows.iter().map(low).collect(), ..series.clone() }
    }

    fn has_bars(&self) -> bool {
        self.series.iter().any(|series| series.mark == Mark::Bars)
    }

    fn frame(&self, plotted: &Plotted) -> (Frame, Legend) {
        let legend = Legend::new(plotted.entries(), self.size.1);
        let per_number = if self.has_bars() { 45.0 } else { 85.0 };
        let axis = |(low, high): (f64, f64), log: bool, count: f64| match log {
            true => Axis::log10(low, high, count as usize),
            false => Axis::linear(low, high, count as usize + 1),
        };
        let frame = Frame {
            title: self.title.clone(),
            x_label: self.x_label.clone(),
            y_label: self.y_label.clone(),
            x: axis(plotted.window.x, self.log.0, self.size.0 / per_number),
            y: axis(plotted.window.y, self.log.1, self.size.1 / 55.0),
            right: legend.width(),
        };
        (frame, legend)
    }
}

fn no_data(chart: &mut Chart, window: &Window) -> Painted {
    let middle = ((window.x.0 + window.x.1) / 2.0, (window.y.0 + window.y.1) / 2.0);
    chart.draw_series([Text::new("no data", middle, text_at(HPos::Center, LABEL, FAINT_INK))])?;
    Ok(())
}

/// The place of `value` on its axis; NaN where a logarithm has none.
fn position(value: f64, log: bool) -> f64 {
    match (log, value > 0.0) {
        (false, _) => value,
        (true, true) => value.log10(),
        (true, false) => f64::NAN,
    }
}

/// The stretch that holds the finite `values`, a little wider by `pad`.
fn span(values: impl Iterator<Item = f64>, log: bool, pad: f64) -> (f64, f64) {
    let bounds = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
    let (low, high) =
        values.filter(|value| value.abs() < 1e300).fold((f64::INFINITY, f64::NEG_INFINITY), bounds);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::style::SCALE;

    const BLUE: [u8; 3] = [0, 114, 178];

    /// Reads the colour at a place given on the scale of the axes.
    fn prober(curves: &Curves) -> impl Fn(Point) -> [u8; 3] {
        let (plotted, figure) = (curves.plotted(), curves.draw());
        let room = curves.frame(&plotted).0.room();
        move |(x, y)| {
            let (window, (wide, high)) = (plotted.window, figure.size());
            let place = |fraction: f64, size: u32, before: f64, after: f64| {
                let points = f64::from(size) / f64::from(SCALE) - before - after;
                ((before + fraction * points) * f64::from(SCALE)) as u32
            };
            let right = (x - window.x.0) / (window.x.1 - window.x.0);
            let down = (window.y.1 - y) / (window.y.1 - window.y.0);
            let (x, y) = (
                place(right, wide, room.left, room.right),
                place(down, high, room.top, room.bottom),
            );
            figure.image().get_pixel(x, y).0
        }
    }

    fn probe(curves: &Curves, point: Point) -> [u8; 3] {
        prober(curves)(point)
    }

    fn plot() -> Curves {
        Curves::new("", "", "").y_range(-1.0, 3.0)
    }

    #[test]
    fn a_line_passes_through_its_points_and_nowhere_else() {
        let line = plot().line("", &[(0.0, -1.0), (4.0, 2.2), (10.0, 2.2)]);
        for on in [(1.0, -0.2), (3.0, 1.4), (7.0, 2.2)] {
            assert_eq!(probe(&line, on), BLUE, "at {on:?}");
        }
        for off in [(1.0, 1.4), (7.0, 1.7), (3.0, -0.2)] {
            assert_ne!(probe(&line, off), BLUE, "at {off:?}");
        }
    }

    #[test]
    fn a_dashed_line_is_there_about_half_of_the_time() {
        let dashed = plot().dashed("", &[(0.0, 0.3), (10.0, 1.3)]);
        let (places, probe) = ((0..500).map(|k| f64::from(k) / 50.0), prober(&dashed));
        let inked = places.filter(|x| probe((*x, 0.3 + x / 10.0)) == BLUE).count();
        assert!((200..450).contains(&inked), "{inked} of 500");
    }

    #[test]
    fn a_gap_is_left_where_nothing_can_be_drawn() {
        let gap =
            [(0.0, 1.3), (4.0, 1.3), (5.0, f64::NAN), (6.0, 1.3), (9.0, 1.3), (9.5, f64::INFINITY)];
        let line = plot().line("", &gap);
        let seen = [1.0, 4.6, 5.4, 8.0].map(|x| probe(&line, (x, 1.3)) == BLUE);
        assert_eq!(seen, [true, false, false, true]);
        let alone = plot().line("", &[(2.0, f64::NAN), (3.0, 1.3), (4.0, f64::NAN)]);
        assert_eq!(probe(&alone, (3.0, 1.3)), BLUE, "a point between gaps is a dot");
    }

    #[test]
    fn on_a_logarithmic_axis_a_power_is_straight_and_zero_is_a_gap() {
        let powers: Vec<Point> =
            (0..=40).map(|k| 0.1 * f64::from(k)).map(|e| (10f64.powf(e), 10f64.powf(-e))).collect();
        let line = Curves::new("", "", "").line("", &powers).log_x().log_y();
        for e in [0.55, 1.95, 3.45] {
            assert_eq!(probe(&line, (e, -e)), BLUE);
        }
        let broken = Curves::new("", "", "")
            .line("", &[(0.0, 1.0), (1.0, 0.0), (2.0, -3.0)])
            .log_x()
            .log_y();
        assert!(broken.plotted().is_empty());
        broken.draw();
    }

    #[test]
    fn bars_stand_on_zero_side_by_side() {
        let bars = Curves::new("", "", "")
            .bars("", &[(0.0, 4.0), (1.0, 2.0)])
            .bars("b", &[(0.0, 1.0), (1.0, 3.0)]);
        assert_eq!(bars.plotted().window.y.0, 0.0);
        let paper = |x: f64, y: f64| probe(&bars, (x, y)).iter().all(|channel| *channel > 220);
        assert!(
            !paper(-0.2, 3.6)
                && paper(0.2, 3.6)
                && !paper(0.2, 0.6)
                && !paper(0.8, 1.4)
                && !paper(1.2, 2.6)
        );
        let log = Curves::new("", "", "").bars("", &[(0.0, 1e-3), (1.0, 1e-2)]).log_y();
        assert_ne!(probe(&log, (1.0, -2.8)), [255; 3]);
        assert_eq!(probe(&log, (0.1, -2.3)), [255; 3]);
    }

    #[test]
    fn a_band_lies_between_its_lines_and_under_the_curve() {
        let band = plot()
            .line("a", &[(0.0, 1.2), (10.0, 1.2)])
            .band("a", &[(0.0, 0.3, 1.7), (10.0, 0.3, 1.7)]);
        let (inside, outside) = (probe(&band, (5.3, 0.8)), probe(&band, (5.3, 2.3)));
        assert!(inside[0] < 230 && inside[2] > 230, "{inside:?} is a pale blue");
        assert_eq!((outside, probe(&band, (5.3, 1.2))), ([255; 3], BLUE));
        assert!([0.7, 3.3, 9.3].iter().all(|x| probe(&band, (*x, 0.8)) == inside));
    }

    #[test]
    fn nothing_a_single_point_and_nonsense_are_drawn() {
        let empty = Curves::new("empty", "x", "y");
        assert!(empty.plotted().is_empty());
        empty.clone().log_x().log_y().draw();
        empty.draw();
        plot().line("one", &[(3.0, 1.0)]).draw();
        Curves::new("", "", "").line("flat", &[(0.0, 7.0), (1.0, 7.0)]).log_y().draw();
        Curves::new("", "", "")
            .points("far", &[(0.0, f64::MAX), (1.0, -f64::MAX), (2.0, 1e200)])
            .draw();
        plot().y_range(f64::NAN, 1.0).hline(f64::NAN, "").hline(1e9, "").draw();
        Curves::new("", "", "").y_range(-1.0, 1.0).log_y().bars("", &[(0.0, f64::NAN)]).draw();
    }

    #[test]
    fn a_long_legend_makes_the_figure_taller() {
        let many =
            |n: usize| (0..n).fold(plot(), |plot, k| plot.line(format!("run {k}"), &[(0.0, 1.0)]));
        assert_eq!(many(9).draw().size(), (1160, 640));
        assert!(many(40).draw().size().1 > 1100);
    }
}
