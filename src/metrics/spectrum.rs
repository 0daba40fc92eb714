//! Power by spatial frequency: what noise drowns first.

use crate::util::device::on_cpu;
use tch::Tensor;

/// The mean power of the Fourier coefficients whose frequency lies in one ring.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Band {
    /// The ring's middle, in cycles a pixel (at most 0.5 along an axis).
    pub frequency: f64,
    /// Mean squared magnitude under the orthonormal transform: white noise of unit variance has
    /// power 1 at every frequency.
    pub power: f64,
}

/// The radial power spectrum of square images, `bands` rings from the lowest frequency (without
/// the mean) to 0.5 cycles a pixel.
///
/// # Shapes
/// `images: [N, C, H, W]`, `H = W`, at least 8 pixels wide.
///
/// # Panics
/// On other shapes, or when a ring holds no coefficient.
pub fn radial_spectrum(images: &Tensor, bands: usize) -> Vec<Band> {
    let size = images.size();
    let [_, _, height, side] = size[..] else { panic!("images are {size:?}, not [N, C, H, W]") };
    assert!(height == side && side >= 8, "images are {size:?}: square and at least 8 wide, please");
    let spectrum = on_cpu(images).fft_fft2(None::<&[i64]>, [-2, -1], "ortho");
    let power = spectrum.abs().square().mean_dim([0, 1].as_slice(), false, None); // [H, W]
    let axis = Tensor::fft_fftfreq(side, 1.0, tch::kind::DOUBLE_CPU);
    let radius = (axis.square().unsqueeze(0) + axis.square().unsqueeze(1)).sqrt(); // [H, W]
    let lowest = 0.5 / side as f64;
    let width = (0.5 - lowest) / bands as f64;
    (0..bands)
        .map(|band| {
            let from = lowest + width * band as f64;
            let ring = radius.ge(from).logical_and(&radius.lt(from + width));
            assert!(ring.any().int64_value(&[]) == 1, "{bands} rings are too many for {side} px");
            let power = power.masked_select(&ring).mean(None).double_value(&[]);
            Band { frequency: from + width / 2.0, power }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Seeded;

    #[test]
    fn white_noise_is_flat_and_a_wave_is_one_ring() {
        let noise = Seeded::new(1, 0).start(&[200, 1, 28, 28]);
        for band in radial_spectrum(&noise, 10) {
            assert!((band.power - 1.0).abs() < 0.05, "{band:?}");
        }
        let x = Tensor::arange(28, tch::kind::DOUBLE_CPU);
        let wave = (x * (std::f64::consts::TAU * 7.0 / 28.0)).cos(); // 0.25 cycles a pixel
        let image = wave.view([1, 1, 1, 28]).expand([1, 1, 28, 28], false);
        let bands = radial_spectrum(&image, 10);
        let total: f64 = bands.iter().map(|b| b.power).sum();
        let best = bands.iter().max_by(|a, b| a.power.total_cmp(&b.power)).unwrap();
        assert!((best.frequency - 0.25).abs() < 0.03 && best.power / total > 0.999);
    }
}
