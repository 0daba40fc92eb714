//! Numbers out of tensors, with the shapes that a picture can show.

use crate::util::device::on_cpu;
use tch::Tensor;

/// The rows of `[N, 2]`.
pub(super) fn points(what: &str, tensor: &Tensor) -> Vec<(f64, f64)> {
    let size = tensor.size();
    assert!(matches!(size[..], [_, 2]), "{what} wants points of shape [N, 2], got {size:?}");
    values(tensor).as_chunks::<2>().0.iter().map(|[x, y]| (*x, *y)).collect()
}

/// All elements, row by row.
pub(super) fn values(tensor: &Tensor) -> Vec<f64> {
    let mut values = vec![0.0; tensor.numel()];
    let tensor = on_cpu(&tensor.detach()).contiguous();
    tensor.copy_data(&mut values, tensor.numel());
    values
}
