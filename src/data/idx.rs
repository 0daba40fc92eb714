//! The idx format of MNIST and its successors: a magic number, the shape, then the bytes.
//!
//! Big-endian: two zero bytes, the element type (8 = u8, the only one read here), the number of
//! dimensions, one u32 a dimension, the data. Files may be gzipped, whatever their names.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tch::Tensor;

use super::error::{Error, FETCH_AGAIN, Result};

/// More than any data set of this format holds (MNIST's largest file is 47 MB): a header that
/// asks for more is damaged.
const LARGEST: u64 = 1 << 30;

/// Reads u8 images, `[N, 1, H, W]`, from an idx file of three dimensions.
pub fn read_images(path: &Path) -> Result<Tensor> {
    let (shape, bytes) = read(path, 3)?;
    Ok(Tensor::from_slice(&bytes).view([shape[0], 1, shape[1], shape[2]]))
}

/// Reads labels, `[N]` as i64, from an idx file of one dimension; all must be below `classes`.
pub fn read_labels(path: &Path, classes: usize) -> Result<Tensor> {
    let (_, bytes) = read(path, 1)?;
    if let Some(at) = bytes.iter().position(|&label| label as usize >= classes) {
        let expected = format!("labels below {classes}");
        let found = format!("label {} for sample {at}", bytes[at]);
        return Err(Error::content(path, expected, found, FETCH_AGAIN));
    }
    let labels: Vec<i64> = bytes.into_iter().map(i64::from).collect();
    Ok(Tensor::from_slice(&labels))
}

/// The shape and the bytes of an idx file with `dims` dimensions.
fn read(path: &Path, dims: u8) -> Result<(Vec<i64>, Vec<u8>)> {
    let mut file = BufReader::new(File::open(path).map_err(Error::io(path))?);
    let gzipped = file.fill_buf().map_err(Error::io(path))?.starts_with(&[0x1f, 0x8b]);
    if gzipped { parse(MultiGzDecoder::new(file), path, dims) } else { parse(file, path, dims) }
}

fn parse(mut reader: impl Read, path: &Path, dims: u8) -> Result<(Vec<i64>, Vec<u8>)> {
    let wrong =
        |expected: String, found: String| Error::content(path, expected, found, FETCH_AGAIN);
    let header_len = 4 + 4 * dims as usize;
    let header = read_up_to(&mut reader, header_len as u64, path)?;
    if header.len() < header_len {
        let found = format!("a file of {} bytes", header.len());
        return Err(wrong(format!("an idx header of {header_len} bytes"), found));
    }
    let (magic, sizes) = header.split_at(4);
    if magic != [0, 0, 8, dims] {
        let expected = format!("the idx magic number {:02x?}", [0, 0, 8, dims]);
        return Err(wrong(expected, format!("{magic:02x?}")));
    }
    let shape: Vec<u32> =
        sizes.chunks(4).map(|s| u32::from_be_bytes([s[0], s[1], s[2], s[3]])).collect();
    let total = shape.iter().try_fold(1u64, |total, &size| total.checked_mul(size as u64));
    let Some(total) = total.filter(|total| (1..=LARGEST).contains(total)) else {
        let expected = format!("a shape of 1 to {LARGEST} bytes");
        return Err(wrong(expected, format!("the shape {shape:?}")));
    };
    let bytes = read_up_to(&mut reader, total + 1, path)?; // one more, to notice a longer file
    if bytes.len() as u64 != total {
        let expected = format!("{total} bytes of data for the shape {shape:?}");
        let found =
            if bytes.len() as u64 > total { "more".into() } else { bytes.len().to_string() };
        return Err(wrong(expected, found));
    }
    Ok((shape.into_iter().map(i64::from).collect(), bytes))
}

/// At most `limit` bytes. Memory grows with what is there, never with what a header claims.
fn read_up_to(reader: &mut impl Read, limit: u64, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match reader.take(limit).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) if is_damage(&error) => {
            let found = format!("{error} after {} bytes", bytes.len());
            Err(Error::content(path, "whole gzip data", found, FETCH_AGAIN))
        }
        Err(error) => Err(Error::io(path)(error)),
    }
}

/// What flate2 says of broken gzip data.
fn is_damage(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

#[cfg(test)]
#[path = "idx_tests.rs"]
mod tests;
