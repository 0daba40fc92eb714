//! How near an image is to the one it should be, pixel by pixel: PSNR and SSIM.

use crate::util::device::on_cpu;
use tch::Tensor;

/// The greatest pixel.
const PEAK: f64 = 255.0;

// ANCHOR: psnr
/// Peak signal-to-noise ratio of each image in decibels, `10 log10(255^2 / MSE)`; infinite of equal
/// images. Averages over images are taken of these numbers.
///
/// # Shapes
/// `images`, `real`: `[B, C, H, W]`, pixels 0 to 255 of any kind -> `[B]`, f64.
pub fn psnr(images: &Tensor, real: &Tensor) -> Tensor {
    let error: Tensor = on_cpu(images) - on_cpu(real);
    let mse = error.square().flatten(1, -1).mean_dim(1, false, None);
    10.0 * (PEAK * PEAK / mse).log10()
}
// ANCHOR_END: psnr

/// Side and standard deviation of the Gaussian window.
const WINDOW: i64 = 11;
const STD: f64 = 1.5;

// ANCHOR: ssim
/// Structural similarity of each image (Wang et al. 2004, eq. 13): how far means, variances and
/// covariance agree in a Gaussian window of 11 x 11 pixels, averaged over all places where the window
/// fits, and over channels. 1 for equal images.
///
/// # Shapes
/// `images`, `real`: `[B, C, H, W]`, at least 11 pixels a side, 0 to 255 of any kind -> `[B]`, f64.
pub fn ssim(images: &Tensor, real: &Tensor) -> Tensor {
    let (_, _, h, w) = images.size4().expect("images are [B, C, H, W]");
    assert!(
        h >= WINDOW && w >= WINDOW,
        "SSIM's window of {WINDOW} pixels needs more than {h} x {w}"
    );
    let planes = |x: &Tensor| on_cpu(x).flatten(0, 1).unsqueeze(1); // [B C, 1, H, W]
    let (x, y) = (planes(images), planes(real));
    let window = window();
    let mean = |x: &Tensor| x.conv2d(&window, None::<&Tensor>, 1, 0, 1, 1);
    let (mean_x, mean_y) = (mean(&x), mean(&y));
    let var_x = mean(&x.square()) - mean_x.square();
    let var_y = mean(&y.square()) - mean_y.square();
    let cov = mean(&(x * y)) - &mean_x * &mean_y;
    let (c1, c2) = ((0.01 * PEAK).powi(2), (0.03 * PEAK).powi(2));
    let above = (2.0 * &mean_x * &mean_y + c1) * (2.0 * cov + c2);
    let below = (mean_x.square() + mean_y.square() + c1) * (var_x + var_y + c2);
    let ssim: Tensor = above / below; // [B C, 1, H - 10, W - 10]
    ssim.view([images.size()[0], -1]).mean_dim(1, false, None)
}
// ANCHOR_END: ssim

/// `[1, 1, 11, 11]`, f64; its sum is 1.
fn window() -> Tensor {
    let places = Tensor::arange(WINDOW, tch::kind::DOUBLE_CPU) - (WINDOW / 2);
    let bell: Tensor = (places.square() / (-2.0 * STD * STD)).exp();
    let bell: Tensor = &bell / bell.sum(None);
    bell.outer(&bell).view([1, 1, WINDOW, WINDOW])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn equal_images_are_as_near_as_can_be_and_a_known_error_has_its_decibels() {
        let real = Tensor::arange(2 * 144, (Kind::Uint8, Device::Cpu)).view([2, 1, 12, 12]);
        assert_eq!(psnr(&real, &real).double_value(&[0]), f64::INFINITY);
        assert!((ssim(&real, &real) - 1.0f64).abs().max().double_value(&[]) < 1e-12);
        let off: Tensor =
            real.to_kind(Kind::Double) + Tensor::from_slice(&[0.0, 25.5]).view([2, 1, 1, 1]);
        let found = psnr(&off, &real);
        assert!((found.double_value(&[1]) - 20.0).abs() < 1e-12); // a tenth of the peak
        assert!(ssim(&off, &real).double_value(&[1]) < 1.0);
    }
}
