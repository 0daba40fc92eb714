//! Class labels as a condition.

use super::conditioned::Encode;
use crate::conditioning::{Condition, Conditioning};
use tch::{Kind, Tensor, nn};

/// One class label per sample; the null label stands for "any class".
#[derive(Debug)]
pub struct ClassLabels {
    /// `[B]`, i64; [`ClassLabels::NULL`] where there is none.
    labels: Tensor,
}

impl ClassLabels {
    /// The label of no class.
    pub const NULL: i64 = -1;

    /// `labels: [B]`, i64, from 0 up.
    ///
    /// # Panics
    /// On another shape or kind.
    pub fn new(labels: &Tensor) -> Self {
        let (shape, kind) = (labels.size(), labels.kind());
        let fits = shape.len() == 1 && kind == Kind::Int64;
        assert!(fits, "class labels are [B] in Int64, not {shape:?} in {kind:?}");
        Self { labels: labels.shallow_clone() }
    }

    /// The labels of the samples `first..first + n` if each of so many classes is drawn in turn.
    pub fn in_turn(classes: i64, first: u64, n: u64) -> Self {
        let labels: Vec<i64> = (first..first + n).map(|i| (i % classes as u64) as i64).collect();
        Self::new(&Tensor::from_slice(&labels))
    }

    /// `[B]`, i64; [`ClassLabels::NULL`] where there is none.
    pub fn labels(&self) -> &Tensor {
        &self.labels
    }
}

impl Condition for ClassLabels {
    fn null_where(&self, mask: &Tensor) -> Self {
        let null = self.labels.full_like(Self::NULL);
        Self { labels: null.where_self(&mask.to_device(self.labels.device()), &self.labels) }
    }

    fn cat(&self, other: &Self) -> Self {
        Self { labels: Tensor::cat(&[&self.labels, &other.labels], 0) }
    }
}

/// Dhariwal & Nichol 2021 (ADM): a learned vector per class, added to the time embedding; as in
/// diffusers it is called `class_embedding`. The null label has a vector of its own, the last one
/// (Ho & Salimans 2021, section 3.2).
#[derive(Debug)]
pub struct ClassEmbedding {
    classes: i64,
    embedding: nn::Embedding,
}

impl ClassEmbedding {
    /// `width` is that of the network's time embedding.
    pub fn new(vs: &nn::Path, classes: i64, width: i64) -> Self {
        let embedding = nn::embedding(vs, classes + 1, width, Default::default());
        Self { classes, embedding }
    }
}

impl Encode for ClassEmbedding {
    type Cond = ClassLabels;

    /// # Panics
    /// On a label that is no class of this network.
    fn encode(&self, cond: &ClassLabels, _train: bool) -> Conditioning {
        let (labels, classes) = (&cond.labels, self.classes);
        let (low, high) = (labels.min().int64_value(&[]), labels.max().int64_value(&[]));
        assert!(
            low >= ClassLabels::NULL && high < classes,
            "labels {low}..={high} for a network of {classes} classes (0..={})",
            classes - 1
        );
        let rows = labels.full_like(classes).where_self(&labels.lt(0), labels);
        let rows = rows.to_device(self.embedding.ws.device());
        Conditioning { emb: Some(rows.apply(&self.embedding)), ..Conditioning::none() }
    }
}
