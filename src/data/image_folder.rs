//! A folder of pictures: png or jpeg files, in one subfolder per class or in none.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use tch::Tensor;

use super::error::{BadPicture, Error, Result, listed};
use super::picture::{Fit, decode};
use super::{Dataset, Format};

const LAYOUT: &str = "png or jpeg files, or one subfolder per class with such files in each";
/// Files that are pictures by their names; what they are is seen when they are read.
const PICTURES: [&str; 17] = [
    "png", "jpg", "jpeg", "jpe", "jfif", "webp", "gif", "bmp", "tif", "tiff", "heic", "heif",
    "avif", "jxl", "ico", "tga", "svg",
];
/// Folders that systems leave behind.
const LEFTOVERS: [&str; 4] = ["__macosx", "@eadir", "$recycle.bin", "system volume information"];

/// What is done about a picture that cannot be used: damaged, of another kind, too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPictures {
    /// It is an error, which names all of them.
    Refuse,
    /// The others are taken.
    Skip,
}

/// What lies in a folder and was not taken.
#[derive(Debug, Default)]
pub struct PassedOver {
    /// No pictures by their names: `Thumbs.db`, a README, `__MACOSX/`.
    pub others: Vec<PathBuf>,
    pub bad: Vec<BadPicture>,
}

/// Every picture below `folder` as `[N, C, size, size]`: turned upright (EXIF), put on white where
/// it is transparent, scaled until the shorter side fits and cropped to the centre square.
///
/// Classes are the subfolders in the order of their names; without subfolders all are of one class.
/// Pictures are taken from the classes in turn, so that the first few are of all of them, and from a
/// class in the order of their names ("10.png" before "2.png"). Names that start with a dot are not
/// looked at, and files that are no pictures by their names are passed over.
///
/// # Errors
/// Pictures that are no whole png or jpeg within [`LARGEST_SIDE`](super::picture::LARGEST_SIDE)
/// and [`LARGEST_FILE`](super::picture::LARGEST_FILE), all of them named, unless they are skipped; a folder or a class without pictures; pictures beside classes.
pub fn load(folder: &Path, format: Format, bad: BadPictures) -> Result<(Dataset, PassedOver)> {
    let (images, labels, found) = read_all(folder, format, Fit::Crop, bad)?;
    let labels = Tensor::from_slice(&labels);
    Ok((Dataset::new(&file_name(folder), images, labels, found.classes), found.passed_over))
}

/// Every picture of `folder`, or of its subfolders if it has any, without regard to classes:
/// `[N, C, size, size]`, in the order of [`load`].
///
/// A picture of another size cannot be used and is not scaled: whoever compares pictures wants
/// those that are there.
///
/// # Errors
/// As [`load`].
pub fn load_pictures(
    folder: &Path,
    format: Format,
    bad: BadPictures,
) -> Result<(Tensor, PassedOver)> {
    let (images, _, found) = read_all(folder, format, Fit::Exact, bad)?;
    Ok((images, found.passed_over))
}

/// The pictures of a folder by their names, each with the number of its class.
#[derive(Debug, Default)]
struct Found {
    classes: Vec<String>,
    files: Vec<(PathBuf, i64)>,
    passed_over: PassedOver,
}

/// The images, their labels, and what else was found.
fn read_all(
    folder: &Path,
    format: Format,
    fit: Fit,
    bad: BadPictures,
) -> Result<(Tensor, Vec<i64>, Found)> {
    let mut found = find(folder)?;
    let (mut bytes, reasons) = decode_all(&found.files, format, fit);
    let size = bytes.len() / found.files.len();
    let total = found.files.len();
    let labels: Vec<i64> = found.files.iter().map(|(_, label)| *label).collect();
    let files = found.files.iter().zip(&reasons);
    let named = files.filter_map(|((path, _), why)| {
        Some(BadPicture { path: path.clone(), why: why.clone()? }) //
    });
    found.passed_over.bad = named.collect();
    let wrong = &found.passed_over.bad;
    if !wrong.is_empty() && (bad == BadPictures::Refuse || wrong.len() == total) {
        let (folder, bad) = (folder.to_owned(), wrong.clone());
        return Err(Error::BadPictures { folder, bad, total });
    }
    let good = (0..total).filter(|&at| reasons[at].is_none());
    let order = in_turn(good, &labels);
    if !order.iter().copied().eq(0..total) {
        bytes = order.iter().flat_map(|&at| &bytes[at * size..][..size]).copied().collect();
    }
    let labels = order.into_iter().map(|at| labels[at]).collect();
    let side = format.size as i64;
    let images = Tensor::from_slice(&bytes);
    let images = images.view([-1, format.color.channels(), side, side]); // [N*C*H*W] -> [N, C, H, W]
    Ok((images, labels, found))
}

