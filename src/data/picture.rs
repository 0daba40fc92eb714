//! One picture file: png or jpeg, whole and within limits, turned upright and scaled.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use tch::Tensor;

use super::{Color, Format};

/// The longest side of a picture, checked before it is decoded, and again before it is scaled.
pub const LARGEST_SIDE: u32 = 8192;
/// The largest picture file, checked before it is read.
pub const LARGEST_FILE: u64 = 64 << 20;

/// How a picture of another size is brought to the asked one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    Crop,
    Exact,
}

/// One picture of exactly the format's side, `[C, H, W]` in u8.
///
/// # Errors
/// In one sentence, what is wrong with the file.
pub fn load_picture(path: &Path, format: Format) -> Result<Tensor, String> {
    let shape = format.shape();
    let mut pixels = vec![0; shape.iter().product::<i64>() as usize];
    decode(path, format, Fit::Exact, &mut pixels)
        .map_err(|why| format!("{}: {why}", path.display()))?;
    Ok(Tensor::from_slice(&pixels).view(shape))
}

/// Reads one file into `to`, `[C, H, W]`, or says why not.
pub(super) fn decode(path: &Path, format: Format, fit: Fit, to: &mut [u8]) -> Result<(), String> {
    let picture = on_white(read(path, format.size, fit)?);
    let square = picture.resize_to_fill(format.size, format.size, FilterType::CatmullRom);
    let pixels = match format.color {
        Color::Gray => square.into_luma8().into_raw(),
        Color::Rgb => square.into_rgb8().into_raw(),
    };
    let channels = format.color.channels() as usize;
    let plane = to.len() / channels;
    for (at, pixel) in pixels.chunks(channels).enumerate() {
        for (channel, value) in pixel.iter().enumerate() {
            to[channel * plane + at] = *value; // [H, W, C] -> [C, H, W]
        }
    }
    Ok(())
}

/// Reads and decodes one file, within the limits.
fn read(path: &Path, size: u32, fit: Fit) -> Result<DynamicImage, String> {
    let unread = |error: std::io::Error| format!("cannot be read ({error})");
    let damaged = |error: image::ImageError| format!("damaged ({error})");
    let length = fs::metadata(path).map_err(unread)?.len();
    if length > LARGEST_FILE {
        return Err(format!("{length} bytes, more than {LARGEST_FILE}"));
    }
    let bytes = fs::read(path).map_err(unread)?;
    let (format, end) = match image::guess_format(&bytes) {
        Ok(ImageFormat::Png) => (ImageFormat::Png, png_end(&bytes)),
        Ok(ImageFormat::Jpeg) => (ImageFormat::Jpeg, jpeg_end(&bytes)),
        other => return Err(kind(other.ok(), &bytes)),
    };
    // The jpeg decoder would fill what is missing with grey.
    let bytes = &bytes[..end.ok_or("cut short")?];
    let open = || ImageReader::with_format(Cursor::new(bytes), format);
    let (width, height) = open().into_dimensions().map_err(damaged)?;
    let (shorter, longer) = (width.min(height).max(1), width.max(height));
    let scaled = longer as u64 * size as u64 / shorter as u64;
    if longer > LARGEST_SIDE {
        return Err(format!("{width} x {height} pixels, more than {LARGEST_SIDE} a side"));
    }
    if fit == Fit::Exact && (width, height) != (size, size) {
        return Err(format!("{width} x {height} pixels, not {size} x {size}"));
    }
    if scaled > LARGEST_SIDE.into() {
        return Err(format!(
            "{width} x {height} pixels, so thin that it is {scaled} long when {size} wide"
        ));
    }
    let mut reader = open();
    reader.limits(Limits::default());
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let orientation = decoder.orientation().map_err(damaged)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// What a file is that is neither png nor jpeg.
fn kind(guessed: Option<ImageFormat>, bytes: &[u8]) -> String {
    let brand = bytes.get(4..12).and_then(|brand| brand.strip_prefix(b"ftyp"));
    let name = match (guessed, brand) {
        _ if bytes.is_empty() => return "an empty file".into(),
        (_, Some(b"heic" | b"heix" | b"mif1" | b"msf1")) => "HEIC".to_owned(),
        (Some(format), _) => format!("{format:?}"), // WebP, Gif, Bmp
        _ => return "no picture, whatever its name".into(),
    };
    format!("a {name} picture, not png or jpeg")
}

/// Where the last chunk of a png ends, if it is there.
fn png_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(8).position(|window| window == b"IEND\xae\x42\x60\x82").map(|at| at + 8)
}

/// Where the end marker of a jpeg ends, if it is there: cameras append what they like behind it, and
/// a preview inside the file has an end marker of its own.
fn jpeg_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 2; // behind the start marker
    loop {
        // Coded pixels between two markers: there a byte 0xff is followed by 0 or a restart marker.
        while *bytes.get(at)? != 0xff || matches!(*bytes.get(at + 1)?, 0 | 0xd0..=0xd7 | 0xff) {
            at += 1;
        }
        if bytes[at + 1] == 0xd9 {
            return Some(at + 2);
        }
        let length = [*bytes.get(at + 2)?, *bytes.get(at + 3)?];
        at += 2 + u16::from_be_bytes(length) as usize;
    }
}

fn on_white(picture: DynamicImage) -> DynamicImage {
    if !picture.color().has_alpha() {
        return picture;
    }
    let mut rgba = picture.into_rgba8();
    for pixel in rgba.pixels_mut() {
        let alpha = pixel[3] as f32 / 255.0;
        for channel in 0..3 {
            let blended = alpha * pixel[channel] as f32 + (1.0 - alpha) * 255.0;
            pixel[channel] = blended.round() as u8;
        }
        pixel[3] = 255;
    }
    DynamicImage::ImageRgba8(rgba)
}
