//! How often a CLIP finds the caption of a noised image among a hundred, by the level.

use super::lines::Nets;
use anyhow::Result;
use from_noise::data::captions::{Facts, Part, Reader, Reading, Scene, Unreadable};
use from_noise::data::from_u8;
use from_noise::evaluate::Prompts;
use from_noise::forward::q_sample;
use from_noise::metrics::Shown;
use from_noise::nn::Captions;
use from_noise::noise::Seeded;
use from_noise::plot::{Curves, Figure};
use from_noise::pretrained::PretrainedClip;
use from_noise::schedule::Level;
use from_noise::util::cli::Chapter;
use from_noise::util::device::on_cpu;
use serde::Serialize;
use tch::{Kind, Tensor};

const LEVELS: [usize; 11] = [0, 50, 100, 200, 300, 400, 500, 600, 700, 800, 900];

/// Captions to choose from.
const AMONG: usize = 100;

#[derive(Debug, Serialize)]
struct Row {
    t: usize,
    among: usize,
    noised_right: f64,
    clean_right: f64,
    held_out_right: f64,
}

/// A column of the table.
type Of = fn(&Row) -> f64;

/// `retrieval.csv` and `retrieval.png`: three CLIPs, by the level of noise.
pub fn show(nets: &Nets, smoke: bool, chapter: &mut Chapter) -> Result<()> {
    let _guard = tch::no_grad_guard();
    let rounds = if smoke { 1 } else { 5 };
    let (images, captions) = distinct(rounds * AMONG, nets.base.config.format.size.into());
    let captions = Captions::new(&Prompts::new(&captions)?.tokens);
    let x0 = from_u8(&images);
    let eps = Seeded::new(chapter.seed, 0).draw(&x0);
    let schedule = nets.noised.config.schedule.build();
    let mut rows = Vec::new();
    let last = if smoke { 99 } else { schedule.steps() };
    for t in LEVELS.into_iter().filter(|t| *t <= last) {
        let at = if t == 0 { Level::CLEAN } else { schedule.level(t) };
        let x_t = q_sample(&x0, &eps, at);
        let x_t = x_t.to_device(chapter.device);
        let right = |net: &PretrainedClip| found(net, &x_t, at, &captions);
        rows.push(Row {
            t,
            among: AMONG,
            noised_right: right(&nets.noised),
            clean_right: right(&nets.clean),
            held_out_right: right(&nets.held_out),
        });
    }
    chapter.results.samples((rounds * AMONG) as u64);
    chapter.results.table("retrieval.csv", &rows)?;
    let line =
        |of: Of| -> Vec<(f64, f64)> { rows.iter().map(|row| (row.t as f64, of(row))).collect() };
    let mut curves = Curves::new("The caption is found", "t", "share of images");
    let ways: [(&str, Of); 3] = [
        ("taught in noise", |row| row.noised_right),
        ("taught by clean images", |row| row.clean_right),
        ("held out, taught by clean images", |row| row.held_out_right),
    ];
    for (name, of) in ways {
        curves = curves.line(name, &line(of)).points(name, &line(of));
    }
    let figure = Figure::row(&[curves.y_range(0.0, 1.02).size(520.0, 280.0).draw()]);
    Ok(chapter.results.figure("retrieval.png", &figure)?)
}

/// Test scenes such that among each hundred the caption of none fits another's picture, as the rule
/// reads it: one caption alone is right.
fn distinct(n: usize, side: i64) -> (Tensor, Vec<String>) {
    let mut known: Vec<(Facts, Result<Reading, Unreadable>)> = Vec::new();
    let (reader, mut images, mut captions) = (Reader::new(side), Vec::new(), Vec::new());
    for i in 0.. {
        if images.len() == n {
            break;
        }
        let scene = Scene::draw(1, i, Part::Test);
        let (facts, image) = (scene.facts(1, i), scene.render(side));
        let read = reader.read(&image);
        let among = &known[known.len() / AMONG * AMONG..];
        let confused = |(other, of_other): &(Facts, _)| {
            Shown::of(&read, other).all() || Shown::of(of_other, &facts).all()
        };
        if !among.iter().any(confused) {
            images.push(image);
            captions.push(facts.caption(1, i));
            known.push((facts, read));
        }
    }
    (Tensor::stack(&images, 0), captions)
}

/// The share of the images whose own caption fits best, among every hundred.
fn found(net: &PretrainedClip, x_t: &Tensor, at: Level, captions: &Captions) -> f64 {
    let images = on_cpu(&net.clip.image_embeddings(x_t, &at.into(), false)); // [N, D]
    let texts = on_cpu(&net.clip.text_embeddings(captions));
    let width = images.size()[1];
    let [images, texts] = [images, texts].map(|x| x.view([-1, AMONG as i64, width]));
    let best = images.matmul(&texts.transpose(1, 2)).argmax(2, false); // [rounds, AMONG]
    let own = Tensor::arange(AMONG as i64, (Kind::Int64, best.device()));
    best.eq_tensor(&own).to_kind(Kind::Float).mean(None::<Kind>).double_value(&[])
}
