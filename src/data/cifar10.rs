//! CIFAR-10 (Krizhevsky 2009) in its official binary layout.
//!
//! Six files of 10,000 records; a record is the label and then 32 x 32 bytes each of red, green
//! and blue, row by row.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use tch::Tensor;

use super::error::{Error, FETCH_AGAIN, Result};
use super::{Dataset, Split};

const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
const PIXELS: usize = 3 * 32 * 32;
const RECORDS: usize = 10_000;

/// CIFAR-10 from `folder`: 50,000 training or 10,000 test images, `[N, 3, 32, 32]`.
///
/// # Errors
/// Files that are missing, or not 10,000 records with labels below 10.
pub fn load(folder: &Path, split: Split) -> Result<Dataset> {
    let files: Vec<String> = match split {
        Split::Train => (1..=5).map(|k| format!("data_batch_{k}.bin")).collect(),
        Split::Test => vec!["test_batch.bin".into()],
    };
    let missing: Vec<String> =
        files.iter().filter(|file| !folder.join(file).is_file()).cloned().collect();
    if !missing.is_empty() {
        return Err(Error::Missing {
            name: "cifar10".into(),
            folder: folder.into(),
            files: missing,
            instead: String::new(),
        });
    }
    let mut pixels = Vec::with_capacity(files.len() * RECORDS * PIXELS);
    let mut labels = Vec::with_capacity(files.len() * RECORDS);
    for file in &files {
        read_records(&folder.join(file), RECORDS, &mut pixels, &mut labels)?;
    }
    let images = Tensor::from_slice(&pixels).view([-1, 3, 32, 32]);
    let classes = CLASSES.map(String::from).to_vec();
    Ok(Dataset::new("cifar10", images, Tensor::from_slice(&labels), classes))
}

/// Appends the `records` images and labels of one file.
fn read_records(
    path: &Path,
    records: usize,
    pixels: &mut Vec<u8>,
    labels: &mut Vec<i64>,
) -> Result<()> {
    let expected = records * (1 + PIXELS);
    let file = File::open(path).map_err(Error::io(path))?;
    let length = file.metadata().map_err(Error::io(path))?.len();
    let mut bytes = Vec::with_capacity(expected);
    file.take(expected as u64).read_to_end(&mut bytes).map_err(Error::io(path))?;
    if length != expected as u64 || bytes.len() != expected {
        let expected = format!("{records} records in {expected} bytes");
        return Err(Error::content(path, expected, format!("{length} bytes"), FETCH_AGAIN));
    }
    for (at, record) in bytes.chunks(1 + PIXELS).enumerate() {
        if record[0] as usize >= CLASSES.len() {
            let found = format!("label {} for record {at}", record[0]);
            return Err(Error::content(path, "labels below 10", found, FETCH_AGAIN));
        }
        labels.push(record[0].into());
        pixels.extend(&record[1..]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    fn read(bytes: &[u8], records: usize) -> Result<(Vec<u8>, Vec<i64>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data_batch_1.bin");
        std::fs::write(&path, bytes).unwrap();
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        read_records(&path, records, &mut pixels, &mut labels)?;
        Ok((pixels, labels))
    }

    /// Record `k` has label `k` and its pixel number `p` is `k + p`, modulo 256.
    fn file(records: usize) -> Vec<u8> {
        let pixel = |k: usize, p: usize| ((k + p) % 256) as u8;
        let record = |k: usize| {
            let mut bytes = vec![k as u8];
            bytes.extend((0..PIXELS).map(|p| pixel(k, p)));
            bytes
        };
        (0..records).flat_map(record).collect()
    }

    #[test]
    fn records_are_labels_and_then_colour_planes() {
        let (pixels, labels) = read(&file(3), 3).unwrap();
        assert_eq!(labels, [0, 1, 2]);
        let images = Tensor::from_slice(&pixels).view([3, 3, 32, 32]);
        for [n, c, h, w] in [[0, 0, 0, 5], [1, 0, 2, 3], [2, 1, 31, 0], [2, 2, 31, 31]] {
            let expected = (n + 1024 * c + 32 * h + w) % 256;
            assert_eq!(images.int64_value(&[n, c, h, w]), expected, "at {:?}", [n, c, h, w]);
        }
    }

    #[test]
    fn wrong_sizes_and_labels_are_named() {
        let message = |bytes: &[u8]| read(bytes, 3).unwrap_err().to_string();
        let whole = file(3);
        let short = message(&whole[..whole.len() - 1]);
        assert!(short.contains("data_batch_1.bin: expected 3 records in 9219 bytes"), "{short}");
        assert!(short.contains("found 9218 bytes"), "{short}");
        let long = message(&file(4));
        assert!(long.contains("found 12292 bytes"), "{long}");
        assert!(message(&[]).contains("found 0 bytes"));
        let mut labelled = whole;
        labelled[2 * (1 + PIXELS)] = 10;
        let label = message(&labelled);
        assert!(label.contains("expected labels below 10, found label 10 for record 2"), "{label}");
        assert!(label.contains("cargo xtask data"), "{label}");
    }

    #[test]
    fn corruption_is_an_error_or_other_pixels_but_never_a_panic() {
        let whole = file(3);
        let mut rng = crate::data::stream(0, b"damage\0\0", 0);
        for _ in 0..300 {
            let mut bytes = whole.clone();
            let at = rng.next_u64() as usize % bytes.len();
            match rng.next_u32() % 3 {
                0 => bytes[at] = rng.next_u32() as u8,
                1 => bytes.truncate(at),
                _ => bytes.insert(at, 0),
            }
            let kept_size = bytes.len() == whole.len();
            let outcome = read(&bytes, 3);
            assert_eq!(outcome.is_ok(), kept_size && bytes.chunks(3073).all(|r| r[0] < 10));
        }
    }
}
