//! The loop around a training step: the log, the saving, the progress, and Ctrl-C.

use super::{hold_interrupts, interrupted, stop_if_interrupted};
use crate::checkpoint::Run;
use crate::train::{Precision, Trainer};
use crate::util::progress::Progress;
use anyhow::Result;
use tch::Tensor;

/// Steps between two lines of the log.
const LOGGED: u64 = 10;

/// The values of a flag `--precision`.
pub const PRECISIONS: [(Precision, &str); 2] = [
    (Precision::F32, "all of it in f32"),
    (
        Precision::Bf16,
        "loss and gradient in bf16, weights in f32: faster on a GPU, slower on a CPU",
    ),
];

/// Trains `name` until `steps`, resumably: `loss` is given the model and the number of the batch.
///
/// # Errors
/// A loss that is not finite; a disk that cannot be written to. After Ctrl-C it saves, and ends the
/// process.
pub fn train<M>(
    name: &str,
    trainer: &mut Trainer<M>,
    run: &mut Run,
    steps: u64,
    mut loss: impl FnMut(&M, u64) -> Tensor,
) -> Result<()> {
    let _held = hold_interrupts()?;
    let mut progress = Progress::new(format!("training {name}"), steps).starting_at(trainer.step);
    while trainer.step < steps && !interrupted() {
        let loss = trainer.step(&mut loss)?;
        if trainer.step.is_multiple_of(LOGGED) {
            run.log(trainer.step, &[("loss", loss), ("grad_norm", trainer.grad_norm())])?;
        }
        run.save_if_due(trainer)?;
        progress.tick(format_args!("loss {loss:.4}"));
    }
    run.save(trainer)?;
    progress.finish("loss in log.csv");
    stop_if_interrupted();
    Ok(())
}
