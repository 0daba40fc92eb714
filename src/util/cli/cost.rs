//! What a run would cost: counted from its network, or found by timing one step.

use crate::nn::cost;
use std::ops::Add;
use std::time::Instant;
use tch::{Device, Kind, Tensor};

/// What a run would cost; printed by `--dry-run`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    pub parameters: u64,
    /// Floating-point operations of the network, a multiply-add counted as two.
    pub flops: f64,
    /// What was timed instead of counted.
    pub seconds: f64,
    /// Bytes held at the peak, beyond libtorch itself.
    pub memory: f64,
    /// Steps of a training; 0 if nothing is trained.
    pub steps: u64,
}

impl Cost {
    /// The cost of training a network: a backward pass costs twice a forward pass.
    ///
    /// Held are the weights, their gradient, its two moments and the average of the weights.
    pub fn training(net: cost::Cost, steps: u64, batch: u64) -> Self {
        Self { steps, ..Self::of(net, 3 * steps * batch, 5 * net.params as u64, batch) }
    }

    /// The cost of so many evaluations of a network on one sample each, `batch` at a time.
    pub fn sampling(net: cost::Cost, evaluations: u64, batch: u64) -> Self {
        Self::of(net, evaluations, net.params as u64, batch)
    }

    fn of(net: cost::Cost, passes: u64, weights: u64, batch: u64) -> Self {
        // an activation takes some 500 operations to compute
        let activations = batch as f64 * net.flops as f64 / 500.0;
        Self {
            parameters: net.params as u64,
            flops: passes as f64 * net.flops as f64,
            memory: 4.0 * (weights as f64 + activations),
            ..Self::default()
        }
    }

    /// About how long the run takes on `device`.
    pub(super) fn seconds_on(&self, device: Device) -> f64 {
        let network = if self.flops > 0.0 { self.flops / sustained_flops(device) } else { 0.0 };
        self.seconds + network
    }

    /// The cost of so many steps where no network tells it: one step is timed.
    pub fn timed<T>(steps: u64, step: impl Fn() -> T) -> Self {
        let before = peak_memory();
        step(); // the first is slower
        let memory = peak_memory() - before;
        let started = Instant::now();
        step();
        let seconds = steps as f64 * started.elapsed().as_secs_f64();
        Self { seconds, memory, ..Self::default() }
    }
}

/// One part of a run after the other; its networks are all kept.
impl Add for Cost {
    type Output = Cost;

    fn add(self, next: Cost) -> Cost {
        Cost {
            parameters: self.parameters + next.parameters,
            flops: self.flops + next.flops,
            seconds: self.seconds + next.seconds,
            memory: self.memory.max(next.memory),
            steps: self.steps + next.steps,
        }
    }
}

/// Floating-point operations per second that small tensors reach here: the fastest of some quick
/// matrix products, so that a busy machine counts little, and the half of it that networks of this
/// size about achieve.
fn sustained_flops(device: Device) -> f64 {
    let a = Tensor::rand([512, 512], (Kind::Float, device));
    let once = || a.matmul(&a).sum(Kind::Float).double_value(&[]);
    let timed = |_| {
        let started = Instant::now();
        once();
        started.elapsed().as_secs_f64()
    };
    let fastest = (0..20).map(timed).fold(f64::INFINITY, f64::min);
    512f64.powi(3) / fastest // of twice as many operations
}

/// The most bytes of memory that this process has held so far.
#[cfg(unix)]
pub fn peak_memory() -> f64 {
    // SAFETY: a zeroed rusage is valid, and getrusage only writes into it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    usage.ru_maxrss as f64 * if cfg!(target_os = "macos") { 1.0 } else { 1024.0 }
}

/// The most bytes of memory that this process has held, which is unknown here: 0.
#[cfg(not(unix))]
pub fn peak_memory() -> f64 {
    0.0
}
