//! What the facts share: exact comparison, quadrature, the fixtures.

use from_noise::denoiser::{Denoised, Denoiser, Mixture, Preconditioning, Target};
use from_noise::evaluate::Sampler;
use from_noise::forward::{Variance, q_sample};
use from_noise::noise::Seeded;
use from_noise::sample::Churn;
use from_noise::schedule::Level;
use tch::{Device, Kind, Tensor};

pub const F64: (Kind, Device) = (Kind::Double, Device::Cpu);

pub fn max_diff(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[])
}

#[track_caller]
pub fn close(found: f64, expected: f64, tolerance: f64) {
    let gap = (found - expected).abs();
    assert!(gap <= tolerance, "found {found:e}, expected {expected:e}: apart by {gap:e}");
}

/// Equal to `digits` significant digits as printed in the table of constants.
#[track_caller]
pub fn relative(found: f64, expected: f64, tolerance: f64) {
    close(found, expected, tolerance * expected.abs());
}

/// Standard normal numbers that depend on `seed` alone: libtorch's generator is shared by the
/// tests that run side by side.
pub fn normal(shape: &[i64], seed: u64) -> Tensor {
    Seeded::new(seed, 0).draw(&Tensor::empty(shape, F64))
}

/// The two-component fixture in one dimension.
pub fn two_modes() -> Mixture {
    let means = Tensor::from_slice(&[-1.0, 0.6]).view([2, 1]);
    Mixture::new(&[0.3, 0.7], &means, &[0.15, 0.25])
}

/// `n` equally spaced points of `[-end, end]` as `[n, 1]`, and their spacing.
pub fn grid(end: f64, n: i64) -> (Tensor, f64) {
    (Tensor::linspace(-end, end, n, F64).view([n, 1]), 2.0 * end / (n - 1) as f64)
}

/// A denoiser that always predicts this noise.
#[derive(Debug)]
pub struct Constant(pub Tensor);

impl Denoiser for Constant {
    fn denoise(&self, x_t: &Tensor, at: Level) -> Denoised {
        Denoised::from_eps(x_t, at, self.0.shallow_clone())
    }
}

/// All that tables know by name.
pub const EVERY_SAMPLER: [Sampler; 11] = [
    Sampler::Ddim(0.0),
    Sampler::Ddim(1.0),
    Sampler::Ddpm(Variance::Large),
    Sampler::Heun,
    Sampler::Edm(Churn::DEFAULT),
    Sampler::DpmSolver2,
    Sampler::DpmSolver3,
    Sampler::DpmSolver2M,
    Sampler::DpmSolverPlusPlus2M,
    Sampler::DpmSolverPlusPlus2MSde,
    Sampler::UniPc,
];

/// What a network should say of `q_sample(x0, eps, at)`, by the papers' definitions.
pub fn truth(target: Target, x0: &Tensor, eps: &Tensor, at: Level) -> Tensor {
    match target {
        Target::Eps => eps.shallow_clone(),
        Target::X0 => x0.shallow_clone(),
        Target::V => at.alpha * eps - at.sigma * x0,
        // Karras et al. 2022, eq. 8
        Target::Edm { sigma_data } => {
            let c = Preconditioning::at(at, sigma_data);
            (x0 - c.skip * q_sample(x0, eps, at)) / c.out
        }
    }
}
