//! Clouds of points in the plane.

use plotters::element::Circle;
use plotters::style::Color;
use tch::Tensor;

use super::figure::Figure;
use super::legend::{Entry, Mark};
use super::plane::{Plane, plane_setters};
use super::style::{colour, pt};
use super::tensors;
use super::window::Point;

/// Named clouds of points, half transparent so that their density shows.
#[derive(Clone, Debug)]
pub struct Scatter {
    plane: Plane,
    clouds: Vec<(String, Vec<Point>)>,
}

impl Scatter {
    /// The square [-limit, limit] on both axes.
    pub fn new(title: impl Into<String>, limit: f64) -> Self {
        Self { plane: Plane::new(title.into(), limit), clouds: vec![] }
    }

    /// Adds points `[N, 2]`; an empty name keeps them out of the legend.
    pub fn points(mut self, name: impl Into<String>, points: &Tensor) -> Self {
        self.clouds.push((name.into(), tensors::points("a scatter plot", points)));
        self
    }

    plane_setters!();

    pub fn draw(&self) -> Figure {
        let (mut entries, mut words) = (vec![], vec![]);
        for (index, (name, points)) in self.clouds.iter().enumerate() {
            words.push(format!("{} points {name}", points.len()).trim_end().to_string());
            let (name, colour) = (name.clone(), colour(index));
            entries.push(Entry { name, mark: Mark::Points, colour, end: None });
        }
        let alt = format!("{}: {}", self.plane.title, words.join(", "));
        self.plane.draw_with_legend(&alt, entries, |chart| {
            let window = self.plane.window();
            for (index, (_, points)) in self.clouds.iter().enumerate() {
                let style = colour(index).mix(opacity(points.len())).filled();
                let radius = pt(1.4 * (2000.0 / points.len() as f64).powf(0.25).clamp(0.5, 1.0));
                let seen = points.iter().filter(|point| window.holds(**point));
                chart.draw_series(seen.map(|point| Circle::new(*point, radius, style)))?;
            }
            Ok(())
        })
    }
}

/// Few points stand out, many add up.
fn opacity(count: usize) -> f64 {
    (25.0 / (count as f64).sqrt().max(1.0)).clamp(0.08, 0.75)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_where_they_are_and_add_up() {
        let places: Vec<f64> =
            [vec![0.4, -0.3], [-0.4, 0.6].repeat(40), vec![7.0, 0.0, f64::NAN, 0.0]].concat();
        let plot = Scatter::new("", 1.0).points("", &Tensor::from_slice(&places).view([-1, 2]));
        let figure = plot.draw();
        let red = |x: f64, y: f64| plot.plane.probe(&figure, (x, y))[0];
        assert!(red(0.4, -0.3) < 100 && red(-0.4, 0.6) < red(0.4, -0.3));
        assert_eq!([red(-0.4, -0.3), red(0.4, 0.6), red(-0.3, 0.4)], [255; 3]);
        Scatter::new("", 1.0).draw();
    }

    #[test]
    #[should_panic(expected = "wants a limit above zero, got 0")]
    fn an_empty_square_is_refused() {
        Scatter::new("", 0.0);
    }
}
