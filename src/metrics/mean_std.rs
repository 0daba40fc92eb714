//! A number that was measured several times.

use std::fmt;

/// The mean of several measurements and their standard deviation (divisor `n`, as in the published
/// code of the scores): how far one measurement lies from another, which is not the error of the
/// mean.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct MeanStd {
    pub mean: f64,
    pub std: f64,
}

impl MeanStd {
    /// Of these numbers, at least one.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        Self { mean, std: variance.sqrt() }
    }
}

impl fmt::Display for MeanStd {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:.6} +- {:.6}", self.mean, self.std)
    }
}
