//! MNIST (LeCun, Cortes & Burges) and Fashion-MNIST (Xiao, Rasul & Vollgraf 2017): 28 x 28 grey
//! images of ten classes in the same four idx files.

use std::path::{Path, PathBuf};

use super::error::{Error, FETCH_AGAIN, Result};
use super::{Dataset, Split, idx};

const FASHION: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// MNIST from `folder`: 60,000 training or 10,000 test digits, `[N, 1, 28, 28]`.
///
/// # Errors
/// Files that are missing, damaged or not of these sizes. Each may be gzipped (`.gz`).
pub fn load(folder: &Path, split: Split) -> Result<Dataset> {
    read("mnist", folder, split, (0..10).map(|digit| digit.to_string()).collect())
}

/// Fashion-MNIST from `folder`: as [`load`], with articles of clothing for digits.
pub fn load_fashion(folder: &Path, split: Split) -> Result<Dataset> {
    read("fashion", folder, split, FASHION.map(String::from).to_vec())
}

fn read(name: &str, folder: &Path, split: Split, classes: Vec<String>) -> Result<Dataset> {
    let (prefix, count) = match split {
        Split::Train => ("train", 60_000),
        Split::Test => ("t10k", 10_000),
    };
    let files = [format!("{prefix}-images-idx3-ubyte"), format!("{prefix}-labels-idx1-ubyte")];
    let found = files.each_ref().map(|file| plain_or_gz(folder, file));
    let [Some(images_file), Some(labels_file)] = &found else {
        let missing = files.iter().zip(&found).filter(|(_, path)| path.is_none());
        let files = missing.map(|(file, _)| format!("{file}[.gz]")).collect();
        let (name, folder, instead) = (name.into(), folder.into(), String::new());
        return Err(Error::Missing { name, folder, files, instead });
    };
    let images = idx::read_images(images_file)?;
    expect_shape(images_file, &images.size(), &[count, 1, 28, 28])?;
    let labels = idx::read_labels(labels_file, classes.len())?;
    expect_shape(labels_file, &labels.size(), &[count])?;
    Ok(Dataset::new(name, images, labels, classes))
}

/// By the publishers' name, or with a dot in it as the gzip files themselves say (7-zip).
fn plain_or_gz(folder: &Path, file: &str) -> Option<PathBuf> {
    let dotted = file.replace("-idx", ".idx");
    [file.to_owned(), format!("{file}.gz"), format!("{dotted}.gz"), dotted]
        .map(|name| folder.join(name))
        .into_iter()
        .find(|path| path.is_file())
}

fn expect_shape(path: &Path, found: &[i64], expected: &[i64]) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let [expected, found] = [expected, found].map(|shape| format!("the shape {shape:?}"));
    Err(Error::content(path, expected, found, FETCH_AGAIN))
}
