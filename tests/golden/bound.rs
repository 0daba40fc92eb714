//! The terms of the variational bound against quadrature and 30-digit tails.

use crate::runs::Playback;
use crate::{EXACT, assert_close, column, flat, read, schedule, variance};
use from_noise::denoiser::Gaussian;
use from_noise::forward::{Variance, posterior};
use from_noise::loss::{self, Decoder};
use from_noise::schedule::Schedule;
use serde::Deserialize;
use tch::Kind;

#[derive(Deserialize)]
#[allow(non_snake_case)]
struct Losses {
    decoder: Vec<DecoderCase>,
    kl: Vec<KlCase>,
    posterior: Vec<PosteriorCase>,
    l_t: Vec<TermCase>,
    l_T: Vec<PriorCase>,
    l_vlb: Vec<BoundCase>,
}

#[derive(Deserialize)]
struct DecoderCase {
    level: u8,
    mean: f64,
    std: f64,
    log_p: f64,
}

#[test]
fn the_discretised_decoder_is_exact_in_both_tails() {
    let golden: Losses = read("losses.json");
    assert_eq!(golden.decoder.len(), 16);
    for case in golden.decoder {
        let x0 = column(&[f64::from(case.level) / 127.5 - 1.0]);
        let (mean, std) = (column(&[case.mean]), column(&[case.std]));
        let got = loss::discretised_log_likelihood(&x0, &mean, &std);
        let what = format!("level {} under N({}, {}^2)", case.level, case.mean, case.std);
        assert_close(&what, &flat(&got), &[case.log_p], EXACT);
    }
}

#[derive(Deserialize)]
struct KlCase {
    mean_q: f64,
    var_q: f64,
    mean_p: f64,
    var_p: f64,
    kl: f64,
}

#[test]
fn kl_is_the_integral() {
    let golden: Losses = read("losses.json");
    assert_eq!(golden.kl.len(), 5);
    for case in golden.kl {
        let (q, p) = (column(&[case.mean_q]), column(&[case.mean_p]));
        let got = loss::kl(&q, &column(&[case.var_q]), &p, &column(&[case.var_p]));
        assert_close("kl", &flat(&got), &[case.kl], EXACT);
    }
}

#[derive(Deserialize)]
struct PosteriorCase {
    t: usize,
    s: usize,
    x0: f64,
    x_t: f64,
    mean: f64,
    var: f64,
    var_large: f64,
}

#[test]
fn the_posterior_is_bayes_rule_by_quadrature() {
    let golden: Losses = read("losses.json");
    let schedule = schedule("linear");
    assert_eq!(golden.posterior.len(), 16);
    for case in golden.posterior {
        let q = posterior(schedule.level(case.t), schedule.level(case.s));
        let what = format!("{} -> {}", case.t, case.s);
        let mean = q.on_x0 * case.x0 + q.on_xt * case.x_t;
        assert_close(&format!("{what}: mean"), &[mean], &[case.mean], EXACT);
        // variances go down to 5e-5: relative
        let ratios = [q.var_small / case.var, q.var_large / case.var_large];
        assert_close(&format!("{what}: variances"), &ratios, &[1.0, 1.0], EXACT);
    }
}

#[derive(Deserialize)]
struct TermCase {
    t: usize,
    x0: f64,
    eps: f64,
    eps_hat: f64,
    l_t_small: f64,
    l_t_large: f64,
}

#[test]
fn each_term_of_the_bound_is_the_integral() {
    let golden: Losses = read("losses.json");
    let schedule = schedule("linear");
    assert_eq!(golden.l_t.len(), 12);
    for case in golden.l_t {
        let (t, s) = (schedule.level(case.t), schedule.level(case.t - 1));
        let (x0, eps) = (column(&[case.x0]), column(&[case.eps]));
        for (variance, want) in
            [(Variance::Small, case.l_t_small), (Variance::Large, case.l_t_large)]
        {
            let eps_hat = [vec![case.eps_hat]];
            let model = Playback::new(&eps_hat);
            let got = loss::l_t(&model, t, s, &x0, &eps, variance);
            // terms go down to 1e-5, the squares of small differences of means: relative, less two digits
            let what = format!("t = {} {variance:?}", case.t);
            assert_close(&what, &[flat(&got)[0] / want], &[1.0], 1e-10);
        }
    }
}

#[derive(Deserialize)]
#[allow(non_snake_case)]
struct PriorCase {
    T: usize,
    x0: f64,
    l_T: f64,
}

#[test]
fn the_prior_term_is_the_integral() {
    let golden: Losses = read("losses.json");
    assert_eq!(golden.l_T.len(), 6);
    for case in golden.l_T {
        let last = Schedule::ddpm(case.T).level(case.T);
        assert_close("l_T", &flat(&loss::l_T(last, &column(&[case.x0]))), &[case.l_T], 1e-15);
    }
}

#[derive(Deserialize)]
#[allow(non_snake_case)]
struct BoundCase {
    T: usize,
    data_var: f64,
    variance: String,
    l_vlb: f64,
}

#[test]
fn the_whole_bound_is_the_forward_chains() {
    let golden: Losses = read("losses.json");
    assert_eq!(golden.l_vlb.len(), 12);
    for case in golden.l_vlb {
        let std = case.data_var.sqrt();
        let model = Gaussian { mean: 0.0, std };
        // every term is quadratic in x0 and eps, so these four points give its expectation exactly
        let x0 = std * column(&[1.0, 1.0, -1.0, -1.0]);
        let eps = column(&[1.0, -1.0, 1.0, -1.0]);
        let schedule = Schedule::ddpm(case.T);
        let noise = |_| eps.shallow_clone();
        let (kind, decoder) = (variance(&case.variance), Decoder::Continuous);
        let bound = loss::l_vlb(&model, &schedule, &x0, kind, decoder, noise).total();
        let what = format!("T = {} var {} {}", case.T, case.data_var, case.variance);
        assert_close(&what, &[bound.mean(Kind::Double).double_value(&[])], &[case.l_vlb], EXACT);
    }
}
