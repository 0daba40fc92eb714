//! `from-noise export`: a run directory without what only training needs, or a model for diffusers.

use super::model;
use anyhow::{Context, Result, anyhow, ensure};
use from_noise::checkpoint::{halve_weights, load_tensors, load_weights, read_config};
use from_noise::metrics::TRAIN_MOMENTS;
use from_noise::pretrained::export_diffusers;
use from_noise::say;
use from_noise::util::files::write_atomically;
use std::fs;
use std::path::{Path, PathBuf};
use tch::{Device, nn};

/// Copy what others need of a run directory: its configuration, averaged weights and log.
///
/// Examples:
///   cargo from-noise export weights/mnist-ddpm --half --out runs/small
///   cargo from-noise export runs/ddpm-cifar10-32 --diffusers --out pipeline
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Run directory: config.json and ema.safetensors
    #[arg(value_name = "RUN")]
    run: PathBuf,

    /// Store the weights in half precision (f16), half as large
    #[arg(long)]
    half: bool,

    /// Write a DDPMPipeline instead, which diffusers loads with from_pretrained
    #[arg(long, conflicts_with = "half")]
    diffusers: bool,

    /// New folder for the copy
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub fn run(args: &Args) -> Result<()> {
    let (dir, shown) = (model::run_dir(&args.run)?, args.out.display());
    ensure!(
        !dir.join(TRAIN_MOMENTS).is_file(),
        "{} holds a classifier whose features are compared: distances by another copy would be \
         others, so use it as it is",
        args.run.display()
    );
    let weights = model::weights_of(&args.run, &dir)?;
    ensure!(!args.out.exists(), "{shown} exists already: choose another --out");
    if args.diffusers {
        return pipeline(args, &weights);
    }
    // both are read before, since a copy of what is damaged would look sound
    read_config::<serde_json::Value>(&dir)?;
    let size = |path: &Path| Ok::<_, anyhow::Error>(fs::metadata(path)?.len() as f64 / 1e6);
    let copy = |name: &str| {
        let bytes = fs::read(dir.join(name)).with_context(|| format!("cannot read {name}"))?;
        let written = write_atomically(&args.out.join(name), &bytes);
        written.map_err(|e| anyhow!("cannot write to {shown}: {e}; choose another --out"))
    };
    let to = args.out.join("ema.safetensors");
    match args.half {
        true => halve_weights(&weights, &to)?,
        false => {
            load_tensors(&weights)?;
            copy("ema.safetensors")?;
        }
    }
    if dir.join("log.csv").is_file() {
        copy("log.csv")?;
    }
    copy("config.json")?; // the last: without it the folder is no run
    say!("wrote {shown}, weights of {:.1} MB (before: {:.1} MB)", size(&to)?, size(&weights)?);
    Ok(())
}

/// The model as diffusers reads it.
fn pipeline(args: &Args, weights: &Path) -> Result<()> {
    let (_, config) = model::open(&args.run)?;
    let mut vs = nn::VarStore::new(Device::Cpu);
    config.build(&vs.root());
    load_weights(&vs, weights)?;
    vs.freeze();
    export_diffusers(&config, &vs, &args.out)?;
    let shown = args.out.display();
    say!("wrote {shown}: DDPMPipeline.from_pretrained(\"{shown}\") loads it");
    Ok(())
}
