//! `from-noise import`: a run directory of a model that diffusers saved.

use anyhow::{Result, bail, ensure};
use from_noise::checkpoint::save_model;
use from_noise::data::Source;
use from_noise::pretrained::Diffusers;
use from_noise::say;
use from_noise::util::cli;
use std::path::PathBuf;
use tch::{Device, nn};

/// Make a run directory of a model that diffusers saved: a UNet2DModel, its scheduler and its
/// weights, as google/ddpm-cifar10-32 publishes them or as save_pretrained writes them.
///
/// Examples:
///   cargo from-noise import downloads/ddpm-cifar10-32 --out runs/ddpm-cifar10-32
///   cargo from-noise import my-pipeline --data ./pets --out runs/pets
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Folder with config.json and scheduler_config.json, or with unet/ and scheduler/
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,

    /// What it was trained on: mnist, fashion, cifar10 or a folder of pictures [default: cifar10 for
    /// 32 x 32 in colour]
    #[arg(long, value_name = "DATA")]
    data: Option<Source>,

    /// Run directory to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub fn run(args: &Args) -> Result<()> {
    let folder = cli::find(&args.folder);
    ensure!(folder.is_dir(), "there is no folder {}: check the path", args.folder.display());
    let found = Diffusers::read(&folder, args.data.clone().unwrap_or(Source::Cifar10))?;
    let (format, source) = (found.config.format, &found.config.data);
    if let Some(own) = source.format().filter(|own| *own != format) {
        let (drawn, own) = (format.shape(), own.shape());
        bail!(
            "the model draws images of {drawn:?} (channels, height, width), {source} has {own:?}: \
             name what it was trained on (--data ./pictures)"
        );
    }
    let mut vs = nn::VarStore::new(Device::Cpu);
    found.config.build(&vs.root());
    found.load(&vs)?;
    vs.freeze();
    save_model(&args.out, &found.config, &vs)?;
    let out = cli::quoted(&args.out);
    say!("wrote {out}: {} numbers in {} tensors", numbers(&vs), vs.variables().len());
    let variance = if found.large_variance { "large" } else { "small" };
    say!("its scheduler asks for DDPM's {variance} variance; or draw in fewer steps:");
    say!("  cargo from-noise sample {out} --n 16 --steps 50");
    Ok(())
}

fn numbers(vs: &nn::VarStore) -> usize {
    vs.variables().values().map(|tensor| tensor.numel()).sum()
}
