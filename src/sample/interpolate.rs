//! Between two latents.

use crate::util::device::on_cpu;
use tch::Tensor;

// ANCHOR: slerp
/// Spherical interpolation (Shoemake 1985): `share` of the way from `a` to `b` along the great
/// circle, sample by sample. Between latents of equal length all points have that length.
///
/// The straight line would not do: halfway between two independent draws of many dimensions lie
/// points of `sqrt(1/2)` of their length, where N(0, I) has no mass.
///
/// # Shapes
/// `a`, `b` and the result: `[B, ...]`.
pub fn slerp(a: &Tensor, b: &Tensor, share: f64) -> Tensor {
    assert_eq!(a.size(), b.size(), "slerp between {:?} and {:?}", a.size(), b.size());
    let mut one_per_sample = vec![1; a.dim()];
    one_per_sample[0] = a.size()[0];
    let [x, y] = [a, b].map(on_cpu);
    let dot = |x: &Tensor, y: &Tensor| {
        (x * y).flatten(1, -1).sum_dim_intlist(1, false, None).view(&one_per_sample[..])
    };
    let cos: Tensor = dot(&x, &y) / (dot(&x, &x) * dot(&y, &y)).sqrt();
    let angle = cos.clamp(-1.0, 1.0).acos();
    // sin(s angle) / sin(angle) = s where the latents are parallel
    let weight = |s: f64| {
        ((&angle * s).sin() / angle.sin())
            .where_self(&angle.sin().abs().gt(1e-9), &angle.full_like(s))
            .to_kind(a.kind())
            .to_device(a.device())
    };
    weight(1.0 - share) * a + weight(share) * b
}
// ANCHOR_END: slerp
