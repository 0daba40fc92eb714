//! Curves over a common axis: losses, schedules, errors against step counts.

use super::axes::Frame;
use super::figure::{Figure, figure};
use super::legend::{Legend, Mark};
use super::series::Series;
use super::ticks::Axis;
use super::window::Window;

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
    names: Vec<String>,
    log: (bool, bool),
    reversed: bool,
    y_range: Option<(f64, f64)>,
    size: (f64, f64),
    legend: bool,
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
            names: vec![],
            log: (false, false),
            reversed: false,
            y_range: None,
            size: (580.0, 320.0),
            legend: true,
        }
    }

    /// Gives these names the first colours, so that panels that show some of them each agree. Call it
    /// before the series.
    pub fn colours_of<S: ToString>(mut self, names: &[S]) -> Self {
        self.names = names.iter().map(S::to_string).collect();
        self
    }

    /// A solid line through `points`.
    pub fn line(self, name: impl Into<String>, points: &[(f64, f64)]) -> Self {
        self.push(name.into(), Mark::Line, points.iter().map(|(x, y)| (*x, *y, *y)))
    }

    /// A dashed line, for what is exact, expected or a bound.
    pub fn dashed(self, name: impl Into<String>, points: &[(f64, f64)]) -> Self {
        self.push(name.into(), Mark::Dashed, points.iter().map(|(x, y)| (*x, *y, *y)))
    }

    /// A dot at every point.
    pub fn points(self, name: impl Into<String>, points: &[(f64, f64)]) -> Self {
        self.push(name.into(), Mark::Points, points.iter().map(|(x, y)| (*x, *y, *y)))
    }

    /// A bar from zero at every point.
    pub fn bars(self, name: impl Into<String>, points: &[(f64, f64)]) -> Self {
        self.push(name.into(), Mark::Bars, points.iter().map(|(x, y)| (*x, 0.0, *y)))
    }

    /// A pale band between `(x, low, high)`, for a spread or an interval. A series of the same name shares its colour.
    pub fn band(self, name: impl Into<String>, band: &[(f64, f64, f64)]) -> Self {
        self.push(name.into(), Mark::Band, band.iter().copied())
    }

    /// A thin line across the whole plot at height `y`, with its name on it.
    pub fn hline(self, y: f64, name: impl Into<String>) -> Self {
        self.push(name.into(), Mark::Level, [(f64::NAN, y, y)].into_iter())
    }

    pub fn log_x(mut self) -> Self {
        self.log.0 = true;
        self
    }

    pub fn log_y(mut self) -> Self {
        self.log.1 = true;
        self
    }

    /// The horizontal axis runs down from left to right, as a sampler runs down from T to 0.
    pub fn reverse_x(mut self) -> Self {
        self.reversed = true;
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

    /// Leaves the names of the series to a panel beside it.
    pub fn without_legend(mut self) -> Self {
        self.legend = false;
        self
    }

    fn push(
        mut self,
        name: String,
        mark: Mark,
        points: impl Iterator<Item = (f64, f64, f64)>,
    ) -> Self {
        let coloured = || self.series.iter().filter(|series| series.mark != Mark::Level);
        let known = coloured().find(|series| series.name == name).map(|series| series.colour);
        let given = self.names.iter().position(|given| *given == name);
        let fresh = coloured().map(|series| series.colour + 1).max().unwrap_or(0);
        let colour = known.or(given).unwrap_or(fresh.max(self.names.len()));
        self.series.push(Series { name, mark, colour, points: points.collect() });
        self
    }

    pub fn draw(&self) -> Figure {
        let mut series: Vec<Series> =
            self.series.iter().map(|series| series.on_axes(self.log, self.reversed)).collect();
        let bars = series.iter().any(|series| series.mark == Mark::Bars);
        let window = self.window(&series, bars);

        let levels: Vec<_> = series.extract_if(.., |series| series.mark == Mark::Level).collect();
        let named = series.iter().filter(|_| self.legend);
        let entries = named.map(|series| series.entry(&window)).collect();
        let legend = Legend::new(entries, self.size.1);
        let (wide, high) = self.size;
        let empty = series.iter().all(|series| series.places().next().is_none());
        let x_marks = (wide / if bars { 45.0 } else { 75.0 }) as usize;
        let x_axis = |span: (f64, f64)| Axis::new(span, self.log.0, x_marks);
        let frame = Frame {
            title: format!("{}{}", self.title, if empty { " (no data)" } else { "" }),
            x_label: self.x_label.clone(),
            y_label: self.y_label.clone(),
            x: if self.reversed {
                x_axis((-window.x.1, -window.x.0)).mirrored()
            } else {
                x_axis(window.x)
            },
            y: Axis::new(window.y, self.log.1, (high / 40.0) as usize),
            right: legend.width(),
        };
        let [_, _, top, bottom] = frame.room();
        let high = high.max(top + bottom + legend.height());
        series.sort_by_key(|series| series.mark);
        let lines = series.iter().filter(|series| series.mark == Mark::Line).count();
        let width = if lines > 9 { 1.0 } else { 1.6 }; // a crowd of thick lines hides itself
        figure(&self.alt(), wide, high, |area| {
            let mut chart = frame.draw(area)?;
            for series in levels.iter().chain(&series) {
                series.draw(&mut chart, &window, width)?;
            }
            for level in levels.iter().filter(|level| window.holds((window.x.0, level.points[0].1)))
            {
                level.draw_name(&mut chart, &series, &window)?;
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
        let (y, x) = (&self.y_label, &self.x_label);
        let alt = format!("{} ({y} over {x}): {}", self.title, names.join(", "));
        alt.trim_end_matches(": ").to_string()
    }

    /// The part of the plane that holds the series.
    fn window(&self, series: &[Series], bars: bool) -> Window {
        let places = || series.iter().flat_map(Series::places);
        let dots = |series: &Series| matches!(series.mark, Mark::Points | Mark::Level);
        let pad = if series.iter().all(dots) { 0.04 } else { 0.0 };
        let x = span(places().map(|(x, _)| x), self.log.0, pad);

        let position = |y: f64| if self.log.1 { y.log10() } else { y };
        let asked = self.y_range.map(|(low, high)| (position(low), position(high)));
        let sound = |(low, high): &(f64, f64)| low < high && (high - low).is_finite();
        let y = asked.filter(sound).unwrap_or_else(|| {
            let levels = series.iter().filter(|series| series.mark == Mark::Level);
            let levels = levels.map(|level| level.points[0].1);
            let (low, high) = span(places().map(|(_, y)| y).chain(levels), self.log.1, 0.05);
            let stand_on_axis = bars && !self.log.1 && places().all(|(_, y)| y >= 0.0);
            (if stand_on_axis { 0.0 } else { low }, high)
        });
        Window { x, y }
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
