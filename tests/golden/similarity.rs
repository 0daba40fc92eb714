//! PSNR and SSIM against scikit-image.

use crate::{EXACT, assert_close, flat, read};
use from_noise::metrics::{psnr, ssim};
use serde::Deserialize;
use tch::Tensor;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    shape: [i64; 3],
    image: Vec<u8>,
    real: Vec<u8>,
    psnr: f64,
    ssim: f64,
}

#[test]
fn h1_psnr_and_ssim_agree_with_scikit_image() {
    let golden: Golden = read("similarity.json");
    for Case { shape: [c, h, w], image, real, psnr: decibels, ssim: likeness } in golden.cases {
        let pixels = |pixels: &[u8]| Tensor::from_slice(pixels).view([1, c, h, w]);
        let (image, real) = (pixels(&image), pixels(&real));
        assert_close("psnr", &flat(&psnr(&image, &real)), &[decibels], EXACT);
        assert_close("ssim", &flat(&ssim(&image, &real)), &[likeness], EXACT);
        // each image of a batch has its own number
        let both = |a: &Tensor, b: &Tensor| Tensor::cat(&[a, b], 0);
        let two = ssim(&both(&real, &image), &both(&real, &real));
        assert_close("ssim of two", &flat(&two), &[1.0, likeness], EXACT);
    }
}
