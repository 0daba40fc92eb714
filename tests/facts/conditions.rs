//! F1, F11: what networks are conditioned on, where it enters, and what "nothing" is.

use crate::support::{F64, max_diff, normal};
use from_noise::conditioning::{Condition, Conditioning, Tokens};
use from_noise::denoiser::{Denoiser, Model, Parameterization};
use from_noise::network::Network;
use from_noise::nn::{ClassEmbedding, ClassLabels, Conditioned, Encode, Mlp, MlpConfig};
use from_noise::sample::ddim;
use from_noise::schedule::{Path, Schedule};
use std::cell::Cell;
use tch::{Device, Kind, Tensor, nn};

fn mask(dropped: &[bool]) -> Tensor {
    Tensor::from_slice(dropped)
}

/// All three places at once, for three samples.
fn everywhere(seed: u64, length: i64) -> Conditioning {
    Conditioning {
        emb: Some(normal(&[3, 4], seed)),
        tokens: Some(Tokens {
            embeddings: normal(&[3, length, 5], seed + 1),
            mask: Tensor::ones([3, length], (Kind::Bool, Device::Cpu)),
        }),
        planes: Some(normal(&[3, 2, 6, 6], seed + 2)),
    }
}

#[test]
fn f11_null_replaces_the_dropped_samples_and_nothing_else() {
    let full = everywhere(1, 4);
    let some = full.null_where(&mask(&[false, true, false]));
    let [emb, planes] = [&some.emb, &some.planes].map(|x| x.as_ref().unwrap());
    let tokens = some.tokens.unwrap();
    for (kept, of) in [
        (emb, full.emb.as_ref().unwrap()),
        (planes, full.planes.as_ref().unwrap()),
        (&tokens.embeddings, &full.tokens.as_ref().unwrap().embeddings),
    ] {
        assert_eq!(kept.get(0), of.get(0));
        assert_eq!(kept.get(1), of.get(1).zeros_like());
        assert_eq!(kept.get(2), of.get(2));
    }
    // one token stays live: a softmax over nothing is NaN
    let live = tokens.mask.sum_dim_intlist(1, false, Kind::Int64);
    assert_eq!(live, Tensor::from_slice(&[4i64, 1, 4]));
    assert_eq!(tokens.mask.int64_value(&[1, 0]), 1);
}

#[test]
fn f12_concatenation_keeps_the_order_and_pads_the_shorter_sequences() {
    let (a, b) = (everywhere(1, 4), everywhere(10, 2));
    let both = a.cat(&b);
    let emb = both.emb.unwrap();
    assert_eq!(emb, Tensor::cat(&[a.emb.unwrap(), b.emb.unwrap()], 0));
    assert_eq!(both.planes.unwrap().size(), [6, 2, 6, 6]);
    let Tokens { embeddings, mask } = both.tokens.unwrap();
    assert_eq!(embeddings.size(), [6, 4, 5]);
    assert_eq!(embeddings.narrow(0, 3, 3).narrow(1, 0, 2), b.tokens.unwrap().embeddings);
    let live = mask.sum_dim_intlist(1, false, Kind::Int64);
    assert_eq!(live, Tensor::from_slice(&[4i64, 4, 4, 2, 2, 2]));
}

#[test]
fn encoders_compose_into_one_conditioning() {
    let both = everywhere(1, 4).and(everywhere(10, 2));
    let sum = everywhere(1, 4).emb.unwrap() + everywhere(10, 2).emb.unwrap();
    assert_eq!(both.emb.unwrap(), sum);
    assert_eq!(both.tokens.unwrap().mask.size(), [3, 6]);
    assert_eq!(both.planes.unwrap().size(), [3, 4, 6, 6]);
    let only = Conditioning::none().and(everywhere(1, 4));
    assert_eq!(only.emb.unwrap(), everywhere(1, 4).emb.unwrap());
}

/// What a panic says.
fn refused<R>(f: impl FnOnce() -> R) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).err().unwrap();
    let said = panic.downcast_ref::<&str>().map(|said| said.to_string());
    said.unwrap_or_else(|| panic.downcast_ref::<String>().unwrap().clone())
}

#[test]
fn mixtures_of_some_and_none_are_refused_by_name() {
    let full = || everywhere(1, 4);
    for (part, missing) in [
        ("emb", Conditioning { emb: None, ..full() }),
        ("tokens", Conditioning { tokens: None, ..full() }),
        ("planes", Conditioning { planes: None, ..full() }),
    ] {
        let said = refused(|| missing.cat(&full()));
        assert!(said.contains("the first has none") && said.contains(part), "{said}");
        let said = refused(|| full().cat(&missing));
        assert!(said.contains("the second has none") && said.contains(part), "{said}");
    }
    let labels = Some(ClassLabels::new(&Tensor::from_slice(&[1i64])));
    assert!(refused(|| labels.cat(&None)).contains("the second has none"));
    let none = None::<ClassEmbedding>;
    assert!(refused(|| none.encode(&labels, false)).contains("unconditional"));
}

