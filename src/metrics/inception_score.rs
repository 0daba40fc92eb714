//! Inception Score: whether a classifier is sure of every sample, and sees every class.

use super::MeanStd;
use crate::util::device::on_cpu;
use tch::{Kind, Tensor};

/// `exp(E_x KL(p(y|x) || p(y)))` (Salimans et al. 2016, sec. 4), where `p(y)` is the mean of
/// `p(y|x)` over the samples of a split: 1 if all samples look alike to the classifier, the number
/// of classes if it is sure of each sample and all classes are equally frequent.
///
/// Real data are not looked at, so a set of one perfect image per class scores as high as can be.
/// Few samples a split bias it downwards: they never show all of `p(y)`. With Inception's 1008 or 1000 classes this is the
/// published score, by custom of 50,000 samples in 10 splits; with another classifier it is another
/// number.
///
/// # Shapes
/// `probabilities: [N, classes]`, each row `p(y|x)` of one sample, such as the softmax of logits.
/// Splits are runs of neighbours, so the samples must be in random order: shuffle a folder that is
/// sorted by class.
///
/// # Panics
/// On other shapes, without a split, or with fewer samples than splits.
pub fn inception_score(probabilities: &Tensor, splits: usize) -> MeanStd {
    let (n, splits) = (probabilities.size()[0], splits as i64);
    assert!(probabilities.dim() == 2, "probabilities are [N, classes]");
    assert!(1 <= splits && splits <= n, "{n} samples cannot be cut into {splits} splits");
    let p = on_cpu(probabilities);
    let entropy = |p: &Tensor| {
        -p.special_xlogy(p).sum_dim_intlist(-1, false, None::<Kind>) // 0 ln 0 = 0
    };
    // The mean KL divergence is the mutual information of sample and class, H(y) - H(y|x).
    let score = |split: i64| {
        let (from, to) = (split * n / splits, (split + 1) * n / splits);
        let p = p.narrow(0, from, to - from);
        let marginal = entropy(&p.mean_dim(0, false, None::<Kind>));
        (marginal - entropy(&p).mean(None)).exp().double_value(&[])
    };
    MeanStd::of(&(0..splits).map(score).collect::<Vec<f64>>())
}
