//! Training: one step of any loss, and nothing else; the loop stays visible in the chapter.
//!
//! ```no_run
//! use from_noise::train::{TrainConfig, Trainer};
//! use tch::{Device, Kind, Tensor, nn};
//!
//! let config = TrainConfig { lr: 1e-3, ..TrainConfig::default() };
//! let build = |vs: &nn::Path| nn::linear(vs, 2, 2, Default::default());
//! let mut trainer = Trainer::new(Device::Cpu, config, build);
//! while trainer.step < 1000 {
//!     let loss = trainer.step(|net, _batch| {
//!         let x = Tensor::randn([64, 2], (Kind::Float, Device::Cpu)); // [64, 2]
//!         (x.apply(net) - x).square().mean(Kind::Float)
//!     })?;
//!     println!("{} {loss}", trainer.step);
//! }
//! # Ok::<(), from_noise::train::TrainError>(())
//! ```

use std::collections::BTreeMap;
use tch::Tensor;
use tch::nn::VarStore;

mod adam;
mod config;
mod ema;
mod flat;
mod precision;
mod trainer;

pub use adam::Adam;
pub use config::TrainConfig;
pub use ema::Ema;
pub use flat::Flat;
pub use precision::Precision;
pub use trainer::Trainer;

/// The trained tensors of `vs` by name, sorted: those that require a gradient.
fn trained(vs: &VarStore) -> impl Iterator<Item = (String, Tensor)> + use<> {
    let sorted: BTreeMap<_, _> = vs.variables().into_iter().collect();
    sorted.into_iter().filter(|(_, tensor)| tensor.requires_grad())
}

/// Why a training step was refused. Weights, moments, EMA and step count are as before the step.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(
        "step {step}: the loss is {loss}; the weights are still those of step {}: lower the learning rate, \
         raise warmup or lower clip, or look at this step's batch",
        step - 1
    )]
    Loss { step: u64, loss: f64 },
    #[error(
        "step {step}: the gradient of `{name}` is not finite (loss {loss}); the weights are still those of step {}: \
         lower the learning rate, raise warmup or lower clip, or look at this step's batch",
        step - 1
    )]
    Gradient { step: u64, name: String, loss: f64 },
    #[error(
        "step {step}: a gradient is not finite (loss {loss}); the weights are still those of step {}: \
         lower the learning rate, raise warmup or lower clip; what is read every {every} steps does not \
         tell which parameter's, Trainer::read_every = 1 does",
        step - 1
    )]
    Gradients { step: u64, loss: f64, every: u64 },
    #[error(
        "step {step}: the loss depends on no parameter of the trained model: \
         compute it from the model that `Trainer::step` hands over, and not under no_grad"
    )]
    Disconnected { step: u64 },
    #[error("TrainConfig.{field} is {value}: it must be {must}")]
    Config { field: &'static str, value: String, must: &'static str },
    #[error("step {step}: libtorch could not differentiate the loss: {source}")]
    Torch { step: u64, source: tch::TchError },
}
