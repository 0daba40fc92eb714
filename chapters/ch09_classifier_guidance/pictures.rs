//! What the two classifiers do to digits, and what their gradients look like.

use super::lines::{Guide, Line, Nets};
use anyhow::Result;
use from_noise::data::{Dataset, from_u8, to_u8};
use from_noise::evaluate::{Generator, Sampling};
use from_noise::forward::q_sample;
use from_noise::guide::log_prob_gradient;
use from_noise::metrics::{FeatureExtractor, FeatureNet};
use from_noise::noise::Seeded;
use from_noise::plot::Grid;
use from_noise::schedule::Level;
use from_noise::util::cli::Chapter;
use from_noise::util::device::on_cpu;
use serde::Serialize;
use tch::{Device, Kind, Tensor};

/// `samples.png`: a way to guide per row, a class per column, all columns from the same noise.
pub fn samples(nets: &Nets, sampling: Sampling, chapter: &mut Chapter) -> Result<()> {
    let rows = [
        ("no guidance", Guide::Nothing),
        ("noised, γ = 1", Guide::Noised(1.0)),
        ("noised, γ = 5", Guide::Noised(5.0)),
        ("clean, γ = 1", Guide::Clean(1.0)),
        ("clean, γ = 5", Guide::Clean(5.0)),
    ];
    let draw = |(_, guide)| -> Result<Tensor> {
        let images = Line { conditional: false, sampling, guide }.images(nets)?;
        Ok(images.draw(0, 10, &mut |_| {}))
    };
    let images = rows.into_iter().map(draw).collect::<Result<Vec<_>>>()?;
    let grid = Grid::new(&Tensor::cat(&images, 0), 10).scale(3).row_labels(&rows.map(|row| row.0));
    chapter.results.samples(50);
    Ok(chapter.results.figure("samples.png", &grid.draw())?)
}

/// The digit whose gradient is shown, and the one that it should become.
const FROM_TO: [i64; 2] = [4, 9];

/// `gradients.png`: a noised 4, and what either classifier would change to make it a 9.
pub fn gradients(nets: &Nets, test: &Dataset, chapter: &mut Chapter) -> Result<()> {
    let schedule = nets.noised.config.schedule.build();
    let [from, to] = FROM_TO;
    let first = test.labels.eq(from).to_kind(Kind::Int64).argmax(0, false).int64_value(&[]);
    let x0 = from_u8(&test.images.narrow(0, first, 1));
    let eps = Seeded::new(chapter.seed, 0).draw(&x0);
    let ts = [1, 50, 100, 200, 300, 500].into_iter().filter(|t| *t <= schedule.steps());
    let ts: Vec<usize> = ts.collect();
    let label = Tensor::from_slice(&[to]);
    let mut rows: [Vec<Tensor>; 3] = Default::default();
    for &t in &ts {
        let at = schedule.level(t);
        let x_t = q_sample(&x0, &eps, at).to_device(chapter.device);
        for (row, net) in rows[1..].iter_mut().zip([&nets.noised, &nets.clean]) {
            let gradient = log_prob_gradient(net.classifier.log_prob(&label), &x_t, at);
            row.push(&gradient / gradient.abs().max().clamp_min(1e-12));
        }
        rows[0].push(x_t);
    }
    let images: Vec<Tensor> = rows.into_iter().flatten().collect();
    let grid = Grid::new(&Tensor::cat(&images, 0), ts.len())
        .scale(4)
        .row_labels(&["the noised 4", "noised classifier", "clean classifier"])
        .column_labels(&ts.iter().map(|t| format!("t = {t}")).collect::<Vec<_>>());
    chapter.results.samples(1);
    Ok(chapter.results.figure("gradients.png", &grid.draw())?)
}

/// Steps of the ascent, and the length of each; an image of paper alone has length 28.
const STEPS: usize = 60;
const LENGTH: f64 = 0.25;

#[derive(Debug, Serialize)]
struct Fooled {
    classifier: &'static str,
    n: usize,
    /// Shares in which the next class is found: by the classifier whose gradient was followed, and
    /// by the independent one.
    by_itself: f64,
    by_lenet: f64,
    /// The root of the mean squared change of a pixel; black and white differ by 2.
    change: f64,
}

/// `fooled.csv` and `fooled.png`: clean test digits, changed along a classifier's gradient alone
/// towards the next class. No model of digits takes part.
pub fn fooled(
    nets: &Nets,
    data: &Dataset,
    lenet: &FeatureNet,
    chapter: &mut Chapter,
) -> Result<()> {
    let x0 = from_u8(&data.images).to_device(chapter.device);
    let asked = (&data.labels + 1).remainder(nets.noised.classes());
    let share = |logits: Tensor| {
        let right = on_cpu(&on_cpu(&logits).argmax(1, false).eq_tensor(&asked));
        right.mean(None::<Kind>).double_value(&[])
    };
    let (mut rows, mut shown) = (Vec::new(), vec![x0.narrow(0, 0, 10)]);
    for (classifier, net) in
        [("taught in noise", &nets.noised), ("taught by clean images", &nets.clean)]
    {
        let log_prob = net.classifier.log_prob(&asked);
        let mut x = x0.shallow_clone();
        for _ in 0..STEPS {
            let gradient = log_prob_gradient(&log_prob, &x, Level::CLEAN);
            let norm = gradient.square().sum_dim_intlist([1, 2, 3].as_slice(), true, None::<Kind>);
            x = (x + LENGTH * gradient / norm.sqrt().clamp_min(1e-12)).clamp(-1.0, 1.0);
        }
        let features = lenet.features(&to_u8(&x));
        let by_lenet = share(lenet.logits(&features).expect("a LeNet classifies"));
        let logits = tch::no_grad(|| net.classifier.logits(&x, &Level::CLEAN.into(), false));
        let change = (&x - &x0).square().mean(None::<Kind>).sqrt().double_value(&[]);
        rows.push(Fooled { classifier, n: data.len(), by_itself: share(logits), by_lenet, change });
        shown.push(x.narrow(0, 0, 10));
    }
    let shown = Tensor::cat(&shown, 0).to_device(Device::Cpu);
    let names = ["test digits", "along the noised one's", "along the clean one's"];
    let grid = Grid::new(&shown, 10).scale(3).row_labels(&names);
    chapter.results.samples(data.len() as u64);
    chapter.results.table("fooled.csv", &rows)?;
    Ok(chapter.results.figure("fooled.png", &grid.draw())?)
}
