//! A folder of pictures: one subfolder per class, png or jpeg files in each.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use tch::Tensor;

use super::error::{Error, Result};
use super::{Dataset, Format};

/// The longest side of a picture, checked before it is decoded.
pub const LARGEST_SIDE: u32 = 8192;
/// The largest picture file, checked before it is read.
pub const LARGEST_FILE: u64 = 64 << 20;

const LAYOUT: &str = "one subfolder per class, with png or jpeg files in each";
const RESAVE: &str = "save it again as png or jpeg, or remove it";

/// Every picture below `folder` as `[N, C, size, size]`: turned upright (EXIF), put on white where
/// it is transparent, scaled until the shorter side fits and cropped to the centre square.
///
/// Classes are the subfolders in the order of their names, and so are the pictures of a class
/// ("10.png" before "2.png"). Names that start with a dot are not looked at.
///
/// # Errors
/// The first file that is not a whole png or jpeg within [`LARGEST_SIDE`] and [`LARGEST_FILE`];
/// a folder without classes, or a class without pictures. Nothing is skipped.
pub fn load(folder: &Path, format: Format) -> Result<Dataset> {
    let (mut classes, mut files, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for class in entries(folder)? {
        if !class.is_dir() {
            refuse_stray_picture(folder, &class)?;
            continue;
        }
        let pictures = pictures(&class)?;
        labels.resize(labels.len() + pictures.len(), classes.len() as i64);
        classes.push(file_name(&class));
        files.extend(pictures);
    }
    if classes.is_empty() {
        return Err(Error::content(folder, LAYOUT, "no subfolder", "sort the pictures into some"));
    }
    let side = format.size as i64;
    let images = Tensor::from_slice(&decode_all(&files, format)?);
    let images = images.view([-1, format.color.channels(), side, side]); // [N*C*H*W] -> [N, C, H, W]
    Ok(Dataset::new(&file_name(folder), images, Tensor::from_slice(&labels), classes))
}

/// Every picture of `folder`, or of its subfolders if it has any, without regard to classes:
/// `[N, C, size, size]`, in the order of [`load`].
///
/// Pictures of another size are refused, not scaled: whoever compares pictures wants those that
/// are there.
///
/// # Errors
/// As [`load`], and the first picture of another size.
pub fn load_pictures(folder: &Path, format: Format) -> Result<Tensor> {
    let found = entries(folder)?;
    let files = if found.iter().any(|path| path.is_dir()) {
        let mut files = Vec::new();
        for path in found {
            match path.is_dir() {
                true => files.extend(pictures(&path)?),
                false => refuse_stray_picture(folder, &path)?,
            }
        }
        files
    } else {
        pictures(folder)?
    };
    files.iter().try_for_each(|file| refuse_other_size(file, format.size))?;
    let side = format.size as i64;
    let images = Tensor::from_slice(&decode_all(&files, format)?);
    Ok(images.view([-1, format.color.channels(), side, side])) // [N*C*H*W] -> [N, C, H, W]
}

fn refuse_other_size(file: &Path, side: u32) -> Result<()> {
    let reader = ImageReader::open(file).and_then(ImageReader::with_guessed_format);
    // What cannot be read is named when it is decoded.
    match reader.map(ImageReader::into_dimensions) {
        Ok(Ok((width, height))) if (width, height) != (side, side) => {
            let (expected, found) =
                (format!("{side} x {side} pixels"), format!("{width} x {height}"));
            Err(Error::content(file, expected, found, "scale the pictures first"))
        }
        _ => Ok(()),
    }
}

/// What lies in a folder, sorted, without hidden files.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        if !file_name(&path).starts_with('.') {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    extension.is_some_and(|e| ["png", "jpg", "jpeg"].contains(&e.as_str()))
}

fn refuse_stray_picture(folder: &Path, file: &Path) -> Result<()> {
    if !is_picture(file) {
        return Ok(()); // a README or a licence may stand beside the classes
    }
    let found = format!("{} beside them", file_name(file));
    Err(Error::content(folder, LAYOUT, found, "move it into the folder of its class"))
}

fn pictures(class: &Path) -> Result<Vec<PathBuf>> {
    let files = entries(class)?;
    if files.is_empty() {
        return Err(Error::content(class, "png or jpeg files", "none", "remove the folder"));
    }
    match files.iter().find(|file| !is_picture(file)) {
        Some(other) => Err(Error::content(other, "a png or jpeg file", "another", RESAVE)),
        None => Ok(files),
    }
}

/// All pictures one after another as `[C, H, W]` bytes, each core decoding its share.
fn decode_all(files: &[PathBuf], format: Format) -> Result<Vec<u8>> {
    let picture = format.color.channels() as usize * (format.size as usize).pow(2);
    let mut bytes = vec![0; files.len() * picture];
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let share = files.len().div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        let shares = files.chunks(share).zip(bytes.chunks_mut(share * picture));
        let workers: Vec<_> = shares
            .map(|(files, bytes)| {
                scope.spawn(move || {
                    let targets = files.iter().zip(bytes.chunks_mut(picture));
                    targets.into_iter().try_for_each(|(file, to)| decode(file, format, to))
                })
            })
            .collect();
        // In the order of the files, so that the same file is named in every run.
        workers.into_iter().try_for_each(|worker| worker.join().expect("decoding does not panic"))
    })?;
    Ok(bytes)
}

fn decode(path: &Path, format: Format, to: &mut [u8]) -> Result<()> {
    let picture = read(path)?;
    let square = |picture: DynamicImage| {
        picture.resize_to_fill(format.size, format.size, FilterType::CatmullRom)
    };
    let pixels = match format.color {
        super::Color::Gray => square(on_white(picture)).into_luma8().into_raw(),
        super::Color::Rgb => square(on_white(picture)).into_rgb8().into_raw(),
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
fn read(path: &Path) -> Result<DynamicImage> {
    let length = fs::metadata(path).map_err(Error::io(path))?.len();
    if length > LARGEST_FILE {
        let expected = format!("at most {LARGEST_FILE} bytes");
        return Err(Error::content(path, expected, length.to_string(), "make it smaller"));
    }
    let bytes = fs::read(path).map_err(Error::io(path))?;
    let damaged = |error: image::ImageError| {
        Error::content(path, "a whole png or jpeg file", format!("damage ({error})"), RESAVE)
    };
    let format = match image::guess_format(&bytes) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png)) if !has_end(&bytes, format) => {
            let expected = format!("a whole {format:?} file").to_lowercase();
            return Err(Error::content(path, expected, "one cut short", RESAVE));
        }
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png)) => format,
        _ => {
            return Err(Error::content(path, "a png or jpeg file", "other content", RESAVE));
        }
    };
    let open = || ImageReader::with_format(Cursor::new(&bytes), format);
    let (width, height) = open().into_dimensions().map_err(damaged)?;
    if width.max(height) > LARGEST_SIDE {
        let expected = format!("at most {LARGEST_SIDE} pixels a side");
        return Err(Error::content(
            path,
            expected,
            format!("{width} x {height}"),
            "make it smaller",
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

/// Whether the marker of the end is there: the jpeg decoder would fill what is missing with grey.
fn has_end(bytes: &[u8], format: ImageFormat) -> bool {
    if format == ImageFormat::Png {
        return bytes.windows(8).any(|window| window == b"IEND\xae\x42\x60\x82");
    }
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    bytes[..end].ends_with(&[0xff, 0xd9])
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

#[cfg(test)]
#[path = "image_folder_tests.rs"]
mod tests;
