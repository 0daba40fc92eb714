//! `from-noise export`: a run directory without what only training needs.

use super::model;
use anyhow::{Context, Result, anyhow, ensure};
use from_noise::checkpoint::halve_weights;
use from_noise::say;
use from_noise::util::files::write_atomically;
use std::fs;
use std::path::{Path, PathBuf};

/// Copy what others need of a run directory: its configuration, averaged weights and log.
///
/// Examples:
///   cargo from-noise export weights/mnist-ddpm --half --out runs/small
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Run directory: config.json and ema.safetensors
    #[arg(value_name = "RUN")]
    run: PathBuf,

    /// Store the weights in half precision (f16), half as large
    #[arg(long)]
    half: bool,

    /// New folder for the copy
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub fn run(args: &Args) -> Result<()> {
    let (dir, shown) = (model::run_dir(&args.run)?, args.out.display());
    ensure!(
        !dir.join(model::MOMENTS).is_file(),
        "{} holds a classifier whose features are compared: distances by another copy would be \
         others, so use it as it is",
        args.run.display()
    );
    let weights = model::weights_of(&args.run, &dir)?;
    ensure!(!args.out.exists(), "{shown} exists already: choose another --out");
    let size = |path: &Path| Ok::<_, anyhow::Error>(fs::metadata(path)?.len() as f64 / 1e6);
    let copy = |name: &str| {
        let bytes = fs::read(dir.join(name)).with_context(|| format!("cannot read {name}"))?;
        let written = write_atomically(&args.out.join(name), &bytes);
        written.map_err(|e| anyhow!("cannot write to {shown}: {e}; choose another --out"))
    };
    let to = args.out.join("ema.safetensors");
    match args.half {
        true => halve_weights(&weights, &to)?,
        false => copy("ema.safetensors")?,
    }
    if dir.join("log.csv").is_file() {
        copy("log.csv")?;
    }
    copy("config.json")?; // the last: without it the folder is no run
    say!("wrote {shown}, weights of {:.1} MB (before: {:.1} MB)", size(&to)?, size(&weights)?);
    Ok(())
}
