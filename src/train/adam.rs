use super::TrainConfig;
use super::flat::{Flat, concatenated};
use tch::Tensor;

/// Adam's two running means per parameter (Kingma & Ba 2015, Algorithm 1), with the decoupled
/// weight decay of Loshchilov & Hutter 2019 (AdamW, Algorithm 2).
///
/// The moments are plain tensors, because libtorch's own optimizer cannot save them.
#[derive(Debug)]
pub struct Adam {
    /// First moments `m`, in the order of the parameters.
    pub m: Flat,
    /// Second moments `v`.
    pub v: Flat,
}

impl Adam {
    /// Zero moments for `params`.
    pub fn new(params: &Flat) -> Self {
        Self { m: Flat::like(&params.parts), v: Flat::like(&params.parts) }
    }

    /// Step `t` (counted from 1) with learning rate `lr`, in place.
    ///
    /// A parameter without a gradient (`None`) is left alone, moments and all. With `lr = 0`, the
    /// last step of a cooled run, the moments move and the parameters stay.
    pub fn step(
        &mut self,
        config: &TrainConfig,
        lr: f64,
        t: u64,
        params: &Flat,
        grads: &[Option<Tensor>],
    ) {
        let _guard = tch::no_grad_guard();
        if grads.iter().all(Option::is_some) {
            return self.step_flat(config, lr, t, params, &concatenated(grads.iter().flatten()));
        }
        let moments = self.m.parts.iter().zip(&self.v.parts);
        for ((theta, g), (m, v)) in params.parts.iter().zip(grads).zip(moments) {
            if let Some(g) = g {
                update(config, lr, t, (theta, g, m, v));
            }
        }
    }

    /// The same where every parameter has a gradient: `grads: [n]`, in the order of `params`.
    pub(super) fn step_flat(
        &mut self,
        config: &TrainConfig,
        lr: f64,
        t: u64,
        params: &Flat,
        grads: &Tensor,
    ) {
        let _guard = tch::no_grad_guard();
        update(config, lr, t, (&params.all, grads, &self.m.all, &self.v.all));
    }
}

/// `m = beta1 m + (1 - beta1) g`, `v = beta2 v + (1 - beta2) g^2`,
/// `theta = (1 - lr weight_decay) theta - lr m_hat / (sqrt(v_hat) + eps)`,
/// where `m_hat = m / (1 - beta1^t)` and `v_hat = v / (1 - beta2^t)`.
fn update(
    config: &TrainConfig,
    lr: f64,
    t: u64,
    (theta, g, m, v): (&Tensor, &Tensor, &Tensor, &Tensor),
) {
    let (beta1, beta2) = config.betas;
    let bias1 = 1.0 - beta1.powf(t as f64);
    let bias2 = 1.0 - beta2.powf(t as f64);
    let (mut theta, mut m, mut v) = (theta.shallow_clone(), m.shallow_clone(), v.shallow_clone());
    let _ = m.lerp_(g, 1.0 - beta1);
    let _ = v.lerp_(&g.square(), 1.0 - beta2);
    if lr == 0.0 {
        return; // on_sqrt would be infinite, and 0 times infinity no number
    }
    if config.weight_decay > 0.0 {
        let _ = theta.g_mul_scalar_(1.0 - lr * config.weight_decay);
    }
    // lr m_hat / (sqrt(v_hat) + eps) = m / (sqrt(v) on_sqrt + on_eps)
    let on_sqrt = bias1 / (lr * bias2.sqrt());
    let on_eps = bias1 / lr * config.eps;
    let minus_denominator = v.sqrt().g_mul_scalar_(-on_sqrt).g_sub_scalar_(on_eps);
    let _ = theta.addcdiv_(&m, &minus_denominator);
}
