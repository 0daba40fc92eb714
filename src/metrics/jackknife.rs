//! How far a number computed from samples would move if other samples had been drawn.

use super::Moments;
use tch::{Kind, Tensor};

// ANCHOR: jackknife
/// A stream of features dealt out to [`GROUPS`] groups, enough to leave each out once.
#[derive(Debug)]
pub struct Groups {
    moments: Vec<Moments>,
    dim: i64,
    seen: u64,
}

/// How many groups the jackknife leaves out in turn.
pub const GROUPS: usize = 20;

impl Groups {
    /// Empty groups, for features of `dim` dimensions.
    pub fn new(dim: i64) -> Self {
        Self { moments: (0..GROUPS).map(|_| Moments::new(dim)).collect(), dim, seen: 0 }
    }

    /// Deals out `features: [B, D]`, to every group once in each [`GROUPS`] samples. Each round
    /// begins one group later, so that classes drawn in turn reach all groups alike.
    pub fn add(&mut self, features: &Tensor) {
        let groups = GROUPS as i64;
        let i =
            Tensor::arange(features.size()[0], (Kind::Int64, features.device())) + self.seen as i64;
        let dealt_to = (&i + i.floor_divide_scalar(groups)).remainder(groups);
        for (group, moments) in self.moments.iter_mut().enumerate() {
            let mine = dealt_to.eq(group as i64).nonzero().squeeze_dim(1);
            moments.add(&features.index_select(0, &mine));
        }
        self.seen += features.size()[0] as u64;
    }

    /// The moments of the whole stream.
    pub fn total(&self) -> Moments {
        let mut total = Moments::new(self.dim);
        self.moments.iter().for_each(|group| total.merge(group));
        total
    }

    /// The delete-a-group jackknife's standard error of `statistic`:
    /// `sqrt((G - 1)/G sum_g (theta_g - mean theta)^2)`, where `theta_g` leaves group `g` out.
    ///
    /// It knows of the drawing of samples, not of the bias of a statistic nor of the training.
    /// `None` with fewer than two samples a group.
    pub fn standard_error(&self, statistic: impl Fn(&Moments) -> f64) -> Option<f64> {
        if self.seen < 2 * GROUPS as u64 {
            return None;
        }
        let total = self.total();
        let without = self.moments.iter().map(|group| statistic(&total.without(group)));
        let without: Vec<f64> = without.collect();
        let mean = without.iter().sum::<f64>() / GROUPS as f64;
        let squares: f64 = without.iter().map(|theta| (theta - mean).powi(2)).sum();
        Some(((GROUPS - 1) as f64 / GROUPS as f64 * squares).sqrt())
    }
}
// ANCHOR_END: jackknife
