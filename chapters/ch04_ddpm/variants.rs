//! What chapter 4 compares before it chooses: a network, and others that differ from it in one thing.

use anyhow::Result;
use from_noise::denoiser::Target;
use from_noise::evaluate::CHUNK;
use from_noise::loss::{ScheduleSampler, Weighting};
use from_noise::nn::UnetConfig;
use from_noise::nn::unet::{Resampling, TimeConditioning};
use from_noise::pretrained::ImageConfig;
use from_noise::train::TrainConfig;
use from_noise::util::cli::Cost;
use serde::Serialize;

/// What kind of choice is varied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Seed,
    Network,
    Target,
    Training,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Seed, Self::Network, Self::Target, Self::Training];

    pub fn name(self) -> &'static str {
        match self {
            Self::Seed => "the base",
            Self::Network => "another network",
            Self::Target => "another target",
            Self::Training => "another training",
        }
    }
}

/// One of the networks.
#[derive(Debug)]
pub struct Variant {
    /// Of its folder.
    pub name: &'static str,
    pub kind: Kind,
    /// In what it differs.
    pub change: &'static str,
    pub config: ImageConfig,
}

/// How long all of them are trained.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Length {
    pub steps: u64,
    pub batch: usize,
    pub seed: u64,
}

/// What it costs to train all of them and evaluate each so often.
pub fn cost(length: Length, smoke: bool, evaluations: u64) -> Result<Cost> {
    let costs = all(length, smoke).into_iter().map(|variant| {
        let net = variant.config.network.cost()?;
        let training = Cost::training(net, length.steps, variant.config.batch as u64);
        Ok(training + Cost::sampling(net, evaluations, CHUNK))
    });
    costs.reduce(|a: Result<Cost>, b| Ok(a? + b?)).expect("at least one network")
}

/// The same course for all: the digits of a batch and their noise, too, where the batch is as large.
/// A smoke run has the first two alone.
pub fn all(length: Length, smoke: bool) -> Vec<Variant> {
    let Length { steps, batch, seed } = length;
    let train = TrainConfig { lr: 1e-3, warmup: 500, seed, ..ImageConfig::mnist().train };
    let train = TrainConfig { cooldown: Some([steps * 3 / 5, steps]), ..train };
    let base = ImageConfig { network: UnetConfig::mnist(), batch, train, ..ImageConfig::mnist() };
    let variant = |name, kind, change, edit: &dyn Fn(&mut ImageConfig)| {
        let mut config = base.clone();
        edit(&mut config);
        Variant { name, kind, change, config }
    };
    let network = |name, change, edit: fn(&mut UnetConfig)| {
        variant(name, Kind::Network, change, &|config| edit(&mut config.network))
    };
    let eps = |name, change, weighting, sampler| {
        variant(name, Kind::Target, change, &|config| {
            config.parameterization.target = Target::Eps;
            config.weighting = weighting;
            config.schedule_sampler = sampler;
        })
    };
    let training = |name, change, edit: &dyn Fn(&mut TrainConfig)| {
        variant(name, Kind::Training, change, &|config| edit(&mut config.train))
    };
    let (flat, uniform) = (Weighting::Flat, ScheduleSampler::Uniform);
    let mut all = vec![
        variant("base", Kind::Seed, "none: the base", &|_| ()),
        variant("seed", Kind::Seed, "another seed", &|config| {
            config.train.seed = seed.wrapping_add(1)
        }),
        network("no-attention", "no attention but in the middle", |net| net.attention.clear()),
        network("attention-14", "attention at 14 x 14, too", |net| net.attention = vec![0, 1]),
        network("ada-gn", "time by AdaGN", |net| net.time = TimeConditioning::ScaleShift),
        network("res-block", "resampling by residual blocks", |net| {
            net.resampling = Resampling::ResBlock;
        }),
        network("dropout", "dropout 0.1", |net| net.dropout = 0.1),
        network("no-folding", "no folding: 16, 48, 96 channels", |net| {
            (net.space_to_depth, net.channels, net.attention) = (1, vec![16, 48, 96], vec![2]);
        }),
        network("narrow", "32, 64 channels", |net| net.channels = vec![32, 64]),
        network("narrow-deep", "32, 64 channels, two blocks", |net| {
            (net.channels, net.layers) = (vec![32, 64], 2);
        }),
        network("coarse", "32, 128 channels", |net| net.channels = vec![32, 128]),
        network("deep", "two blocks", |net| net.layers = 2),
        network("wide", "64, 128 channels", |net| net.channels = vec![64, 128]),
        eps("eps", "target eps: L_simple", flat, uniform),
        eps("eps-weighted", "eps, weight 1 + 1/SNR up to 50", Weighting::SnrPlusOne(50.0), uniform),
        eps("eps-importance", "eps, t by importance", flat, ScheduleSampler::LossSecondMoment),
        training("fast", "learning rate doubled", &|train| train.lr *= 2.0),
        training("constant", "learning rate constant", &|train| train.cooldown = None),
        training("short-average", "EMA decay 0.995", &|train| train.ema_decay = 0.995),
        variant("large-batch", Kind::Training, "batch doubled", &|config| config.batch *= 2),
    ];
    all.truncate(if smoke { 2 } else { all.len() });
    all
}
