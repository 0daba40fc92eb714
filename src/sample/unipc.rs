//! UniPC: a multistep solver that takes each step again once it has seen the step's end.

use super::ddim::ode_step;
use super::dpm_solver::phi_ratio;
use crate::denoiser::{Denoised, Denoiser};
use crate::schedule::Level;
use tch::Tensor;

// ANCHOR: unipc
/// UniPC (Zhao et al. 2023) on the clean sample: UniP of order two, corrected by UniC to order
/// three, both with the paper's second `B(h) = e^h - 1`.
///
/// Its predictor is [`dpm_solver`](super::dpm_solver) on [`Prediction::Data`](super::Prediction::Data). What
/// is predicted at the predicted place serves twice: first the step that led there is taken again
/// with the parabola through three predictions, then the next step starts from where that arrives. So
/// the corrector costs no evaluation: one per step. Draws no noise.
///
/// # Shapes
/// `x_T` and the result: `[B, ...]`. `path` falls from the level of `x_T`.
#[allow(non_snake_case)]
pub fn unipc(model: &dyn Denoiser, path: &[Level], x_T: Tensor) -> Tensor {
    let _guard = tch::no_grad_guard();
    let mut last: Option<Start> = None;
    path.windows(2).fold(x_T, |predicted, step| {
        let (t, s) = (step[0], step[1]);
        let x0 = model.denoise(&predicted, t).x0().shallow_clone();
        let (x_t, before) = match last.take() {
            Some(start) => (start.correct(t, &x0), Some((start.t, start.x0))),
            None => (predicted, None),
        };
        last.insert(Start { x_t, t, x0, before }).predict(s)
    })
}
// ANCHOR_END: unipc

/// Where a step starts, and the predictions there and at the start of the step before.
struct Start {
    x_t: Tensor,
    t: Level,
    x0: Tensor,
    before: Option<(Level, Tensor)>,
}

impl Start {
    /// With a line through both predictions, read in the middle of the step.
    fn predict(&self, s: Level) -> Tensor {
        match self.slope(s) {
            Some((_, slope)) if !s.is_clean() => self.step(s, &self.x0 + 0.5 * slope),
            _ => self.step(s, self.x0.shallow_clone()),
        }
    }

    // ANCHOR: correct
    /// UniC: a parabola through both and the prediction `there`, at `s`: `x0 + a y + b y^2`, where
    /// `y` runs from 0 to 1 along the step. The first step has a line, evaluated in the middle.
    fn correct(&self, s: Level, there: &Tensor) -> Tensor {
        let d = there - &self.x0; // a + b
        let Some((r, slope)) = self.slope(s) else {
            return self.step(s, &self.x0 + 0.5 * d);
        };
        let b = (&d - slope) / (1.0 - r); // as slope = a + b r
        let [y, y_squared] = moments(0.5 * (s.log_snr() - self.t.log_snr()));
        self.step(s, &self.x0 + y * (d - &b) + y_squared * b)
    }
    // ANCHOR_END: correct

    /// Of the line through both predictions, and the place of the earlier one, in steps to `s`.
    fn slope(&self, s: Level) -> Option<(f64, Tensor)> {
        let (level, x0) = self.before.as_ref()?;
        let now = self.t.log_snr();
        let r = (level.log_snr() - now) / (s.log_snr() - now);
        Some((r, (x0 - &self.x0) / r))
    }

    /// DDIM's step with the prediction `x0`.
    fn step(&self, s: Level, x0: Tensor) -> Tensor {
        ode_step(&Denoised::from_x0(&self.x_t, self.t, x0), self.t, s)
    }
}

/// Means of `y` and `y^2` over a step of width `h` in lambda, where the sampling equation of the
/// clean sample weighs it by `exp(lambda)`.
fn moments(h: f64) -> [f64; 2] {
    let y = 1.0 - phi_ratio(h);
    // The exact form loses the digits that 1 / h takes.
    let small = h < 1e-3;
    let y_squared = 1.0 / -(-h).exp_m1() - 2.0 * y / h;
    [y, if small { 1.0 / 3.0 + h / 12.0 } else { y_squared }]
}

#[cfg(test)]
mod tests {
    use super::moments;

    #[test]
    fn the_short_form_of_the_moments_continues_the_exact_one() {
        let [short, exact] = [0.999e-3, 1.001e-3].map(moments);
        for (a, b) in short.into_iter().zip(exact) {
            assert!((a - b).abs() < 1e-6, "{short:?} and {exact:?}");
        }
    }
}
