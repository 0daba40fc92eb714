//! What the facts share: exact comparison, quadrature, the fixtures.

use from_noise::denoiser::{Denoised, Denoiser, Mixture, Preconditioning, Target};
use from_noise::evaluate::Sampler;
use from_noise::forward::{Variance, q_sample};
use from_noise::noise::Seeded;
use from_noise::pretrained::{ImageConfig, Pretrained};
use from_noise::sample::Churn;
use from_noise::schedule::Level;
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor, nn};

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

/// A network of random weights, all parts of which are heard.
pub fn untrained(config: ImageConfig) -> Pretrained {
    let vs = nn::VarStore::new(Device::Cpu);
    let model = config.build(&vs.root());
    let weights: BTreeMap<_, _> = vs.variables().into_iter().collect();
    for (seed, (name, mut weight)) in weights.into_iter().enumerate() {
        let is_condition = name.contains("class_embedding") || name.contains("text_encoder");
        let std = if is_condition { 3.0 } else { 0.1 };
        let noise = std * normal(&weight.size(), seed as u64);
        tch::no_grad(|| weight.copy_(&noise));
    }
    let (schedule, hash) = (config.schedule.build(), "untrained".into());
    Pretrained { config, schedule, model, device: Device::Cpu, step: 0, hash }
}

/// The two-component fixture in one dimension.
pub fn two_modes() -> Mixture {
    let means = Tensor::from_slice(&[-1.0, 0.6]).view([2, 1]);
    Mixture::new(&[0.3, 0.7], &means, &[0.15, 0.25])
}

/// Four modes on a line; the class is the last two.
pub fn classes() -> (Mixture, Mixture) {
    let means = Tensor::from_slice(&[-1.2, -0.3, 0.3, 1.2]).view([4, 1]);
    let all = Mixture::new(&[0.3, 0.2, 0.2, 0.3], &means, &[0.3, 0.3, 0.3, 0.2]);
    let class = all.given(&[2, 3]);
    (all, class)
}

/// How much of a mixture on a line lies below `x`.
fn below(x: &Tensor, weights: &[f64], means: &[f64], stds: &[f64]) -> Tensor {
    let parts = (0..weights.len()).map(|k| {
        let z: Tensor = (x - means[k]) / (stds[k] * 2f64.sqrt());
        weights[k] / 2.0 * (1.0f64 + z.erf())
    });
    parts.fold(x.zeros_like(), |sum, part| sum + part)
}

/// Where as much of the data lies below as of the data's noised version at `top` lies below `x_T`:
/// by bisection.
#[allow(non_snake_case)]
pub fn quantiles_at_the_end(
    x_T: &Tensor,
    top: Level,
    weights: &[f64],
    means: &[f64],
    stds: &[f64],
) -> Tensor {
    let noisy_means: Vec<f64> = means.iter().map(|mean| top.alpha * mean).collect();
    let noisy_stds: Vec<f64> = stds.iter().map(|std| (top.alpha * std).hypot(top.sigma)).collect();
    let wanted = below(x_T, weights, &noisy_means, &noisy_stds);
    let (mut low, mut high) = (x_T.full_like(-6.0), x_T.full_like(6.0));
    for _ in 0..60 {
        let middle: Tensor = (&low + &high) / 2.0;
        let short = below(&middle, weights, means, stds).less_tensor(&wanted);
        low = middle.where_self(&short, &low);
        high = high.where_self(&short, &middle);
    }
    low
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
