//! A few real digits that come with the crate, for chapters and pages that must not wait for a
//! download.

use super::Dataset;
use tch::Tensor;

/// The first 256 test digits of MNIST (LeCun, Cortes & Burges; CC BY-SA 3.0), 16 x 16 tiles.
const SHEET: &[u8] = include_bytes!("../../datasets/mnist-sample.png");
/// What they are.
const LABELS: &[u8; 256] = b"7210414959069015973496654074013134727121174235124463556041957893\
     7464307029173297762784736136931417696054992194873974449254767905\
     8566578101646731718202995515603446546545144723271818185089250111\
     0903164236111395294593903655722712841733887922415987230442419577";
const TILES: i64 = 16;
const SIDE: i64 = 28;

/// 256 handwritten digits: `[256, 1, 28, 28]`, f32 in `[-1, 1]`.
pub fn digits() -> Tensor {
    super::from_u8(&dataset().images)
}

/// The digits of [`digits`] as a data set, with their labels.
pub fn dataset() -> Dataset {
    let sheet = image::load_from_memory(SHEET).expect("the sheet is part of the crate").to_luma8();
    let pixels = Tensor::from_slice(sheet.as_raw()).view([TILES, SIDE, TILES, SIDE]);
    let digits = pixels.permute([0, 2, 1, 3]).reshape([TILES * TILES, 1, SIDE, SIDE]);
    let labels: Vec<i64> = LABELS.iter().map(|digit| i64::from(digit - b'0')).collect();
    let classes = (0..10).map(|digit| digit.to_string()).collect();
    Dataset::new("mnist-sample", digits, Tensor::from_slice(&labels), classes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn the_sheet_is_cut_into_whole_digits() {
        let digits = digits();
        assert_eq!(digits.size(), [256, 1, 28, 28]);
        assert_eq!(digits.min().double_value(&[]), -1.0);
        assert_eq!(digits.max().double_value(&[]), 1.0);
        // a digit is centred: there is almost nothing on its border, and ink in its middle
        let border = digits.narrow(2, 0, 2).mean(Kind::Float);
        assert!(border.double_value(&[]) < -0.99, "the tiles are cut off centre");
        let middle = digits.narrow(2, 8, 12).narrow(3, 8, 12).mean(Kind::Float);
        assert!(middle.double_value(&[]) > -0.6);
    }
}
