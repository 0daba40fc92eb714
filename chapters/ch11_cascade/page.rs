//! What the slider of the book's page shows: images on their way through both stages.

use super::Config;
use super::base::{Base, Stages};
use anyhow::Result;
use base64::prelude::{BASE64_STANDARD, Engine};
use from_noise::data::{from_u8, to_u8};
use from_noise::evaluate::Generator;
use from_noise::guide::Snapshot;
use from_noise::plot::sheet;
use from_noise::util::cli::Chapter;
use from_noise::util::device::on_cpu;
use serde::Serialize;
use tch::Tensor;

const SHOWN: u64 = 10;
const COLUMNS: i64 = 5;
/// The steps of each stage that are shown.
const FRAMES: usize = 5;

/// One picture for each moment.
#[derive(Debug, Serialize)]
struct Page {
    /// In words.
    moments: Vec<String>,
    /// A PNG each, in Base64.
    pictures: Vec<String>,
}

/// `page.json` holds what the samplers hold at some steps of both stages.
pub fn for_the_page(config: &Config, stages: &Stages, chapter: &mut Chapter) -> Result<()> {
    let n = SHOWN;
    let base = Base::new(config, stages, 1.0)?;
    let side = base.shape()[1];
    let cascade = stages.cascade(config, &base, 0, 1.0)?;
    let mut seen: [Vec<(f64, Tensor)>; 2] = Default::default();
    let mut keep = |now: &Snapshot| {
        let upper = now.x_t.size()[2] > side;
        let t = [&stages.base, &stages.upper][upper as usize].schedule.t_of(now.at);
        seen[upper as usize].push((t, on_cpu(&now.x_t)));
    };
    let drawn = cascade.draw(0, n, &mut keep);
    let low = from_u8(&to_u8(&base.draw(0, n, &mut |_| {})));
    let shown = stages.upper.low_res(&low, 0, &mut |x| x.zeros_like())?.planes;
    let mut page = Page { moments: Vec::new(), pictures: Vec::new() };
    let mut show = |moment: String, x: &Tensor| {
        page.moments.push(moment);
        page.pictures.push(BASE64_STANDARD.encode(sheet(&larger(x, drawn.size()[2]), COLUMNS)));
    };
    let few = |all: &[(f64, Tensor)]| {
        let at = |i: usize| all[i * (all.len() - 1) / (FRAMES - 1)].1.shallow_clone();
        let t = |i: usize| all[i * (all.len() - 1) / (FRAMES - 1)].0;
        (0..FRAMES).map(|i| (t(i), at(i))).collect::<Vec<_>>()
    };
    for (t, x) in few(&seen[0]) {
        show(format!("base, {side} x {side}, t = {t:.0}"), &x);
    }
    show(format!("what the base has drawn, in 8 bits, {side} x {side}"), &low);
    show("the same, enlarged: what the upsampler is shown".into(), &shown);
    let large = drawn.size()[2];
    for (t, x) in few(&seen[1]) {
        show(format!("upsampler, {large} x {large}, t = {t:.0}"), &x);
    }
    show(format!("what the upsampler has drawn, {large} x {large}"), &drawn);
    chapter.results.samples(n);
    Ok(chapter.results.json("page.json", &page)?)
}

/// Each pixel repeated, up to a side.
pub fn larger(x: &Tensor, side: i64) -> Tensor {
    x.upsample_nearest2d([side, side], None, None)
}
