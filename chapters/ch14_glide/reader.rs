//! The rule that reads pictures: scenes with their captions, and how it fails in noise and blur.

use anyhow::Result;
use from_noise::data::captions::{Facts, Part, Scene};
use from_noise::data::{from_u8, to_u8};
use from_noise::metrics::alignment;
use from_noise::noise::Seeded;
use from_noise::plot::{Curves, Figure, Grid};
use from_noise::util::cli::Chapter;
use serde::Serialize;
use tch::{Device, Kind, Tensor};

const SIDE: i64 = 32;
/// Standard deviations of noise, where pixels lie in -1 to 1.
const NOISE: [f64; 7] = [0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4];
/// Standard deviations of a Gaussian blur, in pixels.
const BLUR: [f64; 6] = [0.0, 0.5, 0.75, 1.0, 1.5, 2.0];

#[derive(Debug, Serialize)]
struct Row {
    by: &'static str,
    amount: f64,
    n: usize,
    all: f64,
    color: f64,
    shape: f64,
    size: f64,
    number: f64,
    relation: f64,
    unreadable: f64,
}

/// `scenes.png`, `reader.csv` and `reader.png`.
pub fn show(smoke: bool, chapter: &mut Chapter) -> Result<()> {
    let n = if smoke { 20 } else { 2000 };
    let indices = 0..n as u64;
    let scenes: Vec<Scene> = indices.clone().map(|i| Scene::draw(0, i, Part::Test)).collect();
    let facts: Vec<Facts> = indices.map(|i| scenes[i as usize].facts(0, i)).collect();
    let pictures: Vec<Tensor> = scenes.iter().map(|scene| scene.render(SIDE)).collect();
    let clean = from_u8(&Tensor::stack(&pictures, 0)); // [n, 3, SIDE, SIDE]
    let captions: Vec<String> = (0..8).map(|i| facts[i].caption(0, i as u64)).collect();
    let large: Vec<Tensor> = scenes[..8].iter().map(|scene| scene.render(2 * SIDE)).collect();
    let grid = Grid::new(&from_u8(&Tensor::stack(&large, 0)), 1).row_labels(&captions);
    chapter.results.samples(n as u64);
    chapter.results.figure("scenes.png", &grid.draw())?;
    let row = |by, amount, images: &Tensor| {
        let found = alignment(&to_u8(images), &facts);
        Row {
            by,
            amount,
            n,
            all: found.all.rate(),
            color: found.color.rate(),
            shape: found.shape.rate(),
            size: found.size.rate(),
            number: found.number.rate(),
            relation: found.relation.rate(),
            unreadable: found.unreadable.rate(),
        }
    };
    let eps = Seeded::new(chapter.seed, 0).draw(&clean);
    let mut rows: Vec<Row> =
        NOISE.iter().map(|&std| row("noise", std, &(&clean + std * &eps))).collect();
    rows.extend(BLUR.iter().map(|&std| row("blur", std, &blurred(&clean, std))));
    chapter.results.table("reader.csv", &rows)?;
    let panel = |by: &str, x: &str| {
        let mut curves = Curves::new(by, x, "share of captions right");
        let ways: [(&str, fn(&Row) -> f64); 5] = [
            ("all", |row| row.all),
            ("color", |row| row.color),
            ("shape", |row| row.shape),
            ("number", |row| row.number),
            ("relation", |row| row.relation),
        ];
        for (name, of) in ways {
            let chosen = rows.iter().filter(|row| row.by == by);
            let line: Vec<(f64, f64)> = chosen.map(|row| (row.amount, of(row))).collect();
            curves = curves.line(name, &line);
        }
        curves.y_range(0.0, 1.02)
    };
    let figure = Figure::row(&[
        panel("noise", "standard deviation").without_legend().size(320.0, 280.0).draw(),
        panel("blur", "standard deviation in pixels").size(440.0, 280.0).draw(),
    ]);
    Ok(chapter.results.figure("reader.png", &figure)?)
}

/// Images under a Gaussian blur of this standard deviation, in pixels.
fn blurred(images: &Tensor, std: f64) -> Tensor {
    if std == 0.0 {
        return images.shallow_clone();
    }
    let place = Tensor::arange_start(-6, 7, (Kind::Float, Device::Cpu));
    let bell = (-place.square() / (2.0 * std * std)).exp();
    let bell = &bell / bell.sum(Kind::Float); // [13]
    let size = images.size();
    let flat = images.flatten(0, 1).unsqueeze(1); // [n C, 1, H, W]
    let padded = flat.replication_pad2d([6; 4]);
    let none = None::<Tensor>;
    let across = padded.conv2d(&bell.view([1, 1, 1, 13]), none.as_ref(), 1, 0, 1, 1);
    across.conv2d(&bell.view([1, 1, 13, 1]), none.as_ref(), 1, 0, 1, 1).view(&size[..])
}
