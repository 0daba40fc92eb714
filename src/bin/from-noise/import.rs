//! `from-noise import`: a run directory of a model that another program saved.

use anyhow::{Result, bail, ensure};
use from_noise::checkpoint::{CheckpointError, save_model};
use from_noise::data::Source;
use from_noise::pretrained::{Diffusers, ImageConfig, load_openai};
use from_noise::say;
use from_noise::util::cli;
use std::path::PathBuf;
use tch::nn::VarStore;
use tch::{Device, nn};

/// Make a run directory of a model that another program saved: of diffusers a UNet2DModel, its
/// scheduler and its weights, as google/ddpm-cifar10-32 publishes them or as save_pretrained writes
/// them; of improved-diffusion and guided-diffusion a checkpoint, with a config.json of this crate
/// that says what its flags said.
///
/// Examples:
///   cargo from-noise import downloads/ddpm-cifar10-32 --out runs/ddpm-cifar10-32
///   cargo from-noise import my-pipeline --data ./pets --out runs/pets
///   cargo from-noise import cifar10_uncond_50M_500K.pt --config examples/openai-cifar10 --out runs/improved
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Folder with config.json and scheduler_config.json, or with unet/ and scheduler/; or a
    /// checkpoint of OpenAI's programs
    #[arg(value_name = "MODEL")]
    model: PathBuf,

    /// Of a folder of diffusers: what it was trained on, mnist, fashion, cifar10, captions or a
    /// folder of pictures [default: cifar10]
    #[arg(long, value_name = "DATA", conflicts_with = "config")]
    data: Option<Source>,

    /// Of a checkpoint: folder with the config.json that describes it
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,

    /// Run directory to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub fn run(args: &Args) -> Result<()> {
    let (model, shown) = (cli::find(&args.model), args.model.display());
    ensure!(model.exists(), "there is no {shown}: check the path");
    let advice = match (&args.config, model.is_dir()) {
        (None, true) => {
            let found = Diffusers::read(&model, args.data.clone().unwrap_or(Source::Cifar10))?;
            check_data(&found.config)?;
            save(args, &found.config, |vs| found.load(vs))?;
            let variance = if found.large_variance { "large" } else { "small" };
            format!("its scheduler asks for DDPM's {variance} variance; or draw in fewer steps:")
        }
        (Some(dir), false) => {
            let config = super::model::open(dir)?.1;
            save(args, &config, |vs| load_openai(&config, vs, &model))?;
            "draw with it:".into()
        }
        (Some(_), true) => {
            bail!("--config is for a checkpoint, and {shown} is a folder: leave it out")
        }
        (None, false) => bail!(
            "{shown} is a file: of a checkpoint of OpenAI's programs name the folder with its \
             config.json (--config examples/openai-cifar10); of diffusers give the folder"
        ),
    };
    say!("{advice}");
    say!("  cargo from-noise sample {} --n 16 --steps 50", cli::quoted(&args.out));
    Ok(())
}

/// Whether the data that were named, or meant, have the format of the images.
fn check_data(config: &ImageConfig) -> Result<()> {
    let (format, source) = (config.format, &config.data);
    if let Some(own) = source.format().filter(|own| *own != format) {
        let (drawn, own) = (format.shape(), own.shape());
        bail!(
            "the model draws images of {drawn:?} (channels, height, width), {source} has {own:?}: \
             name what it was trained on (--data ./pictures)"
        );
    }
    Ok(())
}

/// The run directory of a network that `load` fills.
fn save(
    args: &Args,
    config: &ImageConfig,
    load: impl Fn(&VarStore) -> Result<(), CheckpointError>,
) -> Result<()> {
    let mut vs = nn::VarStore::new(Device::Cpu);
    config.build(&vs.root());
    load(&vs)?;
    vs.freeze();
    save_model(&args.out, config, &vs)?;
    let variables = vs.variables();
    let numbers: usize = variables.values().map(|tensor| tensor.numel()).sum();
    say!("wrote {}: {numbers} numbers in {} tensors", cli::quoted(&args.out), variables.len());
    Ok(())
}
