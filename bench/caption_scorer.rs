//! The captioned world, a sheet of it, and how far to trust the rule that reads its pictures: right
//! on how many true ones, and on how many that are noised or blurred?
//!
//! ```text
//! cargo run --example caption-scorer
//! ```

use clap::Parser;
use from_noise::data::captions::{Facts, Part, Reader, Scene};
use from_noise::data::{from_u8, to_u8};
use from_noise::metrics::Alignment;
use from_noise::plot::{Curves, Figure, Grid};
use from_noise::util::cli;
use from_noise::util::progress::Progress;
use from_noise::util::results::Results;
use serde::Serialize;
use std::path::PathBuf;
use tch::{Device, Kind, Tensor};

#[derive(Debug, Parser, Serialize)]
struct Args {
    /// True pictures of each kind; a fifth of them is damaged
    #[arg(long, default_value_t = 5000, value_parser = cli::count::<u64>().range(5..))]
    samples: u64,
    /// Where scenes.png, reader.csv and reader.png go
    #[arg(long, default_value = "results/ch14-scenes")]
    out: PathBuf,
}

/// What happens to a picture before it is read.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Damage {
    /// Gaussian noise of this standard deviation, of pixels in [-1, 1].
    Noise(f64),
    /// A Gaussian of this standard deviation, in pixels.
    Blur(f64),
}

const NOISE: [f64; 8] = [0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6];
const BLUR: [f64; 8] = [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0];

#[derive(Debug, Serialize)]
struct Row {
    part: String,
    side: i64,
    noise: f64,
    blur: f64,
    n: u64,
    all: f64,
    number: f64,
    color: f64,
    shape: f64,
    size: f64,
    relation: f64,
    background: f64,
    unreadable: f64,
}

const SEED: u64 = 0;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let command = cli::command_line("caption-scorer");
    let mut results = Results::create(&args.out, command, &args, SEED, Device::Cpu)?;
    tch::manual_seed(SEED as i64);
    let clean = [(Part::Train, 32), (Part::Test, 32), (Part::HeldOut, 32), (Part::Test, 64)];
    let damages = NOISE.map(Damage::Noise).into_iter().chain(BLUR.map(Damage::Blur));
    let lines: Vec<(Part, i64, Damage, u64)> = clean
        .into_iter()
        .map(|(part, side)| (part, side, Damage::Noise(0.0), args.samples))
        .chain(damages.map(|damage| (Part::Test, 32, damage, args.samples / 5)))
        .collect();
    let mut progress = Progress::new("reading", lines.iter().map(|(.., n)| n).sum());
    let mut rows = Vec::new();
    for (part, side, damage, n) in lines {
        let reader = Reader::new(side);
        let mut read = Alignment::default();
        for index in 0..n {
            let scene = Scene::draw(SEED, index, part);
            let picture = damage.done_to(&scene.render(side));
            read.count(&reader.read(&picture), &Facts::of(&scene));
            progress.tick("");
        }
        rows.push(Row::new(part, side, damage, &read));
    }
    progress.finish("");
    results.samples(args.samples);
    results.table("reader.csv", &rows)?;
    results.figure("reader.png", &curves(&rows))?;
    results.figure("scenes.png", &scenes())?;
    results.finish();
    Ok(())
}

impl Damage {
    /// `picture: [3, side, side]`, u8, and so is what becomes of it.
    fn done_to(self, picture: &Tensor) -> Tensor {
        let x = from_u8(picture);
        match self {
            Damage::Noise(0.0) => picture.shallow_clone(),
            Damage::Noise(std) => to_u8(&(&x + x.randn_like() * std)),
            Damage::Blur(std) => {
                let reach = (3.0 * std).ceil() as i64;
                let places = Tensor::arange_start(-reach, reach + 1, (Kind::Float, Device::Cpu));
                let kernel = (-(places / std).square() / 2.0).softmax(0, None::<Kind>);
                let along = |x: &Tensor, size: [i64; 4]| {
                    let pad = [size[3] / 2, size[3] / 2, size[2] / 2, size[2] / 2];
                    let kernel = kernel.view(size);
                    x.replication_pad2d(pad).conv2d::<Tensor>(&kernel, None, 1, 0, 1, 1)
                };
                let width = 2 * reach + 1;
                let x = along(&x.unsqueeze(1), [1, 1, 1, width]); // [3, 1, side, side]
                to_u8(&along(&x, [1, 1, width, 1]).squeeze_dim(1))
            }
        }
    }
}

impl Row {
    fn new(part: Part, side: i64, damage: Damage, read: &Alignment) -> Self {
        let (noise, blur) = match damage {
            Damage::Noise(std) => (std, 0.0),
            Damage::Blur(std) => (0.0, std),
        };
        Self {
            part: part.to_string(),
            side,
            noise,
            blur,
            n: read.all.of,
            all: read.all.rate(),
            number: read.number.rate(),
            color: read.color.rate(),
            shape: read.shape.rate(),
            size: read.size.rate(),
            relation: read.relation.rate(),
            background: read.background.rate(),
            unreadable: read.unreadable.rate(),
        }
    }
}

/// What is read right, against the noise and against the blur.
fn curves(rows: &[Row]) -> Figure {
    let test = |row: &&Row| row.part == Part::Test.to_string() && row.side == 32;
    let panel = |title: &str, label: &str, level: fn(&Row) -> f64, none: fn(&Row) -> f64| {
        let curve = |value: fn(&Row) -> f64| -> Vec<(f64, f64)> {
            let rows = rows.iter().filter(test).filter(|row| none(row) == 0.0);
            rows.map(|row| (level(row), value(row))).collect()
        };
        Curves::new(title, label, "share of pictures")
            .line("everything right", &curve(|row| row.all))
            .line("number", &curve(|row| row.number))
            .line("colours", &curve(|row| row.color))
            .line("shapes", &curve(|row| row.shape))
            .line("sizes", &curve(|row| row.size))
            .line("relation", &curve(|row| row.relation))
            .dashed("unreadable", &curve(|row| row.unreadable))
            .y_range(0.0, 1.0)
            .size(465.0, 330.0)
            .draw()
    };
    let noise = panel("Noised", "standard deviation of the noise", |row| row.noise, |row| row.blur);
    let blur = panel("Blurred", "standard deviation in pixels", |row| row.blur, |row| row.noise);
    Figure::row(&[noise, blur])
}

/// Rows of the sheet.
const SHOWN: u64 = 8;

/// The first scenes that are trained on, and the first that are held out, each beside its caption.
fn scenes() -> Figure {
    let parts = [(Part::Train, "Trained on"), (Part::HeldOut, "Held out")];
    Figure::row(&parts.map(|(part, title)| {
        let scenes = (0..SHOWN).map(|index| (index, Scene::draw(SEED, index, part)));
        let (captions, pictures): (Vec<String>, Vec<Tensor>) =
            scenes.map(|(i, scene)| (scene.caption(SEED, i), scene.render(32))).unzip();
        let pictures = from_u8(&Tensor::stack(&pictures, 0));
        Grid::new(&pictures, 1).scale(2).title(title).row_labels(&captions).draw()
    }))
}
