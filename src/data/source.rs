//! Where images come from: a data set by name, or a folder of the user's own.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::image_folder::{self, BadPictures, PassedOver};
use super::{Color, Dataset, Format, Split, captions, cifar10, mnist};

/// What a run is trained on; written and read as `mnist`, `fashion`, `cifar10`, `captions` or a
/// path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Source {
    Mnist,
    Fashion,
    Cifar10,
    /// Drawn scenes with captions, of any side; see [`captions`].
    Captions,
    /// Pictures, maybe in one subfolder per class; with `train/` and `test/` above, if it is split.
    Folder(PathBuf),
}

/// The folder that holds the named data sets: `FROM_NOISE_DATA`, or `datasets/` of the repository.
pub fn data_dir() -> PathBuf {
    match std::env::var_os("FROM_NOISE_DATA") {
        Some(dir) if !dir.is_empty() => dir.into(),
        _ => Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets"),
    }
}

impl Source {
    /// The format of a data set's images, of scenes the usual one; none for a folder, whose pictures
    /// are brought to any.
    pub fn format(&self) -> Option<Format> {
        match self {
            Source::Mnist | Source::Fashion => Some(Format::MNIST),
            Source::Cifar10 | Source::Captions => Some(Format { color: Color::Rgb, size: 32 }),
            Source::Folder(_) => None,
        }
    }

    /// What captions call its images.
    pub fn caption(&self) -> String {
        match self {
            Source::Mnist => "digits".into(),
            Source::Captions => "scenes".into(),
            other => other.to_string(),
        }
    }

    /// Reads one part of the data. A folder's pictures are brought to `format`, and scenes are drawn
    /// with its side; another data set must have it already, but for a side that divides its own: then each square of pixels becomes
    /// their mean.
    ///
    /// # Errors
    /// Files that are missing or damaged, or images of another format.
    pub fn load(&self, split: Split, format: Format) -> Result<Dataset> {
        self.load_but(BadPictures::Refuse, split, format).map(|(data, _)| data)
    }

    /// As [`load`](Self::load), and what a folder holds that was not taken; with
    /// [`BadPictures::Skip`] also without the pictures that cannot be used.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_but(
        &self,
        bad: BadPictures,
        split: Split,
        format: Format,
    ) -> Result<(Dataset, PassedOver)> {
        let dir = data_dir();
        let alone = |data: Result<Dataset>| Ok((data?, PassedOver::default()));
        let (data, passed_over) = match self {
            Source::Mnist => alone(first(&dir, &MNIST, |place| mnist::load(place, split))),
            Source::Fashion => {
                alone(first(&dir, &FASHION, |place| mnist::load_fashion(place, split)))
            }
            Source::Cifar10 => alone(first(&dir, &CIFAR10, |place| cifar10::load(place, split))),
            Source::Captions => alone(Ok(captions::load(split, format.size.into()))),
            Source::Folder(folder) => image_folder::load(&part(folder, split)?, format, bad),
        }?;
        Ok((data.brought_to(format)?, passed_over))
    }
}

/// Where a set may lie: its own folder first, then as torchvision and the authors' archives leave it.
const MNIST: [&str; 3] = ["mnist", "mnist/MNIST/raw", "MNIST/raw"];
const FASHION: [&str; 3] = ["fashion", "fashion/FashionMNIST/raw", "FashionMNIST/raw"];
const CIFAR10: [&str; 3] = ["cifar10", "cifar10/cifar-10-batches-bin", "cifar-10-batches-bin"];

/// Forms of CIFAR-10 and MNIST that are not read.
const OTHER_FORMS: [(&str, &str); 5] = [
    ("cifar-10-batches-py", "Python's version; the binary version is read"),
    ("cifar-10-python.tar.gz", "Python's version; the binary version is read"),
    ("cifar-10-batches-mat", "Matlab's version; the binary version is read"),
    ("cifar-10-binary.tar.gz", "not unpacked"),
    ("mnist.npz", "Keras's version; the idx files are read"),
];

