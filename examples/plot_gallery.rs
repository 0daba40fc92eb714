//! Draws one figure of every kind into `target/plot-gallery`: `cargo run --example plot_gallery`.

use from_noise::plot::{Curves, Density, Figure, Gif, Grid, PlotError, Scatter, Trajectories};
use std::path::Path;
use tch::{Device, Kind, Tensor};

fn main() -> Result<(), PlotError> {
    let folder = Path::new("target/plot-gallery");
    let save = |name: &str, figure: Figure| {
        let path = folder.join(name).with_extension("png");
        println!("{} {figure:?}", path.display());
        figure.save(path)
    };
    save("curves", curves())?;
    save("curves_log", curves_log())?;
    save("curves_many", curves_many())?;
    save("bars", bars())?;
    save("grid", images())?;
    save("scatter", clouds())?;
    save("density", densities())?;
    save("trajectories", trajectories())?;
    let moving = moving();
    moving.save(folder.join("moving.gif"))?;
    println!("{moving:?}");
    let digits = dissolving();
    digits.save(folder.join("dissolving.gif"))?;
    println!("{digits:?}");
    let small = |title: &str| Curves::new(title, "step", "loss").size(280.0, 160.0);
    let edges = [small("Nothing yet"), small("One").line("training", &[(3.0, 0.2)])];
    save("edge", Figure::column(&edges.map(|plot| plot.draw())))
}

fn steps(n: usize, f: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    (0..=n).map(|t| (t as f64, f(t as f64 / n as f64))).collect()
}

fn cosine(u: f64) -> f64 {
    ((u + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2)
}

fn linear(u: f64) -> f64 {
    (-(0.1 * u + 9.95 * u * u)).exp()
}

fn curves() -> Figure {
    Curves::new("How much of the image is left", "t", "ᾱₜ")
        .line("linear", &steps(1000, linear))
        .line("cosine", &steps(1000, cosine))
        .dashed("sigmoid", &steps(1000, |u| 1.0 / (1.0 + (12.0 * (u - 0.5)).exp())))
        .hline(0.5, "half of the variance is noise")
        .draw()
}

fn curves_log() -> Figure {
    let errors = |order: i32, c: f64| {
        (2..11).map(|k| (2f64.powi(k), c * 2f64.powi(-k * order))).collect::<Vec<_>>()
    };
    Curves::new("Order of convergence", "steps", "error of x₀, ‖x̂₀ − x₀‖")
        .line("Euler", &errors(1, 1.0))
        .points("Euler", &errors(1, 1.0))
        .line("Heun", &errors(2, 1.0))
        .points("Heun", &errors(2, 1.0))
        .line("DPM-Solver-3", &errors(3, 1.0))
        .points("DPM-Solver-3", &errors(3, 1.0))
        .log_x()
        .log_y()
        .draw()
}

fn curves_many() -> Figure {
    (0..9)
        .fold(Curves::new("Nine runs", "step", "loss"), |plot, k| {
            let rate = 1.0 + k as f64;
            let noisy =
                steps(200, |u| 0.03 + (-6.0 * rate * u).exp() + 0.01 * (u * 400.0 * rate).sin());
            plot.line(format!("rate {rate}e-4"), &noisy)
        })
        .log_y()
        .draw()
}

fn bars() -> Figure {
    let digits: Vec<(f64, f64)> =
        (0..10).map(|d| (d as f64, 5800.0 + 400.0 * (d as f64 * 1.7).sin())).collect();
    let samples: Vec<(f64, f64)> =
        (0..10).map(|d| (d as f64, 6000.0 + 900.0 * (d as f64 * 2.3).cos())).collect();
    Curves::new("Digits drawn", "class", "images")
        .bars("data", &digits)
        .points("samples", &samples)
        .draw()
}

/// Rings of growing radius under growing noise: a stand-in for a picture that dissolves.
fn images() -> Figure {
    let axis = Tensor::linspace(-1.0, 1.0, 28, (Kind::Float, Device::Cpu));
    let radius = (axis.square().unsqueeze(0) + axis.square().unsqueeze(1)).sqrt(); // [28, 28]
    let rows: Vec<Tensor> = (0..3)
        .map(|k| ((&radius - 0.3 - 0.2 * k as f64).abs() * -12.0).exp() * 2.0 - 1.0)
        .collect();
    let noise = |image: &Tensor, level: f64| {
        image * (1.0 - level * level).sqrt() + image.randn_like() * level
    };
    let levels = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];
    let all: Vec<Tensor> =
        rows.iter().flat_map(|row| levels.map(|level| noise(row, level))).collect();
    Grid::new(&Tensor::stack(&all, 0).unsqueeze(1), levels.len())
        .scale(4)
        .title("A ring dissolves")
        .column_labels(&[0, 200, 400, 600, 800, 1000].map(|t| format!("t = {t}")))
        .row_labels(&["small", "middle", "large"])
        .draw()
}

