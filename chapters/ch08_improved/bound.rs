//! The variational bound of test images, term by term.
#![allow(non_snake_case)]

use super::Args;
use super::nets::{Net, variances};
use anyhow::Result;
use from_noise::checkpoint::{load_tensors, save_tensors};
use from_noise::data::{Split, from_u8};
use from_noise::denoiser::Denoiser;
use from_noise::forward::{Variance, q_sample};
use from_noise::guide::DenoiserExt;
use from_noise::loss::{l_T, vlb_term};
use from_noise::noise::Seeded;
use from_noise::pretrained::Pretrained;
use from_noise::util::cli::{self, Chapter, images_of_run};
use from_noise::util::device::on_cpu;
use from_noise::util::progress::Progress;
use std::f64::consts::LN_2;
use tch::{Kind, Tensor};

/// The bound of some images by one network, in bits per dimension.
pub struct Bound {
    pub name: String,
    /// Each variance that the network can be read with, and the terms `[T, B]`: `L_0, L_1, ...`.
    pub terms: Vec<(Variance, Tensor)>,
    /// `[B]`.
    pub prior: Tensor,
    /// The mean of `nu` by `t` (`[T]`), if it is learned.
    pub nu: Option<Tensor>,
}

fn term_name(variance: Variance) -> &'static str {
    match variance {
        Variance::Small => "terms small",
        Variance::Large => "terms large",
        Variance::Learned => "terms learned",
    }
}

/// The terms at every `t`, from one draw of noise each; what is predicted is clipped, as in the
/// paper's evaluation. What was computed lies below `parts/`, and is not computed again.
pub fn of(
    net: &Net,
    trained: &Pretrained,
    n: usize,
    args: &Args,
    chapter: &mut Chapter,
) -> Result<Bound> {
    let folder = chapter.results.dir().join("parts");
    let part = folder.join(format!("bound-{}-{n}-seed-{}.safetensors", trained.hash, chapter.seed));
    let schedule = &trained.schedule;
    let (smoke, pictures) = (args.common.smoke, &args.table.pictures);
    let data = images_of_run(&net.dir, &trained.config, Split::Test, smoke, pictures)?.first(n);
    let x0 = from_u8(&data.images).to_device(trained.device); // [B, C, H, W]
    let variances = variances(trained.config.parameterization.head);
    if !part.exists() {
        let _held = cli::hold_interrupts()?;
        let _guard = tch::no_grad_guard();
        let labels = trained.config.classes.map(|_| from_noise::nn::ClassLabels::new(&data.labels));
        let model = trained.model.given(labels).clip(1.0);
        let mut noise = Seeded::new(chapter.seed, 1 << 33);
        let mut terms: Vec<Vec<Tensor>> = variances.iter().map(|_| Vec::new()).collect();
        let mut nus = Vec::new();
        let mut progress = Progress::new(format!("bound of {}", net.name), schedule.steps() as u64);
        for t in 1..=schedule.steps() {
            cli::stop_if_interrupted();
            let at = schedule.level(t);
            let x_t = q_sample(&x0, &noise.draw(&x0), at);
            let prediction = model.denoise(&x_t, at);
            let all = Tensor::full([x0.size()[0]], t as i64, (Kind::Int64, trained.device));
            for (variance, terms) in variances.iter().zip(&mut terms) {
                let term = vlb_term(schedule, &all, &prediction, &x0, &x_t, *variance) / LN_2;
                terms.push(on_cpu(&term));
            }
            nus.extend(prediction.nu().map(|nu| on_cpu(&nu.mean(Kind::Float))));
            progress.tick("");
        }
        progress.finish("");
        let stacked = terms.iter().map(|terms| Tensor::stack(terms, 0)); // [T, B]
        let nu = (!nus.is_empty()).then(|| ("nu", Tensor::stack(&nus, 0)));
        save_tensors(variances.iter().map(|v| term_name(*v)).zip(stacked).chain(nu), &part)?;
    }
    let mut saved = load_tensors(&part)?;
    let terms = variances
        .iter()
        .filter_map(|&variance| Some((variance, on_cpu(&saved.remove(term_name(variance))?))));
    let terms = terms.collect();
    let prior = on_cpu(&(l_T(schedule.level(schedule.steps()), &x0) / LN_2));
    Ok(Bound { name: net.name.clone(), terms, prior, nu: saved.remove("nu") })
}
