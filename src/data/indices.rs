//! Which samples make up the batch of a training step.

use std::cell::RefCell;

use rand::Rng;
use tch::Tensor;

use super::stream;

/// The sample numbers of training step `step` (counted from 0): every epoch is a fresh shuffle of
/// `0..len`, so no sample is seen twice before each was seen once.
///
/// The result depends on the arguments alone, so a run resumed at step `k` sees the batches that
/// the unbroken run would have seen. A batch may straddle two epochs, or hold several.
///
/// # Shapes
/// Returns `[batch]`, i64, on the CPU: ready for `index_select`.
///
/// # Panics
/// When `len` is 0.
///
/// ```
/// let a = from_noise::data::batch_indices(7, 0, 4, 8);
/// let b = from_noise::data::batch_indices(7, 1, 4, 8);
/// let (epoch, _) = tch::Tensor::cat(&[a, b], 0).sort(0, false);
/// assert_eq!(Vec::<i64>::try_from(epoch).unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
/// ```
pub fn batch_indices(seed: u64, step: u64, batch: usize, len: usize) -> Tensor {
    assert!(len > 0, "cannot draw a batch of {batch} from an empty data set");
    let first = step * batch as u64;
    let mut chosen: Vec<i64> = Vec::with_capacity(batch);
    while chosen.len() < batch {
        let position = first + chosen.len() as u64;
        let (epoch, seen) = (position / len as u64, (position % len as u64) as usize);
        in_order(seed, epoch, len, |order| {
            let rest = &order[seen..];
            chosen.extend(&rest[..rest.len().min(batch - chosen.len())]);
        });
    }
    Tensor::from_slice(&chosen)
}

/// Hands over the epoch's order. The last one is kept: to shuffle 60,000 samples takes about a
/// millisecond, and a training step on a GPU ten.
fn in_order(seed: u64, epoch: u64, len: usize, mut take: impl FnMut(&[i64])) {
    type Order = ((u64, u64, usize), Vec<i64>);
    thread_local!(static LAST: RefCell<Order> = RefCell::default());
    LAST.with_borrow_mut(|(of, order)| {
        if order.is_empty() || *of != (seed, epoch, len) {
            (*of, *order) = ((seed, epoch, len), shuffled(seed, epoch, len));
        }
        take(order);
    });
}

/// Fisher and Yates' shuffle of `0..len`.
fn shuffled(seed: u64, epoch: u64, len: usize) -> Vec<i64> {
    let mut rng = stream(seed, b"shuffle\0", epoch);
    let mut order: Vec<i64> = (0..len as i64).collect();
    for last in (1..len).rev() {
        let pick = (rng.next_u64() as u128 * (last as u128 + 1)) >> 64; // 0..=last
        order.swap(last, pick as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64, step: u64, batch: usize, len: usize) -> Vec<i64> {
        Vec::try_from(batch_indices(seed, step, batch, len)).unwrap()
    }

    #[test]
    fn every_epoch_sees_every_sample_once_even_when_batches_straddle_epochs() {
        let all: Vec<i64> = (0..30).flat_map(|step| drawn(3, step, 7, 30)).collect();
        let epochs: Vec<&[i64]> = all.chunks(30).collect();
        assert_eq!(epochs.len(), 7);
        for epoch in &epochs {
            let mut sorted = epoch.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..30).collect::<Vec<i64>>());
        }
        assert_ne!(epochs[0], epochs[1], "each epoch has its own order");
    }

    #[test]
    fn the_batch_size_cuts_the_same_stream() {
        let by_five: Vec<i64> = (0..6).flat_map(|step| drawn(1, step, 5, 12)).collect();
        let by_fifteen: Vec<i64> = (0..2).flat_map(|step| drawn(1, step, 15, 12)).collect();
        assert_eq!(by_five, by_fifteen);
        assert_ne!(drawn(1, 0, 12, 12), drawn(2, 0, 12, 12), "another seed, another order");
    }

    #[test]
    fn an_order_is_not_taken_for_anothers() {
        let fresh = |seed, epoch, len: usize| shuffled(seed, epoch, len)[..4].to_vec();
        for (seed, epoch, len) in [(1, 0, 12), (2, 0, 12), (2, 1, 12), (2, 1, 16), (1, 0, 12)] {
            assert_eq!(drawn(seed, epoch * len as u64 / 4, 4, len), fresh(seed, epoch, len));
        }
    }

    #[test]
    fn every_order_is_equally_likely() {
        let mut seen = std::collections::HashMap::new();
        for epoch in 0..24_000 {
            *seen.entry(shuffled(5, epoch, 4)).or_insert(0.0) += 1.0;
        }
        assert_eq!(seen.len(), 24, "all orders of four samples");
        let chi2: f64 = seen.values().map(|n: &f64| (n - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi2 < 23.0 + 4.0 * 46f64.sqrt(), "chi^2 {chi2} with 23 degrees of freedom");
    }

    /// A change here changes every training run: it must be deliberate.
    #[test]
    fn the_order_is_pinned() {
        assert_eq!(drawn(0, 0, 8, 60_000), [11348, 51458, 59763, 29030, 55199, 18183, 7321, 37623]);
    }

    #[test]
    #[should_panic(expected = "empty data set")]
    fn an_empty_data_set_is_refused() {
        drawn(0, 0, 4, 0);
    }
}
