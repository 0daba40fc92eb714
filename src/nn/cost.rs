//! What a network costs, counted from its configuration alone.

/// Parameters, and floating-point operations of one forward pass of one sample.
///
/// One multiply-add counts as two operations; only matrix products, convolutions and attention
/// are counted, as PyTorch's `FlopCounterMode` does: the rest is small. A backward pass costs
/// about twice the forward pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    pub params: i64,
    pub flops: i64,
}

impl Cost {
    pub(crate) fn linear(&mut self, inputs: i64, outputs: i64) {
        self.tokenwise(inputs, outputs, 1);
    }

    /// A linear layer with bias, applied to each of `tokens` tokens (or pixels).
    pub(crate) fn tokenwise(&mut self, inputs: i64, outputs: i64, tokens: i64) {
        self.params += inputs * outputs + outputs;
        self.flops += 2 * inputs * outputs * tokens;
    }
}
