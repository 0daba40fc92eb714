//! What the book's page of chapter 3 draws with.

use super::{Net, Plan};
use anyhow::Result;
use from_noise::denoiser::Denoiser;
use from_noise::nn::MlpConfig;
use from_noise::noise::Seeded;
use from_noise::schedule::Path;
use from_noise::util::cli::Chapter;
use serde::Serialize;
use std::collections::BTreeMap;
use tch::{Device, Tensor};

/// The small network, and answers to check its own by.
#[derive(Debug, Serialize)]
struct Page {
    network: MlpConfig,
    /// By name: the numbers of a tensor, row by row.
    weights: BTreeMap<String, Vec<f32>>,
    /// `alpha_bar` for t = 0 to T.
    alpha_bar: Vec<f64>,
    /// Points `x`, levels `t`, and the noise that the network predicts.
    checks: Vec<([f32; 2], f32, [f32; 2])>,
}

/// `page.json` holds the small network and its answers.
pub fn for_the_page(plan: &Plan, small: &Net, chapter: &mut Chapter) -> Result<()> {
    let schedule = plan.toy.schedule.build();
    let flat = |x: &Tensor| Vec::<f32>::try_from(x.to_device(Device::Cpu).flatten(0, -1));
    let named = small.ema.vs.variables().into_iter();
    let weights = named.map(|(name, x)| Ok((name, flat(&x)?))).collect::<Result<_>>()?;
    let model = small.ema.model.given(());
    let mut checks = Vec::new();
    for (i, at) in (0..100).zip(schedule.path(Path::Linspace, 100)) {
        let x_t = Seeded::new(chapter.seed, i).start(&[1, 2]).to_device(chapter.device);
        let prediction = model.denoise(&x_t, at);
        let (x, eps) = (flat(&x_t)?, flat(prediction.eps())?);
        checks.push(([x[0], x[1]], schedule.t_of(at) as f32, [eps[0], eps[1]]));
    }
    let page = Page {
        network: small.model.net.config().clone(),
        weights,
        alpha_bar: (0..=schedule.steps()).map(|t| schedule.alpha_bar(t)).collect(),
        checks,
    };
    Ok(chapter.results.json("page.json", &page)?)
}
