//! Nearest neighbours, found block by block: memory does not grow with the number of pairs.

use crate::util::device::on_cpu;
use tch::{Kind, Tensor};

/// Rows of either side that are compared at a time: 8 MB of distances.
const BLOCK: i64 = 1000;

/// For each of `N` queries the `k` nearest of the points, nearest first.
#[derive(Debug)]
pub struct Neighbors {
    /// Euclidean distances `[N, k]`, f64.
    pub distances: Tensor,
    /// Which points they are, `[N, k]`, i64.
    pub indices: Tensor,
}

/// The `k` points nearest to each query. A query that is one of the points is its own neighbour, at
/// distance 0.
///
/// # Shapes
/// `queries: [N, ...]`, `points: [M, ...]`, of any kind and of one shape beyond the first
/// dimension: features, or images as they are (u8: distances are then in units of a pixel's step).
///
/// # Panics
/// With fewer than `k` points, without a query, or on other shapes.
///
/// ```
/// use from_noise::metrics::nearest_neighbors;
/// use tch::Tensor;
/// let points = Tensor::from_slice(&[0.0, 10.0, 4.0]).view([3, 1]);
/// let found = nearest_neighbors(&Tensor::from_slice(&[3.0]).view([1, 1]), &points, 2);
/// assert_eq!(Vec::<f64>::try_from(found.distances.get(0)).unwrap(), [1.0, 3.0]);
/// assert_eq!(Vec::<i64>::try_from(found.indices.get(0)).unwrap(), [2, 0]);
/// ```
pub fn nearest_neighbors(queries: &Tensor, points: &Tensor, k: usize) -> Neighbors {
    let (squared, indices) = nearest(queries, points, k as i64);
    Neighbors { distances: squared.sqrt(), indices }
}

/// Squared distances and indices of the `k` nearest, `[N, k]`.
pub(super) fn nearest(queries: &Tensor, points: &Tensor, k: i64) -> (Tensor, Tensor) {
    let (shape, of) = (queries.size(), points.size());
    assert!(shape[1..] == of[1..], "queries {shape:?} and points {of:?} differ in width");
    assert!(1 <= k && k <= of[0], "{k} neighbours among {} points", of[0]);
    let blocks = queries.split(BLOCK, 0);
    let nearest = blocks.iter().map(|block| nearest_of_block(block, points, k));
    let (squared, indices): (Vec<_>, Vec<_>) = nearest.unzip();
    (Tensor::cat(&squared, 0), Tensor::cat(&indices, 0))
}

/// Squared distances and indices, `[B, k]`: the best so far compete with every further block.
fn nearest_of_block(queries: &Tensor, points: &Tensor, k: i64) -> (Tensor, Tensor) {
    let mut best: Option<(Tensor, Tensor)> = None;
    let mut first = 0;
    for block in points.split(BLOCK, 0) {
        let mut squared = squared_distances(queries, &block);
        let after = first + block.size()[0];
        let indices = Tensor::arange_start(first, after, (Kind::Int64, squared.device()));
        let mut indices = indices.expand_as(&squared);
        if let Some((nearest, of)) = best {
            squared = Tensor::cat(&[nearest, squared], 1);
            indices = Tensor::cat(&[of, indices], 1);
        }
        let (nearest, at) = squared.topk(k.min(squared.size()[1]), 1, false, true);
        best = Some((nearest, indices.gather(1, &at, false)));
        first = after;
    }
    best.expect("there is at least one point")
}

/// For each query, whether it lies in the ball around any of the points: `[N]`, bool.
///
/// # Shapes
/// `queries: [N, ...]`, `points: [M, ...]`, `squared_radii: [M]`, f64.
pub(super) fn in_any_ball(queries: &Tensor, points: &Tensor, squared_radii: &Tensor) -> Tensor {
    let (points, squared_radii) = (points.split(BLOCK, 0), squared_radii.split(BLOCK, 0));
    let inside = queries.split(BLOCK, 0).into_iter().map(|queries| {
        let of_block = |(points, squared_radii): (&Tensor, &Tensor)| {
            squared_distances(&queries, points).le_tensor(squared_radii).any_dim(1, false)
        };
        let all = points.iter().zip(&squared_radii).map(of_block);
        all.reduce(|a, b| a.logical_or(&b)).expect("there is at least one point")
    });
    Tensor::cat(&inside.collect::<Vec<_>>(), 0)
}

/// `|a|^2 + |b|^2 - 2 a . b` of all pairs, `[N, M]`, f64. What is not above rounding is 0, so that
/// copies are found to be copies.
fn squared_distances(a: &Tensor, b: &Tensor) -> Tensor {
    let (a, b) = (on_cpu(a).flatten(1, -1), on_cpu(b).flatten(1, -1));
    let norm = |x: &Tensor| x.square().sum_dim_intlist(1, false, None::<Kind>);
    let norms = norm(&a).unsqueeze(1) + norm(&b);
    let squared = &norms - a.matmul(&b.tr()) * 2.0;
    let counts = squared.gt_tensor(&(norms * 1e-12));
    squared * counts
}
