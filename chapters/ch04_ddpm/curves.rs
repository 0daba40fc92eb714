//! Curves of the loss: over the training, over the levels, and against the quality of samples.

use super::variants::Kind;
use from_noise::data::{Dataset, from_u8};
use from_noise::denoiser::Denoiser;
use from_noise::forward::q_sample;
use from_noise::nn::ClassLabels;
use from_noise::noise::Seeded;
use from_noise::plot::{Curves, Figure};
use from_noise::pretrained::Pretrained;
use from_noise::schedule::Level;
use from_noise::util::device::on_cpu;
use from_noise::util::print;
use from_noise::util::results::read_table;
use tch::Device;

/// The loss that training logged, mean of a hundred steps; none for weights without a log.
pub fn training_loss(log: &std::path::Path) -> Option<Figure> {
    let rows = match read_table::<(f64, f64, f64)>(log) {
        Ok(rows) => rows, // step, loss, gradient norm
        Err(why) => {
            print::err(format_args!("warning: no loss while training in loss.png: {why}"));
            return None;
        }
    };
    let mean = |rows: &[(f64, f64, f64)]| {
        (rows[rows.len() - 1].0, rows.iter().map(|row| row.1).sum::<f64>() / rows.len() as f64)
    };
    let points: Vec<(f64, f64)> = rows.chunks_exact(10).map(mean).collect();
    let figure = Curves::new("Loss while training", "step", "loss").log_y();
    (points.len() > 1).then(|| figure.line("", &points).size(370.0, 240.0).draw())
}

/// The loss of the averaged weights at each of 40 levels, on images they were not trained on.
pub fn loss_by_level(trained: &Pretrained, held_out: &Dataset, device: Device) -> Figure {
    let errors = errors_by_level(trained, held_out, device);
    let point = |(at, error): &(Level, f64)| (trained.schedule.t_of(*at), *error);
    let points: Vec<(f64, f64)> = errors.iter().map(point).collect();
    let figure = Curves::new("Loss by level", "t", "squared error of eps").log_y();
    figure.line("", &points).size(370.0, 240.0).draw()
}

/// The squared error of the noise at the first level and 40 others, evenly apart, on images that the
/// network was not trained on.
pub fn errors_by_level(
    trained: &Pretrained,
    held_out: &Dataset,
    device: Device,
) -> Vec<(Level, f64)> {
    let _guard = tch::no_grad_guard();
    let x0 = from_u8(&held_out.images);
    let mut noise = Seeded::new(0, 1 << 32);
    let last = trained.schedule.steps();
    let error = |i: usize| {
        let at = trained.schedule.level((i * last / 40).max(1));
        let eps = noise.draw(&x0);
        let x_t = q_sample(&x0, &eps, at).to_device(device);
        let prediction = trained.model.given(labels(trained, held_out)).denoise(&x_t, at);
        let error = (on_cpu(prediction.eps()) - eps).square().mean(None);
        (at, error.double_value(&[]))
    };
    (0..=40).map(error).collect()
}

/// What is compared, and the point that a network is: its time, its L_simple,
/// its distance.
pub type Point = (Kind, f64, f64, f64);

/// The distances of `variants` against the time of an evaluation, and against the loss.
pub fn by_kind(points: &[Point]) -> Figure {
    let panel = |title, x_label, x: fn(&Point) -> f64| {
        let curves = Curves::new(title, x_label, "FID-LeNet").log_y();
        let of = |kind| {
            let here = points.iter().filter(move |point| point.0 == kind);
            here.map(|point| (x(point), point.3)).collect::<Vec<_>>()
        };
        let all = Kind::ALL.into_iter().map(|kind| (kind.name(), of(kind)));
        all.fold(curves, |curves, (name, points)| curves.points(name, &points))
    };
    let time = panel("What it costs to draw", "time of an evaluation", |point| point.1);
    let loss = panel("What the loss tells", "L_simple on test digits", |point| point.2);
    let panels = [time.without_legend().size(310.0, 300.0), loss.size(465.0, 300.0)];
    Figure::row(&panels.map(|panel| panel.draw()))
}

/// The classes of the images, if the model is told any.
fn labels(trained: &Pretrained, data: &Dataset) -> Option<ClassLabels> {
    trained.config.classes.map(|_| ClassLabels::new(&data.labels))
}
