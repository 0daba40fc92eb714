//! A small picture of many images, for pages that carry it in their data.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use tch::{Device, Kind, Tensor};

/// One png of images `[N, C, H, W]` in [-1, 1] without gaps, `columns` in a row, in sixteen shades:
/// half the bytes of all 256.
///
/// # Panics
/// When the last row is not full.
pub fn sheet(images: &Tensor, columns: i64) -> Vec<u8> {
    let (n, channels, height, width) = images.size4().expect("images are [N, C, H, W]");
    assert_eq!(n % columns, 0, "{n} images in rows of {columns}");
    let shades = ((images + 1.0) * 7.5).round().clamp(0.0, 15.0) * 17.0;
    let pixels = shades
        .view([n / columns, columns, channels, height, width])
        .permute([0, 3, 1, 4, 2]) // [rows, H, columns, W, C]
        .contiguous()
        .view(-1);
    let pixels = pixels.to_kind(Kind::Uint8).to_device(Device::Cpu);
    let pixels = Vec::<u8>::try_from(pixels).expect("pixels are u8");
    let color = if channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    let (width, height) = ((columns * width) as u32, (n / columns * height) as u32);
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::NoFilter)
        .write_image(&pixels, width, height, color)
        .expect("memory takes every byte");
    bytes
}
