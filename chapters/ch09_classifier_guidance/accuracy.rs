//! How much of the class is left in noise, and what a classifier says that has never seen any.

use super::lines::Nets;
use anyhow::Result;
use from_noise::data::{Dataset, from_u8};
use from_noise::forward::q_sample;
use from_noise::noise::Seeded;
use from_noise::plot::{Curves, Figure};
use from_noise::util::cli::Chapter;
use from_noise::util::device::on_cpu;
use serde::Serialize;
use tch::{Kind, Tensor};

const LEVELS: [usize; 14] = [1, 50, 100, 150, 200, 250, 300, 350, 400, 500, 600, 700, 800, 1000];

/// Images a forward pass.
const BATCH: i64 = 250;

#[derive(Debug, Serialize)]
struct Row {
    t: usize,
    sigma: f64,
    /// Shares of the test images that are classified rightly, and the mean of the largest
    /// probability: a calibrated classifier's is the share.
    noised_right: f64,
    noised_sure: f64,
    clean_right: f64,
    clean_sure: f64,
}

/// `accuracy.csv` and `accuracy.png`: both classifiers of noised test images, by the level.
pub fn show(nets: &Nets, test: &Dataset, chapter: &mut Chapter) -> Result<()> {
    let _guard = tch::no_grad_guard();
    let schedule = nets.noised.config.schedule.build();
    let x0 = from_u8(&test.images);
    let eps = Seeded::new(chapter.seed, 0).draw(&x0);
    let mut rows = Vec::new();
    for t in LEVELS.into_iter().filter(|t| *t <= schedule.steps()) {
        let at = schedule.level(t);
        let x_t = q_sample(&x0, &eps, at).to_device(chapter.device);
        let mut found = [&nets.noised, &nets.clean].into_iter().map(|net| {
            let batches = x_t.split(BATCH, 0).into_iter();
            let logits = batches.map(|x| net.classifier.logits(&x, &at.into(), false));
            let p = on_cpu(&Tensor::cat(&logits.collect::<Vec<_>>(), 0)).softmax(1, None::<Kind>);
            let (sure, class) = p.max_dim(1, false);
            let right = on_cpu(&class.eq_tensor(&test.labels));
            [right, sure].map(|x| x.mean(None::<Kind>).double_value(&[]))
        });
        let mut next = || found.next().expect("two classifiers");
        let ([noised_right, noised_sure], [clean_right, clean_sure]) = (next(), next());
        let sigma = at.sigma;
        rows.push(Row { t, sigma, noised_right, noised_sure, clean_right, clean_sure });
    }
    chapter.results.samples(test.len() as u64);
    chapter.results.table("accuracy.csv", &rows)?;
    let line = |of: fn(&Row) -> f64| -> Vec<(f64, f64)> {
        rows.iter().map(|row| (row.t as f64, of(row))).collect()
    };
    let panel = |title: &str, y: &str, noised: fn(&Row) -> f64, clean: fn(&Row) -> f64| {
        let (noised, clean) = (line(noised), line(clean));
        Curves::new(title, "t", y)
            .line("taught in noise", &noised)
            .points("taught in noise", &noised)
            .line("taught by clean images", &clean)
            .points("taught by clean images", &clean)
            .y_range(0.0, 1.02)
    };
    let right =
        panel("How often right", "share of images", |row| row.noised_right, |row| row.clean_right);
    let sure = panel("How sure", "mean probability", |row| row.noised_sure, |row| row.clean_sure);
    let figure = Figure::row(&[
        right.without_legend().size(300.0, 280.0).draw(),
        sure.size(460.0, 280.0).draw(),
    ]);
    Ok(chapter.results.figure("accuracy.png", &figure)?)
}
