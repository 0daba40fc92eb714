//! The variational bound of test images, term by term.
#![allow(non_snake_case)]

use super::{Args, Net, variances};
use anyhow::Result;
use from_noise::checkpoint::{load_tensors, save_tensors};
use from_noise::data::{Split, from_u8};
use from_noise::denoiser::Denoiser;
use from_noise::forward::{Variance, q_sample};
use from_noise::guide::DenoiserExt;
use from_noise::loss::{l_T, vlb_term};
use from_noise::noise::Seeded;
use from_noise::plot::{Curves, Figure};
use from_noise::pretrained::Pretrained;
use from_noise::util::cli::{self, Chapter, images_of_run};
use from_noise::util::device::on_cpu;
use from_noise::util::progress::Progress;
use serde::Serialize;
use std::f64::consts::LN_2;
use tch::{Kind, Tensor};

/// The bound of some images by one network, in bits per dimension.
pub struct Bound {
    name: String,
    /// Each variance that the network can be read with, and the terms `[T, B]`: `L_0, L_1, ...`.
    terms: Vec<(Variance, Tensor)>,
    /// `[B]`.
    prior: Tensor,
    /// The mean of `nu` by `t` (`[T]`), if it is learned.
    nu: Option<Tensor>,
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
            let all = vec![t; x0.size()[0] as usize];
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

/// A network read with one variance.
#[derive(Debug, Serialize)]
struct Row {
    net: String,
    variance: Variance,
    /// `L_vlb` in bits per dimension, and the standard error of this mean over the images.
    total: f64,
    error: f64,
    l_0: f64,
    /// The sum of `L_1` to `L_{T-1}`.
    l_t: f64,
    l_T: f64,
    /// The standard deviation of the bound estimated from one image and one `t`: drawn uniformly,
    /// and by the second moment of the loss.
    scatter_uniform: f64,
    scatter_importance: f64,
}

impl Bound {
    fn rows(&self) -> impl Iterator<Item = Row> {
        self.terms.iter().map(|(variance, terms)| {
            let mean = |x: &Tensor| x.mean(None).double_value(&[]);
            let (count, images) = (terms.size()[0] as f64, terms.size()[1] as f64);
            let without_prior = terms.sum_dim_intlist(0, false, None::<Kind>); // [B]
            let per_image = &without_prior + &self.prior;
            let l_0 = mean(&terms.get(0));
            let l_t = mean(&without_prior) - l_0;
            // T L_t of one t: its second moment, and that of L_t / p_t with p_t ~ root of E[L_t^2]
            let second = terms.square().mean_dim(1, false, None::<Kind>); // [T]
            let sum = l_0 + l_t;
            let uniform = count * second.sum(None).double_value(&[]);
            let importance = second.sqrt().sum(None).double_value(&[]).powi(2);
            Row {
                net: self.name.clone(),
                variance: *variance,
                total: mean(&per_image),
                error: per_image.std(true).double_value(&[]) / images.sqrt(),
                l_0,
                l_t,
                l_T: mean(&self.prior),
                scatter_uniform: (uniform - sum * sum).sqrt(),
                scatter_importance: (importance - sum * sum).max(0.0).sqrt(),
            }
        })
    }
}

/// `bound.csv` and `bound.png`.
pub fn show(bounds: &[Bound], n: usize, chapter: &mut Chapter) -> Result<()> {
    let rows: Vec<Row> = bounds.iter().flat_map(Bound::rows).collect();
    chapter.results.samples(n as u64);
    chapter.results.table("bound.csv", &rows)?;
    let by_t = |x: &Tensor| -> Vec<(f64, f64)> {
        let values = Vec::<f64>::try_from(on_cpu(x)).expect("a value for each t");
        values.into_iter().enumerate().map(|(i, y)| ((i + 1) as f64, y)).collect()
    };
    let mut left = Curves::new("The terms of the bound", "t", "bits per dimension");
    left = left.log_x().log_y().size(420.0, 320.0);
    for Bound { name, terms, .. } in bounds {
        let (_, terms) = &terms[terms.len() - 1]; // the large variance where none is learned
        left = left.line(name, &by_t(&terms.mean_dim(1, false, None::<Kind>)));
    }
    let mut right = Curves::new("What is learned", "t", "mean of ν").log_x().size(420.0, 320.0);
    for Bound { name, nu, .. } in bounds {
        if let Some(nu) = nu {
            right = right.line(name, &by_t(nu));
        }
    }
    Ok(chapter.results.figure("bound.png", &Figure::row(&[left.draw(), right.draw()]))?)
}
