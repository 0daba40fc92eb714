//! Images in memory, as the `u8` they were stored as, and batches of them as networks want them.

use super::error::{Error, Result};
use super::format::Format;
use super::resize::reduce;
use tch::{Device, Kind, Tensor};

/// Labelled images, all of one size.
#[derive(Debug)]
pub struct Dataset {
    pub name: String,
    /// `[N, C, H, W]`, u8.
    pub images: Tensor,
    /// `[N]`, i64: indices into `classes`.
    pub labels: Tensor,
    pub classes: Vec<String>,
    /// `[N, L]`, i64: what each image shows, as the tokens of
    /// [`Tokenizer`](super::captions::Tokenizer), where there are captions.
    pub captions: Option<Tensor>,
}

impl Dataset {
    /// A data set of these labelled images.
    ///
    /// # Panics
    /// When the images are not `[N, C, H, W]` u8, or the labels not `[N]` i64 below the number of
    /// classes.
    pub fn new(name: &str, images: Tensor, labels: Tensor, classes: Vec<String>) -> Self {
        let (shape, count) = (images.size(), labels.size());
        assert_eq!(images.kind(), Kind::Uint8, "images stay u8 until they are used");
        assert_eq!(labels.kind(), Kind::Int64, "labels are i64");
        assert_eq!(shape.len(), 4, "images are [N, C, H, W], not {shape:?}");
        assert_eq!(count, shape[..1], "images {shape:?} and labels {count:?} differ in N");
        if count[0] > 0 {
            let (low, high) = (labels.min().int64_value(&[]), labels.max().int64_value(&[]));
            let known = low >= 0 && high < classes.len() as i64;
            assert!(known, "labels {low}..={high} for {} classes", classes.len());
        }
        Self { name: name.into(), images, labels, classes, captions: None }
    }

    /// The same images with these captions, `[N, L]`, i64.
    ///
    /// # Panics
    /// On another shape or kind.
    pub fn with_captions(self, captions: Tensor) -> Self {
        let (shape, kind, n) = (captions.size(), captions.kind(), self.len() as i64);
        let fits = shape.len() == 2 && shape[0] == n && kind == Kind::Int64;
        assert!(fits, "captions of {n} images are [{n}, L] in Int64, not {shape:?} in {kind:?}");
        Self { captions: Some(captions), ..self }
    }

    pub fn len(&self) -> usize {
        self.labels.size()[0] as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape of one image, `[C, H, W]`.
    pub fn image_shape(&self) -> [i64; 3] {
        let (_, c, h, w) = self.images.size4().expect("checked in new");
        [c, h, w]
    }

    /// The first `n` images (all, if there are fewer), sharing memory with these.
    pub fn first(&self, n: usize) -> Self {
        let n = n.min(self.len()) as i64;
        self.each(|rows| rows.narrow(0, 0, n))
    }

    fn each(&self, change: impl Fn(&Tensor) -> Tensor) -> Self {
        Self {
            name: self.name.clone(),
            images: change(&self.images),
            labels: change(&self.labels),
            classes: self.classes.clone(),
            captions: self.captions.as_ref().map(&change),
        }
    }

    /// The images in `format`: as they are, or [`reduce`]d and rounded to pixels where its side
    /// divides theirs.
    ///
    /// # Errors
    /// Another side, or other colours.
    pub fn brought_to(self, format: Format) -> Result<Self> {
        let (wanted, found) = (format.shape(), self.image_shape());
        let factor = found[1] / wanted[1];
        if found != [wanted[0], factor * wanted[1], factor * wanted[2]] {
            return Err(Error::Shape { name: self.name, wanted, found });
        }
        if factor == 1 {
            return Ok(self);
        }
        let part = |images: Tensor| to_u8(&reduce(&from_u8(&images), factor));
        let parts: Vec<Tensor> = self.images.split(4096, 0).into_iter().map(part).collect();
        Ok(Self { images: Tensor::cat(&parts, 0), ..self })
    }

    /// The same images held on `device`, so that batches need no copying to it. The captions stay
    /// where they are: they are checked on the CPU before a network reads them.
    pub fn to_device(&self, device: Device) -> Self {
        let captions = self.captions.as_ref().map(Tensor::shallow_clone);
        Self { captions, ..self.each(|rows| rows.to_device(device)) }
    }

    /// The images with these numbers as clean samples `x0` (`[B, C, H, W]`, f32 in `[-1, 1]`), and
    /// their labels (`[B]`, i64).
    ///
    /// Pixels travel to `device` as u8 and are scaled there.
    ///
    /// # Shapes
    /// `indices: [B]`, i64, as [`batch_indices`](super::batch_indices) draws them.
    pub fn batch(&self, indices: &Tensor, device: Device) -> (Tensor, Tensor) {
        let indices = indices.to_device(self.images.device());
        let pixels = self.images.index_select(0, &indices).to_device(device);
        (from_u8(&pixels), self.labels.index_select(0, &indices).to_device(device))
    }

    /// The captions of the images with these numbers, `[B, L]` (i64), if there are any.
    pub fn caption_batch(&self, indices: &Tensor) -> Option<Tensor> {
        self.captions.as_ref().map(|captions| captions.index_select(0, indices))
    }
}

// ANCHOR: pixels
/// Pixels 0..=255 as f32 in `[-1, 1]`: `x / 127.5 - 1` (DDPM section 3.3).
pub fn from_u8(pixels: &Tensor) -> Tensor {
    pixels.to_kind(Kind::Float) / 127.5 - 1.0
}

/// Samples as pixels: clipped to `[-1, 1]` and rounded to the nearest of the 256 values of
/// [`from_u8`].
///
/// Scores are computed on these, since a saved picture holds nothing finer.
pub fn to_u8(x: &Tensor) -> Tensor {
    let pixels: Tensor = (x.to_kind(Kind::Float) + 1.0) * 127.5;
    pixels.round().clamp(0.0, 255.0).to_kind(Kind::Uint8)
}
// ANCHOR_END: pixels

#[cfg(test)]
mod tests {
    use super::super::Color;
    use super::*;