/// These places of sorted labels, one of each class after the other: all of `[0, 0, 0, 1, 1]` are
/// taken as `0, 3, 1, 4, 2`.
fn in_turn(places: impl Iterator<Item = usize>, labels: &[i64]) -> Vec<usize> {
    let mut seen = BTreeMap::new();
    let mut order = Vec::new();
    for at in places {
        let before = seen.entry(labels[at]).or_insert(0);
        order.push((*before, at));
        *before += 1;
    }
    order.sort_unstable();
    order.into_iter().map(|(_, at)| at).collect()
}

fn find(folder: &Path) -> Result<Found> {
    let mut found = Found::default();
    let (classes, pictures) = entries(folder, &mut found.passed_over)?;
    if classes.is_empty() && pictures.is_empty() {
        let named = |path: &PathBuf| {
            let name = file_name(path);
            name.contains("idx3-ubyte") || name.starts_with("data_batch")
        };
        let fix = match found.passed_over.others.iter().any(named) {
            true => {
                "to read a named data set, give its name (mnist, fashion or cifar10), and in \
                 FROM_NOISE_DATA the folder that holds it"
            }
            false => "put pictures there, or check the path",
        };
        let what = found.passed_over.to_string();
        let what = if what.is_empty() { "an empty folder".into() } else { what };
        return Err(Error::content(folder, LAYOUT, what, fix));
    }
    if let (false, Some(first)) = (classes.is_empty(), pictures.first()) {
        let found = format!("{} of them beside subfolders ({})", pictures.len(), file_name(first));
        return Err(Error::content(
            folder,
            LAYOUT,
            found,
            "move them into the folder of their class",
        ));
    }
    if classes.is_empty() {
        found.classes.push(file_name(folder));
        found.files.extend(pictures.into_iter().map(|picture| (picture, 0)));
    }
    for (label, class) in (0..).zip(classes) {
        let (deeper, pictures) = entries(&class, &mut found.passed_over)?;
        if let Some(deeper) = deeper.first() {
            let fix = "move its pictures up, or name it alone";
            return Err(Error::content(deeper, "files", "a folder in the folder of a class", fix));
        }
        if pictures.is_empty() {
            return Err(Error::content(&class, "png or jpeg files", "none", "remove the folder"));
        }
        found.classes.push(file_name(&class));
        found.files.extend(pictures.into_iter().map(|picture| (picture, label)));
    }
    Ok(found)
}

/// The subfolders of a folder and the files that are pictures by their names, sorted, without hidden
/// ones; what is neither is added to `passed_over`.
fn entries(folder: &Path, passed_over: &mut PassedOver) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut folders, mut pictures) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        let name = file_name(&path).to_lowercase();
        if name.starts_with('.') {
            continue;
        }
        let list = match path.is_dir() {
            true if !LEFTOVERS.contains(&name.as_str()) => &mut folders,
            false if name.rsplit_once('.').is_some_and(|(_, end)| PICTURES.contains(&end)) => {
                &mut pictures
            }
            _ => &mut passed_over.others,
        };
        list.push(path);
    }
    folders.sort();
    pictures.sort();
    passed_over.others.sort();
    Ok((folders, pictures))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Nothing if nothing was passed over.
impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let count = |n: usize, one: &str, many: &str| match n {
            1 => format!("1 {one}"),
            _ => format!("{n} {many}"),
        };
        if !self.others.is_empty() {
            let names: Vec<_> = self.others.iter().take(3).map(|path| file_name(path)).collect();
            let more = if self.others.len() > 3 { ", ..." } else { "" };
            let what =
                count(self.others.len(), "file that is no picture", "files that are no pictures");
            write!(f, "{what} by name ({}{more})", names.join(", "))?;
        }
        if !self.bad.is_empty() {
            let and = if self.others.is_empty() { "" } else { ", and " };
            let what = count(self.bad.len(), "picture", "pictures");
            write!(f, "{and}{what} that cannot be used:{}", listed(&self.bad))?;
        }
        Ok(())
    }
}

/// All pictures one after another as `[C, H, W]` bytes, each core decoding its share, and why one
/// cannot be used.
fn decode_all(
    files: &[(PathBuf, i64)],
    format: Format,
    fit: Fit,
) -> (Vec<u8>, Vec<Option<String>>) {
    let picture = format.color.channels() as usize * (format.size as usize).pow(2);
    let mut bytes = vec![0; files.len() * picture];
    let mut reasons = vec![None; files.len()];
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let share = files.len().div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        let places = bytes.chunks_mut(share * picture).zip(reasons.chunks_mut(share));
        for (files, (bytes, reasons)) in files.chunks(share).zip(places) {
            scope.spawn(move || {
                let places = bytes.chunks_mut(picture).zip(reasons);
                for ((file, _), (to, reason)) in files.iter().zip(places) {
                    *reason = decode(file, format, fit, to).err();
                }
            });
        }
    });
    (bytes, reasons)
}

#[cfg(test)]
#[path = "image_folder_tests.rs"]
mod tests;
