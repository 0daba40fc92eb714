//! `from-noise train-classifier`: the classifier behind FID-LeNet, for pictures of your own.

use super::command_line;
use anyhow::{Result, anyhow, ensure};
use from_noise::checkpoint::Run;
use from_noise::data::{Split, from_u8};
use from_noise::metrics::{
    ClassifierConfig, FeatureExtractor, FeatureNet, Moments, TEST_MOMENTS, TRAIN_MOMENTS, accuracy,
    classifier_step, enough_images,
};
use from_noise::nn::lenet::LeNet;
use from_noise::say;
use from_noise::train::Trainer;
use from_noise::util::cli::{self, DataArgs};
use from_noise::util::device;
use from_noise::util::print;
use from_noise::util::progress::Progress;
use from_noise::util::results::Results;
use serde::Serialize;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tch::Tensor;

/// Train the classifier whose features scores compare, and measure its own images.
///
/// A folder has train/ and test/ in it, and in each a folder a class; its pictures are grey if
/// --rgb does not say otherwise, as in `cargo chapter 04 --train`.
///
/// Examples:
///   cargo from-noise train-classifier --out runs/mnist-classifier
///   cargo from-noise train-classifier --data ./pets --size 32 --out runs/pets-classifier
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    data: DataArgs,

    /// Run directory; the weights and moments go there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Optimizer steps
    #[arg(long, value_name = "N", default_value_t = 6_000, value_parser = cli::count::<u64>())]
    steps: u64,

    /// Seed of the weights, the batches and the augmentation
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Go on where an interrupted run stopped; with more --steps, train it longer
    #[arg(long)]
    resume: bool,

    /// Where to compute: auto, cpu, cuda:N or mps
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: device::Choice,
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

/// Removes a file, if it is there.
fn remove(file: &Path) -> Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(anyhow!("cannot remove {}, which is out of date: {error}", file.display()))
        }
        _ => Ok(()),
    }
}

pub fn run(args: &Args) -> Result<()> {
    let (data, format) = (args.data.source(), args.data.format()?);
    let mut config = ClassifierConfig { data, format, ..Default::default() };
    config.train.seed = args.seed;
    config.check().map_err(anyhow::Error::msg)?;
    let device = device::pick(args.device)?;
    let [train, test] = [Split::Train, Split::Test]
        .map(|split| args.data.pictures.load(&config.data, split, format));
    let (train, test) = (train?, test?);
    ensure!(
        train.classes == test.classes,
        "{} has the classes {:?} to train on, but {:?} to test on: give both the same folders",
        config.data,
        train.classes,
        test.classes
    );
    let (fewest, enough) = (train.len().min(test.len()), enough_images(LeNet::FEATURES));
    ensure!(fewest >= 2, "a covariance needs at least two images in train/ and in test/");
    if (fewest as u64) < enough {
        print::err(format_args!(
            "warning: distances from so few images ({fewest}) are mostly bias: {enough} or more are wanted"
        ));
    }
    config.classes = train.classes.len();
    let mut trainer = Trainer::new(device, config.train.clone(), |vs| config.build(vs));
    let mut run = Run::create_or_resume(&args.out, &config, args.resume, &mut trainer)?;
    if trainer.step < args.steps {
        // of the weights as they were: whoever reads the folder must not take them for the new ones'
        for name in [TRAIN_MOMENTS, TEST_MOMENTS] {
            remove(&args.out.join(name))?;
        }
    }
    let _held = cli::hold_interrupts()?;
    let mut progress = Progress::new("classifier", args.steps).starting_at(trainer.step);
    while trainer.step < args.steps && !cli::interrupted() {
        let loss = classifier_step(&mut trainer, &config, &train, device)?;
        if trainer.step.is_multiple_of(100) {
            run.log(trainer.step, &[("loss", loss)])?;
        }
        run.save_if_due(&trainer)?;
        progress.tick(format_args!("loss {loss:.4}"));
    }
    run.save(&trainer)?;
    progress.finish("trained");
    cli::stop_if_interrupted();
    let net = &trainer.ema.model;
    let features =
        |pixels: &Tensor| tch::no_grad(|| net.features(&from_u8(&pixels.to_device(device))));
    for (data, name) in [(&train, TRAIN_MOMENTS), (&test, TEST_MOMENTS)] {
        let moments = Moments::of(LeNet::FEATURES, &data.images, features);
        moments.save(args.out.join(name))?;
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
    say!(
        "right on {:.2} % of {} test images; FID-LeNet of the test images {:.2}",
        100.0 * score.test_accuracy,
        test.len(),
        score.fid_real.max(0.0) // rounding may leave -1e-12
    );
    let mut results = Results::create(&args.out, command_line(), &config, args.seed, device)?;
    results.samples(test.len() as u64);
    results.table("score.csv", &[score])?;
    results.finish();
    Ok(())
}
