use tch::{Kind, Tensor};

/// Many tensors laid out one after the other in a single vector, so that an operation on all of
/// them is one call: on a GPU Adam's step is then ten kernels in place of a thousand.
#[derive(Debug)]
pub struct Flat {
    /// All numbers: `[n]`.
    pub all: Tensor,
    /// The tensors, each a view into `all`.
    pub parts: Vec<Tensor>,
}

impl Flat {
    /// Moves `tensors` into one vector. Whoever holds one of them (a layer, a `VarStore`) goes on
    /// holding it; only its memory lies elsewhere.
    ///
    /// # Panics
    /// When the tensors are of different kinds.
    pub fn of(tensors: &[Tensor]) -> Self {
        let _guard = tch::no_grad_guard();
        let flat = Self::like(tensors);
        for (tensor, part) in tensors.iter().zip(&flat.parts) {
            part.shallow_clone().copy_(tensor);
            tensor.shallow_clone().set_data(part);
        }
        Self { parts: tensors.iter().map(Tensor::shallow_clone).collect(), ..flat }
    }

    /// Zeros in the shapes of `tensors`.
    ///
    /// # Panics
    /// When the tensors are of different kinds.
    pub fn like(tensors: &[Tensor]) -> Self {
        let options = tensors.first().map_or(tch::kind::FLOAT_CPU, |t| (t.kind(), t.device()));
        let one_kind = tensors.iter().all(|t| (t.kind(), t.device()) == options);
        assert!(one_kind, "the trained parameters must be of one kind, on one device");
        let count = tensors.iter().map(|t| t.numel() as i64).sum::<i64>();
        let all = Tensor::zeros([count], options);
        let mut start = 0;
        let part = |tensor: &Tensor| {
            let length = tensor.numel() as i64;
            start += length;
            all.narrow(0, start - length, length).view(&tensor.size()[..])
        };
        let parts = tensors.iter().map(part).collect();
        Self { all, parts }
    }

    /// Whether the tensors still lie in `all`: not if somebody gave one other memory since, as
    /// `VarStore::half` does.
    pub fn holds(&self) -> bool {
        let inside =
            |part: &Tensor| part.kind() == self.all.kind() && part.device() == self.all.device();
        let (first, last) = (self.parts.first(), self.parts.last());
        let start = first.is_none_or(|part| part.data_ptr() == self.all.data_ptr());
        start && first.is_none_or(inside) && last.is_none_or(inside)
    }
}

/// The tensors `parts` one after the other, as a vector: `[n]`.
pub(super) fn concatenated<'a>(parts: impl Iterator<Item = &'a Tensor>) -> Tensor {
    let flat: Vec<Tensor> = parts.map(|part| part.reshape([-1])).collect();
    match flat.is_empty() {
        true => Tensor::zeros([0], (Kind::Float, tch::Device::Cpu)),
        false => Tensor::cat(&flat, 0),
    }
}
