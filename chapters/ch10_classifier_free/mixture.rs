//! What guidance draws where everything is known: data on a line, the class two of their four modes.

use anyhow::Result;
use from_noise::denoiser::Mixture;
use from_noise::evaluate::{Sampler, Sampling};
use from_noise::guide::{DenoiserExt, Guidance};
use from_noise::plot::{Curves, Figure};
use from_noise::schedule::{Level, Path, Schedule};
use from_noise::util::cli::Chapter;
use serde::Serialize;
use tch::Tensor;
use tch::kind::DOUBLE_CPU;

/// The sharpened density and what is drawn, at a scale.
#[derive(Debug, Serialize)]
struct Row {
    scale: f64,
    sharpened_mean: f64,
    sharpened_std: f64,
    /// The share in the outer one of the class's two modes.
    sharpened_outer: f64,
    drawn_mean: f64,
    drawn_std: f64,
    drawn_outer: f64,
}

/// Between the modes of the class.
const MIDDLE: f64 = 0.75;

/// A density at points `[N]` in ascending order.
struct Density {
    x: Tensor,
    p: Tensor,
}

impl Density {
    /// Mean, standard deviation, and the share above the middle.
    fn summary(&self) -> [f64; 3] {
        let integral =
            |f: &Tensor| Tensor::trapezoid_x(&(f * &self.p), &self.x, -1).double_value(&[]);
        let total = integral(&self.x.ones_like());
        let mean = integral(&self.x) / total;
        let variance = integral(&(&self.x - mean).square()) / total;
        [mean, variance.sqrt(), integral(&self.x.gt(MIDDLE)) / total]
    }

    fn points(&self) -> Vec<(f64, f64)> {
        let values = |x: &Tensor| Vec::<f64>::try_from(x).expect("a vector of numbers");
        values(&self.x).into_iter().zip(values(&self.p)).filter(|(x, _)| x.abs() < 2.5).collect()
    }
}

/// The data, and those of the class.
fn data() -> (Mixture, Mixture) {
    let means = Tensor::from_slice(&[-1.2, -0.3, 0.3, 1.2]).view([4, 1]);
    let all = Mixture::new(&[0.3, 0.2, 0.2, 0.3], &means, &[0.3, 0.3, 0.3, 0.2]);
    let class = all.given(&[2, 3]);
    (all, class)
}

/// `p(x) p(y | x)^scale`, normalised: what guidance is often said to draw. With `p(y | x)` in terms
/// of the densities that is `p(x)^(1 - scale) p(x | y)^scale`.
fn sharpened(scale: f64) -> Density {
    let (all, class) = data();
    let x = Tensor::linspace(-4.0, 4.0, 4001, DOUBLE_CPU);
    let at = |data: &Mixture| data.log_density(&x.view([-1, 1]), Level::CLEAN);
    let p: Tensor = ((1.0 - scale) * at(&all) + scale * at(&class)).exp();
    let total = Tensor::trapezoid_x(&p, &x, -1);
    Density { x, p: p / total }
}

/// What DDIM draws with ever more steps: the solution of its equation, where `x0` is an increasing function
/// of `x_T`, so that its density is that of `x_T` over the slope.
fn drawn(scale: f64, steps: usize) -> Density {
    let (all, class) = data();
    let guided = class.classifier_free(all, Guidance::scale(scale));
    let start = Tensor::linspace(-6.0, 6.0, 4001, DOUBLE_CPU).view([-1, 1]);
    let sampling = Sampling { sampler: Sampler::DpmSolver3, path: Path::LogSnr, steps, seed: 0 };
    let end = sampling.run(&guided, &Schedule::ddpm(1000), start.shallow_clone(), &mut |_| {
        unreachable!("it draws no noise")
    });
    let pairs = |x: &Tensor| {
        let x = x.view([-1]);
        (x.narrow(0, 0, x.size()[0] - 1), x.narrow(0, 1, x.size()[0] - 1))
    };
    let ((z0, z1), (x0, x1)) = (pairs(&start), pairs(&end));
    let normal = (((&z0 + &z1) / 2.0).square() * -0.5).exp() / std::f64::consts::TAU.sqrt();
    Density { x: (&x0 + &x1) / 2.0, p: normal * (z1 - z0) / (x1 - x0) }
}

/// `mixture.png` and `mixture.csv`.
pub fn show(smoke: bool, chapter: &mut Chapter) -> Result<()> {
    let steps = if smoke { 20 } else { 300 };
    let (mut rows, mut panels) = (Vec::new(), Vec::new());
    let class = sharpened(1.0).points();
    for scale in [1.0, 2.0, 3.0, 5.0] {
        let (sharpened, drawn) = (sharpened(scale), drawn(scale, steps));
        let [sharpened_mean, sharpened_std, sharpened_outer] = sharpened.summary();
        let [drawn_mean, drawn_std, drawn_outer] = drawn.summary();
        rows.push(Row {
            scale,
            sharpened_mean,
            sharpened_std,
            sharpened_outer,
            drawn_mean,
            drawn_std,
            drawn_outer,
        });
        if scale != 2.0 {
            let panel = Curves::new(format!("γ = {scale}"), "x", "density")
                .line("p(x | y)", &class)
                .dashed("p(x) p(y | x)^γ", &sharpened.points())
                .line("drawn", &drawn.points());
            let last = scale == 5.0;
            let panel = if last { panel } else { panel.without_legend() };
            panels.push(panel.size(if last { 420.0 } else { 270.0 }, 280.0).draw());
        }
    }
    chapter.results.samples(4001);
    chapter.results.table("mixture.csv", &rows)?;
    Ok(chapter.results.figure("mixture.png", &Figure::row(&panels))?)
}
