//! What a network costs, counted from its configuration alone.

/// Parameters, and floating-point operations of one forward pass of one sample.
///
/// One multiply-add counts as two operations; matrix products, convolutions and attention are
/// counted, as PyTorch's `FlopCounterMode` does, the rest is small. The time embedding is counted
/// for every sample, as in training; a sampler computes it once a batch. A backward pass costs
/// about twice the forward pass. Of attention to tokens, what grows with their number is left out:
/// projecting their keys and values, and the dot products with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    pub params: i64,
    pub flops: i64,
}

impl Cost {
    /// A linear layer with bias, applied once.
    pub(crate) fn linear(&mut self, inputs: i64, outputs: i64) {
        self.conv(inputs, outputs, 1, 1);
    }

    /// A matrix without bias, applied `times` times.
    pub(crate) fn matrix(&mut self, inputs: i64, outputs: i64, times: i64) {
        self.add(product(&[inputs, outputs]), product(&[2, inputs, outputs, times]));
    }

    /// A convolution with bias and a square kernel, producing `pixels` pixels.
    pub(crate) fn conv(&mut self, inputs: i64, outputs: i64, kernel: i64, pixels: i64) {
        let weights = product(&[kernel, kernel, inputs, outputs]);
        self.add(weights.saturating_add(outputs), product(&[2, weights, pixels]));
    }

    /// Scale and shift of a normalisation.
    pub(crate) fn norm(&mut self, channels: i64) {
        self.add(product(&[2, channels]), 0);
    }

    /// `Q K^T` and its product with `V`, over `tokens` tokens.
    pub(crate) fn attention(&mut self, channels: i64, tokens: i64) {
        self.add(0, product(&[4, channels, tokens, tokens]));
    }

    fn add(&mut self, params: i64, flops: i64) {
        self.params = self.params.saturating_add(params);
        self.flops = self.flops.saturating_add(flops);
    }
}

/// A network that is asked for may be larger than any number.
fn product(factors: &[i64]) -> i64 {
    factors.iter().fold(1, |product: i64, factor| product.saturating_mul(*factor))
}