    fn tiny() -> Dataset {
        let images = Tensor::arange(12, (Kind::Uint8, Device::Cpu)).view([3, 1, 2, 2]);
        let classes = vec!["a".into(), "b".into()];
        Dataset::new("tiny", images, Tensor::from_slice(&[0i64, 1, 0]), classes)
    }

    #[test]
    fn a_batch_holds_the_asked_images_scaled() {
        let (x0, labels) = tiny().batch(&Tensor::from_slice(&[2i64, 1]), Device::Cpu);
        assert_eq!(x0.size(), [2, 1, 2, 2]);
        assert_eq!(x0.kind(), Kind::Float);
        assert_eq!(labels, Tensor::from_slice(&[0i64, 1]));
        let x0: Vec<f32> = Vec::try_from(x0.flatten(0, -1)).unwrap();
        let expected = [8, 9, 10, 11, 4, 5, 6, 7].map(|pixel| pixel as f32 / 127.5 - 1.0);
        assert_eq!(x0, expected);
    }

    #[test]
    fn all_256_pixel_values_survive_the_round_trip() {
        let pixels = Tensor::arange(256, (Kind::Uint8, Device::Cpu));
        let x = from_u8(&pixels);
        assert_eq!(x.double_value(&[0]), -1.0);
        assert_eq!(x.double_value(&[255]), 1.0);
        assert_eq!(to_u8(&x), pixels);
        let outside = Tensor::from_slice(&[-7.0f32, 7.0, 0.001]);
        assert_eq!(to_u8(&outside), Tensor::from_slice(&[0u8, 255, 128]));
    }

    #[test]
    fn the_first_images_keep_their_labels() {
        let two = tiny().first(2);
        assert_eq!((two.len(), two.image_shape()), (2, [1, 2, 2]));
        assert_eq!(two.labels, Tensor::from_slice(&[0i64, 1]));
        assert_eq!(tiny().first(9).len(), 3);
    }

    #[test]
    fn captions_stay_with_their_images() {
        let tokens = Tensor::arange(6, (Kind::Int64, Device::Cpu)).view([3, 2]);
        let data = || tiny().with_captions(tokens.shallow_clone());
        let chosen = Tensor::from_slice(&[2i64, 0]);
        let rows = Tensor::from_slice(&[4i64, 5, 0, 1]).view([2, 2]);
        assert_eq!(data().caption_batch(&chosen), Some(rows));
        assert_eq!(tiny().caption_batch(&chosen), None);
        assert_eq!(data().first(2).captions, Some(tokens.narrow(0, 0, 2)));
        assert_eq!(data().to_device(Device::Cpu).captions.as_ref(), Some(&tokens));
        let half = data().brought_to(Format { color: Color::Gray, size: 1 }).unwrap();
        assert_eq!(half.captions, Some(tokens));
    }

    #[test]
    #[should_panic(expected = "captions of 3 images are [3, L] in Int64, not [2, 4]")]
    fn captions_of_other_images_are_a_bug() {
        tiny().with_captions(Tensor::zeros([2, 4], (Kind::Int64, Device::Cpu)));
    }

    #[test]
    fn reduced_images_are_the_rounded_means_of_squares() {
        let pixels = [[0u8, 10, 255, 255], [20, 31, 255, 251], [9; 4], [9; 4]].concat();
        let images = Tensor::from_slice(&pixels).view([1, 1, 4, 4]);
        let data = || {
            let labels = Tensor::from_slice(&[0i64]);
            Dataset::new("one", images.shallow_clone(), labels, vec!["a".into()])
        };
        let gray = |size| Format { color: Color::Gray, size };
        let reduced = data().brought_to(gray(2)).unwrap().images;
        assert_eq!(reduced, Tensor::from_slice(&[15u8, 254, 9, 9]).view([1, 1, 2, 2]));
        assert_eq!(data().brought_to(gray(4)).unwrap().images, images);
        for other in [gray(3), gray(8), Format { color: Color::Rgb, size: 2 }] {
            assert!(data().brought_to(other).is_err(), "{other:?}");
        }
    }

    #[test]
    #[should_panic(expected = "labels 0..=1 for 1 classes")]
    fn a_label_without_a_class_is_a_bug() {
        let Dataset { images, labels, .. } = tiny();
        Dataset::new("tiny", images, labels, vec!["a".into()]);
    }
}
