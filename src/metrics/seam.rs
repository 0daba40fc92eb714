//! Whether what was drawn into a hole fits what lies around it.

use crate::util::device::on_cpu;
use tch::Tensor;

/// The mean squared step between neighbouring pixels of which one is known and the other is not.
/// A hole that is filled well has the steps of real images.
///
/// # Shapes
/// `images: [N, C, H, W]`, `known: [H, W]` (bool) -> `[N]`, f64 on the CPU. NaN where the mask has
/// no border.
pub fn seam(images: &Tensor, known: &Tensor) -> Tensor {
    let (images, known) = (on_cpu(images), on_cpu(known));
    let step = |x: &Tensor, dim: i64| x.diff(1, dim, None::<Tensor>, None::<Tensor>).square();
    let along = |dim: i64| {
        let border = step(&known, dim); // 1 where one of the two is known
        let squares =
            (step(&images, dim) * &border).sum_dim_intlist(&[1i64, 2, 3][..], false, None);
        (squares, border.sum(None))
    };
    let ((down, below), (right, beside)) = (along(-2), along(-1));
    (down + right) / ((below + beside) * images.size()[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_steps_across_the_border_count() {
        // a square of 2 x 2 that is known, in the corner of 3 x 3: four pairs cross its border
        let known = Tensor::from_slice(&[1, 1, 0, 1, 1, 0, 0, 0, 0]).view([3, 3]).gt(0);
        let image = Tensor::from_slice(&[9.0, 1.0, 2.0, 5.0, 1.0, 4.0, 5.0, 1.0, 7.0]);
        let flat = Tensor::full([1, 1, 3, 3], 0.3, tch::kind::DOUBLE_CPU);
        let images = Tensor::cat(&[image.view([1, 1, 3, 3]), flat], 0);
        // across: 1 to 2, 1 to 4, 5 to 5 and 1 to 1
        let expected = Tensor::from_slice(&[(1.0 + 9.0) / 4.0, 0.0]);
        assert_eq!(seam(&images, &known), expected);
        let colours = images.repeat([1, 3, 1, 1]);
        assert_eq!(seam(&colours, &known), expected);
    }
}
