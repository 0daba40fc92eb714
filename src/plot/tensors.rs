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

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn rows_become_points_whatever_the_layout_and_the_kind() {
        let tensor = Tensor::from_slice(&[1f32, 2.0, 3.0, 4.0, 5.0, 6.0]).view([2, 3]).tr();
        assert_eq!(points("a test", &tensor), [(1.0, 4.0), (2.0, 5.0), (3.0, 6.0)]);
    }

    #[test]
    #[should_panic(expected = "a test wants points of shape [N, 2], got [4, 3]")]
    fn other_shapes_are_named() {
        points("a test", &Tensor::zeros([4, 3], (Kind::Float, Device::Cpu)));
    }
}
