//! What a classifier sees in samples: which classes, and whether they teach as well as data do.

use crate::data::{Dataset, Format, Source, batch_indices};
use crate::nn::lenet::{LeNet, augment};
use crate::train::{TrainConfig, TrainError, Trainer};
use crate::util::device::on_cpu;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor, nn};

/// How often each class occurs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassHistogram {
    pub counts: Vec<u64>,
    /// In nats; `ln(classes)` when all are equally frequent, 0 when there is only one.
    pub entropy: f64,
}

/// Counts the labels `[N]` (i64, below `classes`).
pub fn class_histogram(labels: &Tensor, classes: usize) -> ClassHistogram {
    let counts = labels.to_device(Device::Cpu).bincount(None::<Tensor>, classes as i64);
    let counts = Vec::<i64>::try_from(counts).expect("bincount is a vector of integers");
    let n: i64 = counts.iter().sum();
    let share = counts.iter().filter(|count| **count > 0).map(|count| *count as f64 / n as f64);
    let entropy = 0.0 - share.map(|p| p * p.ln()).sum::<f64>(); // not -0
    ClassHistogram { counts: counts.into_iter().map(|count| count as u64).collect(), entropy }
}

/// What the classifier reads, and how it is taught.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassifierConfig {
    pub data: Source,
    pub format: Format,
    pub classes: usize,
    pub batch: usize,
    pub train: TrainConfig,
}

impl Default for ClassifierConfig {
    fn default() -> Self {
        let train = TrainConfig { lr: 1e-3, clip: None, ema_decay: 0.999, ..Default::default() };
        let format = Format::MNIST;
        Self { data: Source::Mnist, format, classes: 10, batch: 128, train }
    }
}

impl ClassifierConfig {
    /// Refuses what describes no network, or no training of one, in one sentence.
    pub fn check(&self) -> Result<(), String> {
        let (size, most) = (self.format.size, 1_000_000);
        if !(LeNet::SMALLEST..=4096).contains(&size) {
            let least = LeNet::SMALLEST;
            return Err(format!(
                "format.size is {size}: the classifier reads {least} to 4096 pixels per side"
            ));
        }
        for (field, value) in [("classes", self.classes), ("batch", self.batch)] {
            if !(1..=most).contains(&value) {
                return Err(format!("{field} is {value}: it is 1 to {most}"));
            }
        }
        self.train.check().map_err(|error| error.to_string())
    }

    /// A new network in `vs`.
    pub fn build(&self, vs: &nn::Path) -> LeNet {
        LeNet::new(vs, self.format.shape(), self.classes as i64)
    }
}

/// The share of pictures of which a classifier is sure: whose likeliest class has a probability
/// above `least`. `logits: [N, classes]`.
pub fn confident_share(logits: &Tensor, least: f64) -> f64 {
    let likeliest = on_cpu(logits).softmax(-1, None::<Kind>).amax(-1, false); // [N]
    let sure = likeliest.gt(least).sum(Kind::Int64).int64_value(&[]);
    sure as f64 / likeliest.size()[0] as f64
}

// ANCHOR: classifier
/// One step: cross-entropy on the step's batch, every image [augmented](augment).
pub fn classifier_step(
    trainer: &mut Trainer<LeNet>,
    config: &ClassifierConfig,
    data: &Dataset,
    device: Device,
) -> Result<f64, TrainError> {
    trainer.step(|net, batch| {
        let chosen = batch_indices(config.train.seed, batch, config.batch, data.len());
        let (x0, labels) = data.batch(&chosen, device);
        net.forward(&augment(&x0), true).cross_entropy_for_logits(&labels)
    })
}
// ANCHOR_END: classifier

/// The share of `data` that `net` classifies rightly, 0..=1.
pub fn accuracy(net: &LeNet, data: &Dataset, device: Device) -> f64 {
    let _guard = tch::no_grad_guard();
    let right = |first: i64| {
        let n = CHUNK.min(data.len() as i64 - first);
        let (x0, labels) = data.batch(&Tensor::arange_start(first, first + n, INDEX), device);
        let found = net.forward(&x0, false).argmax(-1, false);
        found.eq_tensor(&labels).sum(Kind::Int64).int64_value(&[])
    };
    let total: i64 = (0..data.len() as i64).step_by(CHUNK as usize).map(right).sum();
    total as f64 / data.len() as f64
}

const CHUNK: i64 = 500;
const INDEX: (Kind, Device) = (Kind::Int64, Device::Cpu);

/// Classification accuracy score (Ravuri & Vinyals 2019): a classifier that was taught by
/// `samples` alone is examined on real `test` images. Real training data give the classifier's
/// own accuracy; samples that lack something lose what it would have taught.
pub fn classification_accuracy_score(
    samples: &Dataset,
    test: &Dataset,
    config: &ClassifierConfig,
    steps: u64,
    device: Device,
) -> Result<f64, TrainError> {
    let mut trainer = Trainer::new(device, config.train.clone(), |vs| config.build(vs));
    while trainer.step < steps {
        classifier_step(&mut trainer, config, samples, device)?;
    }
    Ok(accuracy(&trainer.ema.model, test, device))
}
