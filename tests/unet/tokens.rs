//! Attention to tokens, in both published forms.

use super::{F32, F64, awake, copy_weights, fresh, images, max_diff, shake};
use from_noise::conditioning::{Condition, Conditioning, Tokens};
use from_noise::network::Network;
use from_noise::nn::unet::{TokenAttention, TokenForm, Unet, UnetConfig};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tch::{Device, Kind, Tensor, nn};

const FORMS: [TokenForm; 2] = [TokenForm::Concatenated, TokenForm::CrossAttention];
const DIM: i64 = 6;

/// Attention after every block, so that a token is heard everywhere.
fn config(form: TokenForm) -> UnetConfig {
    let tokens = Some(TokenAttention { form, dim: DIM });
    UnetConfig { attention: vec![0, 1], head_dim: Some(4), tokens, ..UnetConfig::tiny() }
}

fn net(form: TokenForm) -> (nn::VarStore, Unet, Tensor) {
    let (mut vs, net) = awake(&config(form));
    vs.double();
    let x = images(3, net.config()).to_kind(Kind::Double);
    (vs, net, x)
}

/// Random tokens, the first `seen[i]` of sample i attended to.
fn tokens(seen: &[i64], length: i64) -> Tokens {
    let at = Tensor::arange(length, (Kind::Int64, Device::Cpu));
    let mask = at.unsqueeze(0).lt_tensor(&Tensor::from_slice(seen).unsqueeze(1));
    Tokens { embeddings: Tensor::randn([seen.len() as i64, length, DIM], F64), mask }
}

fn run(net: &Unet, x: &Tensor, tokens: &Tokens) -> Tensor {
    let (embeddings, mask) = (tokens.embeddings.shallow_clone(), tokens.mask.shallow_clone());
    let tokens = Some(Tokens { embeddings, mask });
    let conditioning = Conditioning { tokens, ..Conditioning::none() };
    net.forward(x, &Tensor::from_slice(&[300f32]), &conditioning, false)
}

/// The tokens with other embeddings where the mask is false.
fn padded_with(tokens: &Tokens, padding: f64) -> Tokens {
    let unseen = tokens.mask.logical_not().unsqueeze(-1);
    let embeddings = tokens.embeddings.masked_fill(&unseen, padding);
    Tokens { embeddings, mask: tokens.mask.shallow_clone() }
}

#[test]
fn the_order_of_tokens_does_not_matter() {
    for form in FORMS {
        let (_vs, net, x) = net(form);
        let given = tokens(&[5, 3, 1], 5);
        let order = Tensor::from_slice(&[3i64, 0, 4, 2, 1]);
        let shuffled = Tokens {
            embeddings: given.embeddings.index_select(1, &order),
            mask: given.mask.index_select(1, &order),
        };
        let diff = max_diff(&run(&net, &x, &given), &run(&net, &x, &shuffled));
        assert!(diff < 1e-12, "{form:?}: off by {diff:e}");
    }
}

#[test]
fn padding_is_as_if_it_were_not_there() {
    for form in FORMS {
        let (_vs, net, x) = net(form);
        let padded = tokens(&[2, 2, 2], 5);
        let short = Tokens {
            embeddings: padded.embeddings.narrow(1, 0, 2),
            mask: padded.mask.narrow(1, 0, 2),
        };
        let want = run(&net, &x, &short);
        let diff = max_diff(&run(&net, &x, &padded), &want);
        assert!(diff < 1e-12, "{form:?}: off by {diff:e}");
        for padding in [1e30, f64::INFINITY, f64::NAN] {
            let diff = max_diff(&run(&net, &x, &padded_with(&padded, padding)), &want);
            assert!(diff < 1e-12, "{form:?}: off by {diff:e} with padding of {padding}");
        }
        assert_eq!(run(&net, &x, &padded_with(&padded, 7.0)), run(&net, &x, &padded), "{form:?}");
    }
}

#[test]
fn padding_gets_no_gradient_and_every_other_token_does() {
    for form in FORMS {
        let (_vs, net, x) = net(form);
        let given = tokens(&[5, 3, 1], 5);
        let embeddings = given.embeddings.set_requires_grad(true);
        let given = Tokens { embeddings: embeddings.shallow_clone(), ..given };
        run(&net, &x, &given).square().sum(Kind::Double).backward();
        let heard = embeddings.grad().abs().amax([-1], false).gt(0.0); // [B, L]
        assert_eq!(heard, given.mask, "{form:?}: who gets a gradient");
    }
}

/// Each attention layer of the network has its own keys and values of the tokens.
#[test]
fn every_attention_layer_hears_the_tokens() {
    for (form, part) in [(FORMS[0], ".add_k_proj.weight"), (FORMS[1], ".attn2.to_k.weight")] {
        let (vs, net, x) = net(form);
        run(&net, &x, &tokens(&[5, 3, 2], 5)).square().sum(Kind::Double).backward();
        let variables = vs.variables();
        let keys: Vec<_> = variables.iter().filter(|(name, _)| name.ends_with(part)).collect();
        assert_eq!(keys.len(), 2 + 1 + 4, "{form:?}: one a block, but one in the middle");
        for (name, v) in keys {
            assert!(v.grad().norm().double_value(&[]) > 0.0, "{form:?}: {name} hears nothing");
        }
    }
}