/// The data in the first of these places that has its files.
fn first(dir: &Path, places: &[&str], load: impl Fn(&Path) -> Result<Dataset>) -> Result<Dataset> {
    let mut found = places.iter().map(|place| load(&dir.join(place)));
    let mut first = found.next().expect("a place");
    if !matches!(first, Err(Error::Missing { .. })) {
        return first;
    }
    if let Some(found) = found.find(|data| !matches!(data, Err(Error::Missing { .. }))) {
        return found;
    }
    if let Err(Error::Missing { folder, name, instead, .. }) = &mut first {
        let prefix = &name[..5]; // cifar, mnist
        let other = OTHER_FORMS.iter().filter(|(file, _)| file.starts_with(prefix));
        let places = other
            .flat_map(|(file, what)| [dir, folder.as_path()].map(|place| (place.join(file), what)));
        for (path, what) in places.filter(|(path, _)| path.exists()) {
            *instead += &format!("; found {}, {what}", path.display());
        }
    }
    first
}

/// `folder/train` or `folder/test`, or for training the folder itself when it is not split.
fn part(folder: &Path, split: Split) -> Result<PathBuf> {
    let name = match split {
        Split::Train => "train",
        Split::Test => "test",
    };
    let part = folder.join(name);
    if part.is_dir() {
        return Ok(part);
    }
    let whole = !folder.join("train").is_dir() && split == Split::Train;
    if whole && folder.is_dir() {
        return Ok(folder.to_owned());
    }
    let (expected, found, fix) = match folder.is_dir() {
        true => {
            ("a folder test/ beside train/", "none", "put pictures that are not trained on there")
        }
        false => ("a folder of pictures", "none", "check the path"),
    };
    Err(Error::content(folder, expected, found, fix))
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Source::Mnist => f.pad("mnist"),
            Source::Fashion => f.pad("fashion"),
            Source::Cifar10 => f.pad("cifar10"),
            Source::Captions => f.pad("captions"),
            Source::Folder(path) if is_path(&path.to_string_lossy()) => path.display().fmt(f),
            Source::Folder(path) => write!(f, "./{}", path.display()),
        }
    }
}

/// A word that is neither a data set nor a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no data called {name:?}; choose mnist, fashion, cifar10 or captions, or write a folder of pictures as a path (./{name})"
)]
pub struct UnknownSource {
    pub name: String,
}

/// A typing error in a name must not be taken for a folder, so a path shows a separator or a dot.
fn is_path(text: &str) -> bool {
    text.contains(std::path::is_separator) || text.starts_with('.')
}

impl FromStr for Source {
    type Err = UnknownSource;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text {
            "mnist" => Ok(Source::Mnist),
            "fashion" => Ok(Source::Fashion),
            "cifar10" => Ok(Source::Cifar10),
            "captions" => Ok(Source::Captions),
            path if is_path(path) => Ok(Source::Folder(path.into())),
            _ => Err(UnknownSource { name: text.into() }),
        }
    }
}

impl TryFrom<String> for Source {
    type Error = UnknownSource;

    fn try_from(text: String) -> std::result::Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        source.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_survive_the_round_trip() {
        for text in ["mnist", "fashion", "cifar10", "captions", "./pets", "/data/pets", "../pets/"]
        {
            let source: Source = text.parse().unwrap();
            assert_eq!(source.to_string(), text);
            let json = serde_json::to_string(&source).unwrap();
            assert_eq!(json, format!("{text:?}"));
            assert_eq!(serde_json::from_str::<Source>(&json).unwrap(), source);
        }
        assert_eq!(Source::Folder("pets".into()).to_string(), "./pets");
    }

    #[test]
    fn a_misspelt_name_is_not_a_folder() {
        let message = "mnsit".parse::<Source>().unwrap_err().to_string();
        assert!(
            message.contains("\"mnsit\"")
                && message.contains("mnist, fashion, cifar10 or captions")
        );
    }

    #[test]
    fn a_folder_may_be_split_or_whole() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert_eq!(part(root, Split::Train).unwrap(), root);
        let message = part(root, Split::Test).unwrap_err().to_string();
        assert!(message.contains("a folder test/ beside train/"), "{message}");
        std::fs::create_dir(root.join("train")).unwrap();
        std::fs::create_dir(root.join("test")).unwrap();
        assert_eq!(part(root, Split::Train).unwrap(), root.join("train"));
        assert_eq!(part(root, Split::Test).unwrap(), root.join("test"));
        let message = part(&root.join("absent"), Split::Train).unwrap_err().to_string();
        assert!(message.contains("absent: expected a folder of pictures"), "{message}");
    }
}
