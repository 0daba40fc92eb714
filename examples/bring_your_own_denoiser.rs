//! A denoiser of one's own, drawn from by the crate's samplers: points on a circle, whose best
//! denoiser is known in closed form.
//!
//! ```text
//! cargo run --example bring_your_own_denoiser
//! ```

use from_noise::denoiser::{Denoised, Denoiser};
use from_noise::prelude::*;
use from_noise::sample::{Prediction, dpm_solver};

/// Data spread evenly on the circle of radius 1.
struct Circle;

impl Denoiser for Circle {
    /// What is predicted of `x_t: [B, 2]`: its direction is certain the more, the larger
    /// `alpha r / sigma^2`; the mean over the circle is the ratio of two Bessel functions.
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        let r = x_t.square().sum_dim_intlist(-1, true, Kind::Float).sqrt(); // [B, 1]
        let certain = at.alpha / at.sigma.powi(2) * &r;
        let share = certain.special_i1e() / certain.special_i0e();
        Denoised::from_x0(x_t, at, x_t / r * share)
    }
}

fn main() -> anyhow::Result<()> {
    let path = Schedule::linear(1000, 1e-4, 0.02).path(Path::LogSnr, 20);
    let start = Seeded::new(0, 0).start(&[2000, 2]);
    let by_ddim = ddim(&Circle, &path, start.shallow_clone(), 0.0, &mut gaussian);
    let by_solver = dpm_solver(&Circle, &path, start, Prediction::Data);
    for (name, x0) in [("DDIM", &by_ddim), ("DPM-Solver++(2M)", &by_solver)] {
        let radius = x0.square().sum_dim_intlist(-1, false, Kind::Float).sqrt();
        let (mean, std) = (radius.mean(Kind::Float), radius.std(true));
        println!("{name}: radius {:.4} +- {:.4}", mean.double_value(&[]), std.double_value(&[]));
    }
    Scatter::new("points on a circle", 1.5)
        .points("", &by_solver)
        .draw()
        .save("runs/circle.png")?;
    println!("wrote runs/circle.png");
    Ok(())
}