#[test]
fn a_sample_does_not_hear_the_tokens_of_another() {
    for form in FORMS {
        let (_vs, net, x) = net(form);
        let given = tokens(&[5, 3, 2], 5);
        let other = Tokens {
            embeddings: Tensor::cat(
                &[given.embeddings.narrow(0, 0, 2), tokens(&[2], 5).embeddings],
                0,
            ),
            mask: given.mask.shallow_clone(),
        };
        let (a, b) = (run(&net, &x, &given), run(&net, &x, &other));
        assert_eq!(a.narrow(0, 0, 2), b.narrow(0, 0, 2), "{form:?}");
        let change = max_diff(&a.narrow(0, 2, 1), &b.narrow(0, 2, 1));
        assert!(change > 1e-3, "{form:?}: the tokens are not heard ({change:e})");
    }
}

/// The last projection of each layer starts at zero. Here every other part of the network is awake.
#[test]
fn an_untrained_network_ignores_tokens() {
    for form in FORMS {
        let (vs, net) = fresh(&config(form));
        let mut untrained = vs.variables();
        untrained.retain(|name, _| name.contains(".attentions."));
        let untrained = untrained.into_iter().map(|(name, v)| (name, v.detach().copy())).collect();
        shake(&vs);
        let (x, some, other) = (images(3, net.config()), tokens(&[4; 3], 4), tokens(&[2; 3], 4));
        assert_ne!(run(&net, &x, &some), run(&net, &x, &other), "{form:?}: awake");
        copy_weights(&untrained, &vs);
        let out = run(&net, &x, &some);
        assert!(out.std(true).double_value(&[]) > 0.0, "the rest of the network is awake");
        assert_eq!(out, run(&net, &x, &other), "{form:?}: untrained");
    }
}

#[test]
fn a_dropped_condition_is_one_and_finite() {
    for form in FORMS {
        let (_vs, net, x) = net(form);
        let (some, other) = (tokens(&[5, 3, 2], 5), tokens(&[1, 4, 2], 5));
        let all = Tensor::ones([3], (Kind::Bool, Device::Cpu));
        let out = run(&net, &x, &some.null_where(&all));
        assert_eq!(out.isfinite().all().int64_value(&[]), 1, "{form:?}");
        assert_eq!(out, run(&net, &x, &other.null_where(&all)), "{form:?}: one null for all");
        let first = Tensor::from_slice(&[true, false, false]);
        let (kept, dropped) = (run(&net, &x, &some), run(&net, &x, &some.null_where(&first)));
        assert_eq!(kept.narrow(0, 1, 2), dropped.narrow(0, 1, 2), "{form:?}: the rest is kept");
        assert_eq!(dropped.narrow(0, 0, 1), out.narrow(0, 0, 1), "{form:?}");
    }
}

/// As classifier-free guidance does it: both conditions in one batch, the shorter one padded.
#[test]
fn conditions_of_two_lengths_go_through_as_one_batch() {
    for form in FORMS {
        let (_vs, net, x) = net(form);
        let (long, short) = (tokens(&[5, 3, 2], 5), tokens(&[1, 2, 1], 2));
        let both = run(&net, &Tensor::cat(&[&x, &x], 0), &long.cat(&short));
        let apart = Tensor::cat(&[run(&net, &x, &long), run(&net, &x, &short)], 0);
        let diff = max_diff(&both, &apart);
        assert!(diff < 1e-12, "{form:?}: off by {diff:e}");
    }
}

#[test]
fn every_kind_of_float_works() {
    for form in FORMS {
        let (mut vs, net, x) = net(form);
        let given = tokens(&[5, 3, 2], 5);
        let exact = run(&net, &x, &given);
        let size = exact.abs().max().double_value(&[]);
        for (kind, tolerance) in [(Kind::Float, 1e-5), (Kind::Half, 2e-2), (Kind::BFloat16, 1e-1)] {
            vs.set_kind(kind);
            let out = run(&net, &x.to_kind(kind), &given);
            assert_eq!(out.kind(), kind);
            let diff = max_diff(&out, &exact) / size;
            assert!(diff < tolerance, "{form:?}: {kind:?} is off by {diff:e}");
        }
    }
}

#[test]
#[should_panic(expected = "attends to tokens, but there are no Conditioning.tokens")]
fn missing_tokens_are_refused() {
    let (_vs, net) = awake(&config(TokenForm::CrossAttention));
    let _ = super::plain(&net, &images(1, net.config()), &[300.0]);
}

#[test]
fn tokens_of_another_shape_are_refused_in_a_sentence() {
    let (_vs, net) = awake(&config(TokenForm::Concatenated));
    let x = images(2, net.config());
    let case = |embeddings: &[i64], mask: &[i64], kind| Tokens {
        embeddings: Tensor::zeros(embeddings, F32),
        mask: Tensor::ones(mask, (kind, Device::Cpu)),
    };
    for (tokens, given) in [
        (case(&[2, 4, 7], &[2, 4], Kind::Bool), "[2, 4, 7] and a mask [2, 4] in Bool"),
        (case(&[1, 4, 6], &[1, 4], Kind::Bool), "[1, 4, 6] and a mask [1, 4] in Bool"),
        (case(&[2, 4, 6], &[2, 5], Kind::Bool), "[2, 4, 6] and a mask [2, 5] in Bool"),
        (case(&[2, 4, 6], &[2, 4], Kind::Float), "[2, 4, 6] and a mask [2, 4] in Float"),
        (case(&[2, 0, 6], &[2, 0], Kind::Bool), "[2, 0, 6] and a mask [2, 0] in Bool"),
        (case(&[2, 6], &[2], Kind::Bool), "[2, 6] and a mask [2] in Bool"),
    ] {
        let panic = catch_unwind(AssertUnwindSafe(|| run(&net, &x, &tokens))).unwrap_err();
        let message = panic.downcast_ref::<String>().expect("a formatted message");
        let want = format!(
            "Conditioning.tokens has embeddings {given}, this U-Net takes [2, L, 6] and [2, L] in \
             Bool"
        );
        assert_eq!(message, &want);
    }
}
