//! Inpainting by going back and forth.

use crate::denoiser::Denoiser;
use crate::forward::{Variance, posterior, q_sample, renoise};
use crate::noise::Noise;
use crate::schedule::Level;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// How often and how far RePaint goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resampling {
    /// Levels of a jump back to more noise, the paper's `j`.
    pub jump: usize,
    /// Times that each stretch of so many levels is drawn, the paper's `r`; 1 is never to go back.
    pub times: usize,
}

impl Resampling {
    /// The paper's, for 250 steps.
    pub const PAPER: Self = Self { jump: 10, times: 10 };
    /// Straight on: known and unknown part meet once at each level.
    pub const NONE: Self = Self { jump: 1, times: 1 };

    /// The levels visited on a path of `steps` steps, as places on it: 0 is the noisiest, `steps`
    /// the clean one. From each level that lies a multiple of `jump` above the least noisy, there
    /// are `times - 1` jumps back, one level at a time.
    pub fn visits(self, steps: usize) -> Vec<usize> {
        let Self { jump, times } = self;
        let mut left: Vec<usize> = (0..steps)
            .map(|above| {
                let from_here = above % jump.max(1) == 0 && above + jump < steps;
                if from_here { times.saturating_sub(1) } else { 0 }
            })
            .collect(); // by levels above the least noisy one
        let (mut place, mut visits) = (0, vec![0]);
        while place < steps {
            place += 1;
            visits.push(place);
            if place < steps && left[steps - 1 - place] > 0 {
                left[steps - 1 - place] -= 1;
                for _ in 0..jump {
                    place -= 1;
                    visits.push(place);
                }
            }
        }
        visits
    }

    /// Evaluations of the network: the steps down.
    pub fn evaluations(self, steps: usize) -> usize {
        self.visits(steps).windows(2).filter(|step| step[1] > step[0]).count()
    }
}

// ANCHOR: repaint
/// RePaint (Lugmayr et al. 2022, Algorithm 1). Each step draws the unknown part by the network and
/// the known part by noising what is known, and joins them. The two parts do not know of each
/// other; so the sample is noised again and drawn again, and each time they fit better.
///
/// # Shapes
/// `x_T` and the result: `[B, ...]`; `known` and `mask` (bool, true where `known` is known) broadcast
/// to it. The result is `known` there, to the last bit.
#[allow(non_snake_case, clippy::too_many_arguments)]
pub fn repaint(
    model: &dyn Denoiser,
    path: &[Level],
    x_T: Tensor,
    (known, mask): (&Tensor, &Tensor),
    resampling: Resampling,
    variance: Variance,
    noise: Noise,
) -> Tensor {
    let _guard = tch::no_grad_guard();
    resampling.visits(path.len() - 1).windows(2).fold(x_T, |x, step| {
        let (from, to) = (path[step[0]], path[step[1]]);
        if step[1] < step[0] {
            return renoise(&x, &noise(&x), to, from);
        }
        let (prediction, q) = (model.denoise(&x, from), posterior(from, to));
        let mean = q.mean(prediction.x0(), &x);
        if to.is_clean() {
            return known.where_self(mask, &mean);
        }
        let unknown = mean + q.std(variance, prediction.nu()) * noise(&x);
        q_sample(known, &noise(&x), to).where_self(mask, &unknown)
    })
}
// ANCHOR_END: repaint