/// A class-conditional network of points in the plane.
fn labelled(classes: i64) -> (nn::VarStore, Conditioned<ClassEmbedding, Mlp>) {
    tch::manual_seed(3);
    let vs = nn::VarStore::new(Device::Cpu);
    let config = MlpConfig { width: 16, depth: 1, embed: 8, ..MlpConfig::default() };
    let net = Mlp::new(&vs.root(), &config);
    let _ = tch::no_grad(|| vs.variables()["output.weight"].shallow_clone().normal_(0.0, 0.3));
    let encoder = ClassEmbedding::new(&(vs.root() / "class_embedding"), classes, config.width);
    (vs, Conditioned { encoder, net })
}

fn labels(of: &[i64]) -> ClassLabels {
    ClassLabels::new(&Tensor::from_slice(of))
}

#[test]
fn f1_labels_are_heard_and_only_their_own_rows_learn() {
    let (vs, net) = labelled(4);
    let x = normal(&[3, 2], 5).to_kind(Kind::Float);
    let t = Tensor::from_slice(&[300f32]);
    let say = |of: &[i64]| net.forward(&x, &t, &net.encode(&labels(of), false), false);
    let (one, other) = (say(&[0, 1, 2]), say(&[0, 1, 3]));
    assert_eq!(one.narrow(0, 0, 2), other.narrow(0, 0, 2), "a sample hears its own label");
    assert!(max_diff(&one.get(2), &other.get(2)) > 1e-3, "the label is not heard");
    say(&[1, 1, 3]).square().sum(Kind::Float).backward();
    let table = &vs.variables()["class_embedding.weight"];
    assert_eq!(table.size(), [5, 16], "four classes and the null label");
    let rows = table.grad().abs().sum_dim_intlist(1, false, Kind::Float).gt(0.0);
    assert_eq!(rows, Tensor::from_slice(&[false, true, false, true, false]));
}

#[test]
fn f11_the_null_label_is_an_embedding_of_its_own() {
    let (vs, net) = labelled(4);
    let dropped = labels(&[0, 1, 2]).null_where(&mask(&[true, false, true]));
    let emb = net.encode(&dropped, true).emb.unwrap();
    let table = &vs.variables()["class_embedding.weight"];
    let rows = table.index_select(0, &Tensor::from_slice(&[4i64, 1, 4]));
    assert_eq!(emb, rows);
    for wrong in [4, -2] {
        let said = refused(|| net.encode(&labels(&[0, wrong]), false));
        assert!(said.contains("4 classes (0..=3)"), "{said}");
    }
}

/// Counts how often the condition is encoded.
#[derive(Debug)]
struct Counting {
    times: Cell<usize>,
}

impl Encode for Counting {
    type Cond = ();

    fn encode(&self, (): &(), _train: bool) -> Conditioning {
        self.times.set(self.times.get() + 1);
        Conditioning { emb: Some(Tensor::zeros([1, 16], F64)), ..Conditioning::none() }
    }
}

#[test]
fn a_condition_is_encoded_once_a_sampling_run() {
    let (_vs, Conditioned { net, .. }) = labelled(2);
    let net = Conditioned { encoder: Counting { times: Cell::new(0) }, net };
    let schedule = Schedule::ddpm(1000);
    let model = Model::new(net, Parameterization::default(), schedule.clone());
    let given = model.given(());
    let x = normal(&[2, 2], 1).to_kind(Kind::Float);
    let _ = ddim(&given, &schedule.path(Path::Trailing, 7), x, 0.0, &mut |_| unreachable!());
    assert_eq!(model.net.encoder.times.get(), 1);
}

#[test]
fn f12_two_conditions_in_one_batch_are_what_each_is_alone() {
    // as classifier-free guidance will draw: the condition and its null, concatenated and encoded once
    let (_vs, net) = labelled(4);
    let schedule = Schedule::ddpm(1000);
    let model = Model::new(net, Parameterization::default(), schedule.clone());
    let (x, at) = (normal(&[2, 2], 1).to_kind(Kind::Float), schedule.level(400));
    let cond = || labels(&[2, 3]);
    let null = || cond().null_where(&mask(&[true, true]));
    let both = model.given(cond().cat(&null())).denoise(&Tensor::cat(&[&x, &x], 0), at);
    let alone = |cond| model.given(cond).denoise(&x, at).eps().shallow_clone();
    let apart = Tensor::cat(&[alone(cond()), alone(null())], 0);
    assert!(max_diff(both.eps(), &apart) < 1e-6);
}
