//! Algorithm 2: the loop that draws, and pictures of its way.

use super::curves;
use anyhow::Result;
use from_noise::data::{Dataset, Split, from_u8};
use from_noise::forward::Variance;
use from_noise::guide::{DenoiserExt, Snapshot};
use from_noise::noise::Seeded;
use from_noise::plot::{Figure, Gif, Grid};
use from_noise::pretrained::Pretrained;
use from_noise::sample::ddpm;
use from_noise::schedule::{Path, Schedule};
use from_noise::util::cli::{Chapter, PictureArgs, images_of_run};
use from_noise::util::print;
use from_noise::util::progress::Progress;
use tch::Tensor;

/// Images drawn at once: all of their way takes 100 MB.
pub const BATCH: u64 = 16;

/// Algorithm 2, with every step of the first images kept for the pictures.
#[allow(non_snake_case)]
pub fn draw(
    trained: &Pretrained,
    dir: &std::path::Path,
    pictures: &PictureArgs,
    (n, steps, every): (u64, usize, usize),
    chapter: &mut Chapter,
) -> Result<()> {
    let held_out = images_of_run(dir, &trained.config, Split::Test, true, pictures);
    if let Err(why) = &held_out {
        print::err(format_args!("warning: no loss by level in loss.png: {why}")); // not every folder has a test/
    }
    let held_out = held_out.ok();
    let path = trained.schedule.path(Path::Uniform, steps);
    let chunks: Vec<u64> = (0..n).step_by(BATCH as usize).collect();
    let mut progress = Progress::new("drawing", (chunks.len() * steps) as u64);
    let (mut done, mut first_seen) = (Vec::new(), Vec::new());
    for first in chunks {
        // ANCHOR: draw
        let mut noise = Seeded::new(chapter.seed, first);
        let x_T = noise.start(&trained.config.shape(BATCH.min(n - first) as i64));
        let tick = |seen: &Snapshot| {
            progress.tick(format_args!("t = {}", trained.schedule.t_of(seen.at)));
        };
        let classes = trained.config.classes_in_turn(first, BATCH.min(n - first));
        let model = trained.model.given(classes).clip(1.0).with_callback(tick).recorded();
        let x_T = x_T.to_device(chapter.device);
        let x0 = ddpm(&model, &path, x_T, Variance::Small, &mut |x| noise.draw(x));
        // ANCHOR_END: draw
        if first == 0 {
            first_seen = model.take();
        }
        done.push(x0);
    }
    progress.finish(format_args!("{n} images, {steps} steps each"));
    let device = chapter.device;
    let results = &mut chapter.results;
    let shown = (4 * n).min(256); // few for a few samples, so that they come at once
    results.samples(shown);
    let fits = |data: &Dataset| {
        trained.config.classes.is_none_or(|known| data.classes.len() as i64 <= known)
    };
    let by_level = held_out
        .as_ref()
        .filter(|data| fits(data))
        .map(|data| curves::loss_by_level(trained, &data.first(shown as usize), device));
    let log = curves::training_loss(&dir.join("log.csv"));
    let curves: Vec<Figure> = [log, by_level].into_iter().flatten().collect();
    if !curves.is_empty() {
        results.figure("loss.png", &Figure::row(&curves))?;
    }
    results.samples(n);
    let side_by_side = [
        Some(("Samples", Tensor::cat(&done, 0))),
        held_out.map(|data| ("Real test images", from_u8(&data.first(n as usize).images))),
    ];
    let grid = |(title, x): (&str, Tensor)| Grid::new(&x, 8).scale(3).title(title).draw();
    let grids: Vec<Figure> = side_by_side.into_iter().flatten().map(grid).collect();
    results.figure("samples.png", &Figure::row(&grids))?;
    results.samples(n.min(8));
    results.figure("on-the-way.png", &stills(&first_seen, &trained.schedule))?;
    Ok(results.gif("denoising.gif", &film(&first_seen, &trained.schedule, every))?)
}

/// Two images on their way: what the sampler holds, above what it predicts.
fn stills(seen: &[Snapshot], schedule: &Schedule) -> Figure {
    let picked: Vec<&Snapshot> =
        (0..10).map(|column| &seen[(seen.len() - 1) * column / 9]).collect();
    let row = |image: i64, predicted: bool| {
        let of =
            |seen: &&Snapshot| if predicted { &seen.x0 } else { &seen.x_t }.narrow(0, image, 1);
        picked.iter().map(of).collect::<Vec<_>>()
    };
    let images = seen[0].x_t.size()[0].min(2);
    let rows = (0..images).flat_map(|image| [row(image, false), row(image, true)]);
    let rows: Vec<Tensor> = rows.flatten().collect();
    let time = |seen: &&Snapshot| format!("t = {}", schedule.t_of(seen.at));
    let times: Vec<String> = picked.iter().map(time).collect();
    Grid::new(&Tensor::cat(&rows, 0), picked.len())
        .scale(3)
        .column_labels(&times)
        .row_labels(&["x_t", "predicted x0", "x_t", "predicted x0"][..2 * images as usize])
        .draw()
}

/// Every `every`-th step of eight images: x_t beside the prediction about x0.
fn film(seen: &[Snapshot], schedule: &Schedule, every: usize) -> Gif {
    let frame = |seen: &Snapshot| {
        let few = |x: &Tensor| x.narrow(0, 0, x.size()[0].min(8));
        let panel = |title: String, x: &Tensor| Grid::new(&few(x), 4).title(title).draw();
        let now = panel(format!("x_t, t = {}", schedule.t_of(seen.at)), &seen.x_t);
        Figure::row(&[now, panel("predicted x0".into(), &seen.x0)])
    };
    let chosen = seen.iter().rev().step_by(every.max(1)); // the last step is always among them
    let mut frames: Vec<Figure> = chosen.map(frame).collect();
    frames.reverse();
    Gif::new(&frames, 20.max(5000 / frames.len() as u32)).colours(16).hold(3000)
}
