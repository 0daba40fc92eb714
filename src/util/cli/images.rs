//! The flags that name pictures, and the pictures that a run learned from.

use super::count;
use crate::data::{
    BadPictures, Color, Dataset, Error, Format, PassedOver, Source, Split, load_pictures, sample,
};
use crate::pretrained::ImageConfig;
use crate::util::print;
use anyhow::{Result, bail, ensure};
use std::path::Path;
use tch::Tensor;

/// The flags that name the pictures to learn.
#[derive(Debug, Clone, clap::Args)]
pub struct DataArgs {
    /// What to learn: mnist, fashion, cifar10, captions or a folder of pictures [default: mnist]
    #[arg(long, value_name = "DATA")]
    pub data: Option<Source>,

    /// Side of a folder's pictures, or of the scenes of captions [default: 32]
    #[arg(long, value_parser = count::<u32>())]
    pub size: Option<u32>,

    /// Take a folder's pictures in colour
    #[arg(long)]
    pub rgb: bool,

    #[command(flatten)]
    pub pictures: PictureArgs,
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
        self.pictures.check(&source)?;
        let Some(format) = source.format() else {
            let color = if self.rgb { Color::Rgb } else { Color::Gray };
            return Ok(Format { color, size: self.size.unwrap_or(32) });
        };
        let drawn = source == Source::Captions;
        let format = Format { size: self.size.filter(|_| drawn).unwrap_or(format.size), ..format };
        for (flag, given) in [("--size", self.size.is_some() && !drawn), ("--rgb", self.rgb)] {
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
pub fn images_of_run(
    dir: &Path,
    config: &ImageConfig,
    split: Split,
    few: bool,
    pictures: &PictureArgs,
) -> Result<Dataset> {
    pictures.check(&config.data)?;
    match &config.data {
        Source::Mnist if few => Ok(sample::dataset().brought_to(config.format)?),
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
        source => pictures.load(source, split, config.format),
    }
}

/// The flag of every command that reads a folder of pictures.
#[derive(Debug, Clone, clap::Args)]
pub struct PictureArgs {
    /// Leave out pictures of a folder that cannot be used, and name them, instead of stopping
    #[arg(long)]
    pub skip_bad: bool,
}

impl PictureArgs {
    /// Refuses the flag where no folder is read.
    pub fn check(&self, source: &Source) -> Result<()> {
        let folder = matches!(source, Source::Folder(_));
        ensure!(
            folder || !self.skip_bad,
            "--skip-bad is for a folder of pictures: leave it out for {source}"
        );
        Ok(())
    }

    /// As [`Source::load`]; what was left out is said on standard error.
    pub fn load(&self, source: &Source, split: Split, format: Format) -> Result<Dataset> {
        taken(source.load_but(self.bad(), split, format))
    }

    /// As [`load_pictures`].
    pub fn load_folder(&self, folder: &Path, format: Format) -> Result<Tensor> {
        taken(load_pictures(folder, format, self.bad()))
    }

    fn bad(&self) -> BadPictures {
        if self.skip_bad { BadPictures::Skip } else { BadPictures::Refuse }
    }
}

fn taken<T>(read: crate::data::Result<(T, PassedOver)>) -> Result<T> {
    match read {
        Ok((data, passed_over)) => {
            let text = passed_over.to_string();
            if !text.is_empty() {
                print::err(format_args!("passed over {text}"));
            }
            Ok(data)
        }
        Err(error) if some_can_be_used(&error) => {
            bail!("{error}\nor leave them out with --skip-bad")
        }
        Err(error) => Err(error.into()),
    }
}

fn some_can_be_used(error: &Error) -> bool {
    matches!(error, Error::BadPictures { bad, total, .. } if bad.len() < *total)
}
