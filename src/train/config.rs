use super::TrainError;
use serde::{Deserialize, Serialize};

/// What decides the course of a training run, given the model and the loss.
///
/// The default is the optimizer of Ho et al. 2020 (appendix B and the published CIFAR-10 script)
/// without its warm-up of 5000 steps, which is longer than many runs here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Learning rate after the warm-up.
    pub lr: f64,
    /// Adam's `beta1, beta2`, each in `[0, 1)`.
    pub betas: (f64, f64),
    /// Added to `sqrt(v_hat)`.
    pub eps: f64,
    /// Decoupled decay (AdamW); 0 is plain Adam.
    pub weight_decay: f64,
    /// Steps over which the learning rate rises linearly to `lr`; 0 is none.
    pub warmup: u64,
    /// `[from, to]`: the learning rate falls linearly to 0 between these steps.
    pub cooldown: Option<[u64; 2]>,
    /// Largest allowed norm of all gradients taken as one vector.
    pub clip: Option<f64>,
    /// Loss calls per step, their gradients averaged.
    pub accumulate: u64,
    /// Largest decay of the moving average, in `[0, 1]`.
    pub ema_decay: f64,
    /// Fixes the initial weights and the random numbers of every step.
    pub seed: u64,
    /// Tells apart trainers of one seed: those of another stream draw unrelated numbers. The two
    /// networks of a GAN, or of an autoencoder and its prior, need two streams; two networks that
    /// are compared share one, and so see the same noise.
    pub stream: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            lr: 2e-4,
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            warmup: 0,
            cooldown: None,
            clip: Some(1.0),
            accumulate: 1,
            ema_decay: 0.9999,
            seed: 0,
            stream: 0,
        }
    }
}

impl TrainConfig {
    // ANCHOR: lr
    /// The learning rate of step `step` (counted from 1).
    pub fn lr_at(&self, step: u64) -> f64 {
        let risen = if step >= self.warmup { 1.0 } else { step as f64 / self.warmup as f64 };
        let left = |[from, to]: [u64; 2]| to.saturating_sub(step) as f64 / (to - from) as f64;
        self.lr * risen * self.cooldown.map_or(1.0, |span| left(span).min(1.0))
    }
    // ANCHOR_END: lr

    /// The same course over `steps` steps: a cooldown takes the same share of them.
    pub fn lasting(self, steps: u64) -> Self {
        let share =
            |from: u64, to: u64| (u128::from(from) * u128::from(steps) / u128::from(to)) as u64;
        let cooldown = self.cooldown.filter(|[_, to]| *to > 0);
        Self { cooldown: cooldown.map(|[from, to]| [share(from, to), steps]), ..self }
    }

    /// Refuses values that no run can mean, each in one sentence.
    pub fn check(&self) -> Result<(), TrainError> {
        let must = |holds: bool, field, value: String, must| {
            if holds { Ok(()) } else { Err(TrainError::Config { field, value, must }) }
        };
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let (beta1, beta2) = self.betas;
        let fraction = |x: f64| (0.0..1.0).contains(&x);
        must(positive(self.lr), "lr", self.lr.to_string(), "positive")?;
        must(
            fraction(beta1) && fraction(beta2),
            "betas",
            format!("{:?}", self.betas),
            "two numbers in [0, 1)",
        )?;
        must(positive(self.eps), "eps", self.eps.to_string(), "positive")?;
        let decay = self.weight_decay;
        must(
            decay.is_finite() && decay >= 0.0,
            "weight_decay",
            decay.to_string(),
            "zero or positive",
        )?;
        must(
            self.clip.is_none_or(positive),
            "clip",
            format!("{:?}", self.clip),
            "a positive norm, or null for none",
        )?;
        must(
            self.cooldown.is_none_or(|[from, to]| from < to),
            "cooldown",
            format!("{:?}", self.cooldown),
            "two steps, the first before the second, or null for none",
        )?;
        must(self.accumulate > 0, "accumulate", "0".into(), "at least 1")?;
        must(
            (0.0..=1.0).contains(&self.ema_decay),
            "ema_decay",
            self.ema_decay.to_string(),
            "in [0, 1]",
        )
    }
}
