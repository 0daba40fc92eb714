//! Which levels decide: real images, noised to a level and denoised again.

use super::Args;
use anyhow::{Result, ensure};
use from_noise::data::{Split, from_u8, to_u8};
use from_noise::evaluate::{CHUNK, FeatureStats, in_short};
use from_noise::forward::q_sample;
use from_noise::guide::DenoiserExt;
use from_noise::metrics::FeatureExtractor;
use from_noise::nn::ClassLabels;
use from_noise::noise::Seeded;
use from_noise::plot::{Curves, Figure};
use from_noise::pretrained::Pretrained;
use from_noise::sample::ddim;
use from_noise::schedule::Level;
use from_noise::util::cli::{self, Chapter};
use from_noise::util::progress::Progress;
use from_noise::util::results::read_table;
use serde::Serialize;
use std::path::PathBuf;

/// Where the way down begins, in steps of `STRIDE`.
const STARTS: [usize; 6] = [100, 200, 400, 600, 800, 1000];
const STRIDE: usize = 50;

/// How far real images have moved, by where the way down began; with the jackknife's error.
#[derive(Debug, Serialize)]
struct Row {
    weights: String,
    parameters: i64,
    n: u64,
    /// The distance of the same images, untouched.
    fid_real: f64,
    from_100: String,
    from_200: String,
    from_400: String,
    from_600: String,
    from_800: String,
    from_1000: String,
}

/// How many evaluations an image takes.
pub fn evaluations() -> u64 {
    STARTS.map(|t| (t / STRIDE) as u64).iter().sum()
}

/// `levels.csv` and `levels.png` say how far `n` test images move from the data when they are noised
/// to a level, and drawn down again by DDIM (eta = 0): only what a network gets wrong below that
/// level shows. Beside it stands how the distance of samples fell while the networks were trained.
pub fn levels(weights: &[PathBuf], n: u64, args: &Args, chapter: &mut Chapter) -> Result<()> {
    let mut progress =
        Progress::new("denoising", weights.len() as u64 * n.div_ceil(CHUNK) * evaluations());
    let mut rows = Vec::new();
    let mut curves = Curves::new("Noised to t and denoised again", "t", "FID-LeNet").log_y();
    let mut training = Curves::new("While training, DDIM, 20 steps", "step", "FID-LeNet").log_y();
    for dir in weights {
        let trained = Pretrained::load(cli::find(dir), chapter.device)?;
        let config = &trained.config;
        config.needs_no_image()?;
        config.needs_no_caption()?;
        args.data.pictures.check(&config.data)?;
        let net = args.feature_net(config, chapter.device)?;
        args.enough(n, &net, "--from-levels")?;
        let (top, last) = (STARTS[STARTS.len() - 1], trained.schedule.steps());
        ensure!(
            last >= top,
            "{} knows {last} noise levels; --from-levels starts from up to {top}",
            dir.display()
        );
        let test = cli::images_of_run(
            &cli::find(dir),
            config,
            Split::Test,
            args.common.smoke,
            &args.data.pictures,
        )?;
        let test = test.first(n as usize);
        let n = test.len() as u64; // there may be fewer
        let distance = |start: Option<usize>, tick: &mut dyn FnMut()| {
            let mut stats = FeatureStats::new(net.dim());
            for first in (0..test.len()).step_by(CHUNK as usize) {
                let some = (test.len() - first).min(CHUNK as usize) as i64;
                let mut pixels = test.images.narrow(0, first as i64, some);
                if let Some(start) = start {
                    let labels = test.labels.narrow(0, first as i64, some);
                    let labels = labels.to_device(chapter.device);
                    let classes = config.classes.map(|_| ClassLabels::new(&labels));
                    let model = trained.model.given(classes).clip(1.0);
                    let x0 = from_u8(&pixels).to_device(chapter.device);
                    let eps = Seeded::new(chapter.seed, first as u64).draw(&x0);
                    let levels =
                        (0..=start / STRIDE).rev().map(|i| trained.schedule.level(i * STRIDE));
                    let path: Vec<Level> = levels.collect();
                    let x_t = q_sample(&x0, &eps, path[0]);
                    let model = model.with_callback(|_| tick());
                    let none = &mut |_: &_| unreachable!("eta = 0 draws no noise");
                    pixels = to_u8(&ddim(&model, &path, x_t, 0.0, none));
                }
                let _labels = stats.add(&net, &net.features(&pixels));
            }
            stats.distance(&net)
        };
        let (fid_real, _) = distance(None, &mut || {});
        let name = dir.file_name().unwrap_or(dir.as_os_str()).to_string_lossy().into_owned();
        let scores = STARTS.map(|t| distance(Some(t), &mut || progress.tick(&name)));
        let line: Vec<(f64, f64)> =
            STARTS.iter().zip(&scores).map(|(t, (fid, _))| (*t as f64, *fid)).collect();
        let [from_100, from_200, from_400, from_600, from_800, from_1000] =
            scores.map(|(fid, error)| in_short(fid, error));
        rows.push(Row {
            weights: name.clone(),
            parameters: config.network.cost()?.params,
            n,
            fid_real,
            from_100,
            from_200,
            from_400,
            from_600,
            from_800,
            from_1000,
        });
        curves = curves.line(&name, &line).points(&name, &line).hline(fid_real, "untouched");
        // step, distance, its error; only a run that was scored has it
        if let Ok(scores) = read_table::<(f64, f64, f64)>(&cli::find(dir).join("scores.csv")) {
            let line: Vec<(f64, f64)> = scores.iter().map(|row| (row.0, row.1)).collect();
            training = training.line(&name, &line).points(&name, &line);
        }
    }
    progress.finish(format_args!("{n} images"));
    chapter.results.samples(n);
    chapter.results.table("levels.csv", &rows)?;
    Ok(chapter.results.figure("levels.png", &Figure::row(&[curves.draw(), training.draw()]))?)
}
