//! The flags that name pictures, and the pictures that a run learned from.

use super::count;
use crate::data::{Color, Dataset, Format, Source, Split, sample};
use crate::pretrained::ImageConfig;
use anyhow::{Result, bail, ensure};
use std::path::Path;

/// The flags that name the pictures to learn.
#[derive(Debug, Clone, clap::Args)]
pub struct DataArgs {
    /// What to learn: mnist, fashion, cifar10 or a folder of pictures [default: mnist]
    #[arg(long, value_name = "DATA")]
    pub data: Option<Source>,

    /// Side of a folder's pictures [default: 32]
    #[arg(long, value_parser = count::<u32>())]
    pub size: Option<u32>,

    /// Take a folder's pictures in colour
    #[arg(long)]
    pub rgb: bool,
}

impl DataArgs {
    pub fn source(&self) -> Source {
        self.data.clone().unwrap_or(Source::Mnist)
    }

    /// The format of the images: a data set has its own, a folder's is chosen.
    ///
    /// # Errors
    /// A choice where there is none.
    pub fn format(&self) -> Result<Format> {
        let source = self.source();
        let Some(format) = source.format() else {
            let color = if self.rgb { Color::Rgb } else { Color::Gray };
            return Ok(Format { color, size: self.size.unwrap_or(32) });
        };
        for (flag, given) in [("--size", self.size.is_some()), ("--rgb", self.rgb)] {
            let shape = format.shape();
            ensure!(
                !given,
                "{flag} is for a folder of pictures (--data ./pictures): the images of {source} \
                 are {shape:?} (channels, height, width)"
            );
        }
        Ok(format)
    }
}

/// The images of `split` that the run in `dir` was trained on, or kept from. Where a `few` are
/// enough, MNIST's are the 256 that come with the crate, so that nothing is downloaded.
///
/// # Errors
/// Data that cannot be read; if a folder has moved, the message says where to write its new place.
pub fn images_of_run(dir: &Path, config: &ImageConfig, split: Split, few: bool) -> Result<Dataset> {
    match &config.data {
        Source::Mnist if few => Ok(sample::dataset()),
        Source::Folder(folder) if !folder.is_dir() => {
            let from = match std::env::current_dir() {
                Ok(here) if folder.is_relative() => format!(", seen from {}", here.display()),
                _ => String::new(),
            };
            bail!(
                "the pictures of {} are not at {}{from}: if they have moved, write their place as \
                 \"data\" into {}",
                dir.display(),
                config.data,
                dir.join("config.json").display()
            )
        }
        source => Ok(source.load(split, config.format)?),
    }
}
