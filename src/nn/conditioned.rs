//! A network with an encoder before it: what makes an unconditional network conditional.

use crate::conditioning::{Condition, Conditioning};
use crate::network::Network;
use std::fmt::Debug;
use tch::{Kind, Tensor};

/// Turns a condition into what enters a network.
///
/// Encoders compose: a pair encodes a pair of conditions, `Option` one that need not be there.
pub trait Encode: Debug {
    type Cond: Condition;

    fn encode(&self, cond: &Self::Cond, train: bool) -> Conditioning;
}

impl<A: Encode, B: Encode> Encode for (A, B) {
    type Cond = (A::Cond, B::Cond);

    fn encode(&self, cond: &Self::Cond, train: bool) -> Conditioning {
        self.0.encode(&cond.0, train).and(self.1.encode(&cond.1, train))
    }
}

/// # Panics
/// When there is an encoder and no condition, or a condition and no encoder.
impl<E: Encode> Encode for Option<E> {
    type Cond = Option<E::Cond>;

    fn encode(&self, cond: &Self::Cond, train: bool) -> Conditioning {
        match (self, cond) {
            (Some(encoder), Some(cond)) => encoder.encode(cond, train),
            (None, None) => Conditioning::none(),
            (Some(encoder), None) => {
                panic!("this network is conditional: no input for {encoder:?}")
            }
            (None, Some(_)) => panic!("this network is unconditional: it takes no condition"),
        }
    }
}

/// A network that sees what its encoder makes of the condition.
#[derive(Debug)]
pub struct Conditioned<E, N> {
    pub encoder: E,
    pub net: N,
}

impl<E: Encode, N: Network> Network for Conditioned<E, N> {
    type Cond = E::Cond;

    fn encode(&self, cond: &E::Cond, train: bool) -> Conditioning {
        self.encoder.encode(cond, train)
    }

    fn forward(&self, x: &Tensor, t: &Tensor, conditioning: &Conditioning, train: bool) -> Tensor {
        self.net.forward(x, t, conditioning, train)
    }

    fn kind(&self) -> Option<Kind> {
        self.net.kind()
    }
}
