//! Trains the classifier behind FID-LeNet, resumably, and measures what it will be compared with.
//!
//! ```text
//! cargo run --example classifier -- --out weights/mnist-classifier
//! cargo run --example classifier -- --data cifar10 --out runs/cifar10-classifier
//! ```

use anyhow::Result;
use clap::Parser;
use from_noise::checkpoint::Run;
use from_noise::data::{Color, Format, Source, Split, from_u8};
use from_noise::metrics::{
    ClassifierConfig, FeatureExtractor, FeatureNet, Moments, accuracy, classifier_step,
};
use from_noise::nn::lenet::LeNet;
use from_noise::train::Trainer;
use from_noise::util::cli;
use from_noise::util::device;
use from_noise::util::progress::Progress;
use from_noise::util::results::Results;
use serde::Serialize;
use std::path::PathBuf;
use tch::Tensor;

/// The classifier behind FID-LeNet.
#[derive(Debug, Parser)]
struct Args {
    /// Run directory; the weights and moments go there
    #[arg(long, default_value = "runs/mnist-classifier", value_name = "DIR")]
    out: PathBuf,
    /// What to classify: mnist, fashion, cifar10 or a folder of train/ and test/ pictures
    #[arg(long, default_value = "mnist", value_name = "DATA")]
    data: Source,
    /// Side of a folder's pictures
    #[arg(long, default_value_t = 32)]
    size: u32,
    /// Optimizer steps
    #[arg(long, default_value_t = 6_000)]
    steps: u64,
    /// Seed of the weights, the batches and the augment
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Go on where an interrupted run stopped
    #[arg(long)]
    resume: bool,
}

#[derive(Debug, Serialize)]
struct Score {
    steps: u64,
    test_accuracy: f64,
    train_accuracy: f64,
    test_images: usize,
    fid_real: f64,
    hash: String,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let device = device::pick(device::Choice::Auto)?;
    cli::listen_for_interrupts()?;
    let format = match args.data {
        Source::Mnist | Source::Fashion => Format { color: Color::Gray, size: 28 },
        Source::Cifar10 => Format { color: Color::Rgb, size: 32 },
        Source::Folder(_) => Format { color: Color::Rgb, size: args.size },
    };
    let train = args.data.load(Split::Train, format)?;
    let test = args.data.load(Split::Test, format)?;
    let (data, classes) = (args.data.clone(), train.classes.len());
    let mut config = ClassifierConfig { data, format, classes, ..Default::default() };
    config.train.seed = args.seed;
    let mut trainer = Trainer::new(device, config.train.clone(), |vs| config.build(vs));
    let mut run = Run::create_or_resume(&args.out, &config, args.resume, &mut trainer)?;
    let mut progress = Progress::new("classifier", args.steps).starting_at(trainer.step);
    while trainer.step < args.steps && !cli::interrupted() {
        let loss = classifier_step(&mut trainer, &config, &train, device)?;
        if trainer.step.is_multiple_of(100) {
            run.log(trainer.step, &[("loss", loss)])?;
        }
        if trainer.step.is_multiple_of(2000) {
            run.save(&trainer)?;
        }
        progress.tick(format_args!("loss {loss:.4}"));
    }
    run.save(&trainer)?;
    progress.finish("trained");
    cli::stop_if_interrupted()?;
    let net = &trainer.ema.model;
    let features =
        |pixels: &Tensor| tch::no_grad(|| net.features(&from_u8(&pixels.to_device(device))));
    for (data, name) in [(&train, "train-moments"), (&test, "test-moments")] {
        let moments = Moments::of(LeNet::FEATURES, &data.images, features);
        moments.save(args.out.join(format!("{name}.safetensors")))?;
    }
    let saved = FeatureNet::load(&args.out, device)?;
    let score = Score {
        steps: trainer.step,
        test_accuracy: accuracy(net, &test, device),
        train_accuracy: accuracy(net, &train, device),
        test_images: test.len(),
        fid_real: saved.fid_real,
        hash: saved.hash().to_owned(),
    };
    println!("{score:?}");
    let mut results =
        Results::create(&args.out, cli::command_line("classifier"), &config, args.seed, device)?;
    results.samples(test.len() as u64);
    results.table("score.csv", &[score])?;
    results.finish();
    Ok(())
}
