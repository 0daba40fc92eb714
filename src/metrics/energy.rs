//! A distance between two clouds of points that is zero only for equal distributions.

use crate::util::device::on_cpu;
use tch::Tensor;

/// The energy distance `2 E|x - y| - E|x - x'| - E|y - y'|` (Szekely & Rizzo 2013), estimated
/// without bias: pairs of a point with itself are left out, so two clouds from one distribution
/// scatter around 0 and may fall below it.
///
/// # Shapes
/// `x: [N, D]`, `y: [M, D]`, at least two points each.
pub fn energy_distance(x: &Tensor, y: &Tensor) -> f64 {
    let (x, y) = (on_cpu(x), on_cpu(y));
    let mean = |a: &Tensor, b: &Tensor, pairs: i64| {
        let total = Tensor::cdist(a, b, 2.0, None::<i64>).sum(None);
        total.double_value(&[]) / pairs as f64
    };
    let (n, m) = (x.size()[0], y.size()[0]);
    2.0 * mean(&x, &y, n * m) - mean(&x, &x, n * (n - 1)) - mean(&y, &y, m * (m - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Seeded;

    #[test]
    fn it_vanishes_for_equals_and_is_the_gap_between_points() {
        let mut noise = Seeded::new(1, 0);
        let (a, b) = (noise.start(&[1500, 2]), noise.start(&[1500, 2]));
        assert!(energy_distance(&a, &b).abs() < 0.005);
        let shifted = |by: f64| energy_distance(&a, &(&b + by));
        assert!(0.05 < shifted(0.3) && shifted(0.3) < shifted(0.6) && shifted(0.6) < shifted(1.2));
        // two far points each: 2 * 5 - 0 - 0
        let (at_0, at_5) = (Tensor::zeros([2, 1], tch::kind::DOUBLE_CPU), Tensor::from(5.0));
        assert!((energy_distance(&at_0, &(&at_0 + at_5)) - 10.0).abs() < 1e-12);
    }
}