fn spiral(n: i64, spread: f64) -> Tensor {
    let u = Tensor::rand([n], (Kind::Float, Device::Cpu)).sqrt();
    let angle = &u * 9.0;
    Tensor::stack(&[&u * angle.cos() * 2.5, &u * angle.sin() * 2.5], 1)
        + Tensor::randn([n, 2], (Kind::Float, Device::Cpu)) * spread
}

fn clouds() -> Figure {
    let one = Scatter::new("A spiral", 3.0).points("", &spiral(20_000, 0.05)).draw();
    let two = Scatter::new("Data and samples", 3.0)
        .points("data", &spiral(1500, 0.05))
        .points("samples", &spiral(1500, 0.25))
        .draw();
    Figure::row(&[one, two])
}

fn densities() -> Figure {
    let axis = Tensor::linspace(-3.0, 3.0, 60, (Kind::Float, Device::Cpu));
    let squares = axis.square().unsqueeze(0) + axis.square().unsqueeze(1);
    let ring = |width: f64| (-((squares.sqrt() - 1.8) / width).square() / 2.0).exp();
    let panel = |width: f64| {
        let title = format!("width {width}");
        Density::of_grid(title, 3.0, &ring(width)).range(0.0, 1.0).side(150.0).bare().draw()
    };
    let map = Density::of_grid("log p(x)", 3.0, &-&squares).draw();
    let waves = (&axis * 2.0).sin().unsqueeze(0) * axis.cos().unsqueeze(1);
    let waves = Density::of_grid("waves", 3.0, &waves).points(&spiral(300, 0.05)).key().draw();
    let row = Figure::row(&[0.1, 0.2, 0.5, 1.0].map(panel));
    Figure::column(&[row, Figure::row(&[map, waves])])
}

fn trajectories() -> Figure {
    let end = spiral(150, 0.05);
    let start = end.randn_like();
    let steps: Vec<Tensor> = (0..=60)
        .map(|k| {
            let u = k as f64 / 60.0;
            let angle = u * std::f64::consts::FRAC_PI_2;
            &start * angle.cos() + &end * angle.sin()
        })
        .collect();
    let all = Trajectories::new("From noise to data", 3.0).steps(&steps).draw();
    let few: Vec<Tensor> = steps.iter().map(|step| step.narrow(0, 0, 12)).collect();
    Figure::row(&[all, Trajectories::new("Twelve of them", 3.0).steps(&few).draw()])
}

fn moving() -> Gif {
    let points = spiral(3000, 0.05);
    let noise = points.randn_like();
    let frames: Vec<Figure> = (0..40)
        .map(|k| {
            let level = 1.0 - k as f64 / 39.0;
            let now = &points * (1.0 - level * level).sqrt() + &noise * level;
            Scatter::new(format!("t = {:.0}", 1000.0 * level), 3.0).points("", &now).draw()
        })
        .collect();
    Gif::new(&frames, 60).hold(1500)
}

fn dissolving() -> Gif {
    let axis = Tensor::linspace(-1.0, 1.0, 28, (Kind::Float, Device::Cpu));
    let radius = (axis.square().unsqueeze(0) + axis.square().unsqueeze(1)).sqrt();
    let ring = (((&radius - 0.5f64).abs() * -12.0).exp() * 2.0 - 1.0)
        .unsqueeze(0)
        .unsqueeze(0)
        .repeat([32, 1, 1, 1]);
    let noise = ring.randn_like();
    let frames: Vec<Figure> = (0..40)
        .map(|k| {
            let level = 1.0 - k as f64 / 39.0;
            let now = &ring * (1.0 - level * level).sqrt() + &noise * level;
            Grid::new(&now, 8).scale(4).title(format!("t = {:.0}", 1000.0 * level)).draw()
        })
        .collect();
    Gif::new(&frames, 60).hold(1500)
}
