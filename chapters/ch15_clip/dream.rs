//! The gradient of CLIP on pixels, without a diffusion model: what it wants to see.

use super::lines::Nets;
use super::scores::says;
use anyhow::Result;
use from_noise::data::captions::{Part, Scene};
use from_noise::data::from_u8;
use from_noise::evaluate::Prompts;
use from_noise::guide::log_prob_gradient;
use from_noise::nn::Captions;
use from_noise::plot::Grid;
use from_noise::pretrained::PretrainedClip;
use from_noise::schedule::Level;
use from_noise::util::cli::Chapter;
use from_noise::util::device::on_cpu;
use serde::Serialize;
use tch::{Kind, Tensor};

const CAPTION: &str = "a large red star on a white background";
/// Steps of gradient ascent, and their length along the normalised gradient, per pixel.
const STEPS: usize = 60;
const LENGTH: f64 = 0.02;
const SHOWN: i64 = 6;

#[derive(Debug, Serialize)]
struct Row {
    clip: &'static str,
    /// Inner products with the caption, in the mean: before, after, and by the CLIP that is held out.
    before: f64,
    after: f64,
    before_held_out: f64,
    after_held_out: f64,
}

/// `dream.png` and `dream.csv`: scenes of something else, changed until a CLIP reads the caption.
pub fn show(nets: &Nets, smoke: bool, chapter: &mut Chapter) -> Result<()> {
    let side = nets.base.config.format.size.into();
    let scenes: Vec<Tensor> =
        (0..SHOWN as u64).map(|i| Scene::draw(2, i, Part::Test).render(side)).collect();
    let start = from_u8(&Tensor::stack(&scenes, 0)).to_device(chapter.device);
    let tokens = Prompts::new(&[CAPTION])?.tokens.expand([SHOWN, -1], true);
    let captions = Captions::new(&tokens);
    let steps = if smoke { 2 } else { STEPS };
    let (mut rows, mut pictures) = (Vec::new(), vec![on_cpu(&start)]);
    let held_out = |x: &Tensor| says(&nets.held_out, x, &captions);
    for (clip, net) in [("noised", &nets.noised), ("clean", &nets.clean)] {
        let end = ascend(net, &start, &captions, steps);
        rows.push(Row {
            clip,
            before: says(net, &start, &captions),
            after: says(net, &end, &captions),
            before_held_out: held_out(&start),
            after_held_out: held_out(&end),
        });
        pictures.push(on_cpu(&end));
    }
    let images = Tensor::cat(&pictures, 0);
    let names = ["scenes", "by the noised CLIP", "by the clean CLIP"].map(String::from);
    let grid = Grid::new(&images, SHOWN as usize).scale(3).row_labels(&names);
    chapter.results.samples(SHOWN as u64);
    chapter.results.table("dream.csv", &rows)?;
    Ok(chapter.results.figure("dream.png", &grid.draw())?)
}

// ANCHOR: ascend
/// Pixels that CLIP likes better and better.
fn ascend(net: &PretrainedClip, start: &Tensor, captions: &Captions, steps: usize) -> Tensor {
    let (logit, mut x) = (net.clip.logit(captions), start.shallow_clone());
    for _ in 0..steps {
        let gradient = log_prob_gradient(&logit, &x, Level::CLEAN);
        let size = gradient.square().mean_dim(&[1i64, 2, 3][..], true, None::<Kind>).sqrt();
        x = (x + LENGTH * gradient / (size + 1e-12)).clamp(-1.0, 1.0);
    }
    x
}
// ANCHOR_END: ascend
