//! A picture changed by a sentence: the object is masked, and drawn again in another colour.

use super::Config;
use anyhow::Result;
use from_noise::data::captions::{Color, Facts, ObjectFacts, Part, Scene};
use from_noise::data::{from_u8, to_u8};
use from_noise::evaluate::{Generator, Inpainter, Inpainting, Known, Prompts};
use from_noise::guide::Guidance;
use from_noise::metrics::alignment;
use from_noise::plot::Grid;
use from_noise::pretrained::{ImageCondition, Pretrained};
use from_noise::util::cli::Chapter;
use from_noise::util::device::on_cpu;
use serde::Serialize;
use tch::{Kind, Tensor};

#[derive(Debug, Serialize)]
struct Row {
    way: &'static str,
    scale: f64,
    nfe: usize,
    n: u64,
    /// Shares in which the object has the colour and the shape that were asked for, and the
    /// background is the old one.
    color: f64,
    shape: f64,
    background: f64,
}

/// The box of the object in the middle, and a caption that gives it the next colour.
struct Edit {
    scene: Scene,
    facts: Facts,
}

/// The first `n` scenes of one object, moved to the middle, so that one mask serves them all.
fn edits(n: usize) -> Vec<Edit> {
    let alone = |i| Some(Scene::draw(4, i, Part::Test)).filter(|scene| scene.second.is_none());
    let change = |mut scene: Scene| {
        scene.first.center = [0.5, 0.5];
        let mut colors = Color::ALL.iter().cycle().skip_while(|it| **it != scene.first.color);
        let color = *colors.nth(1).expect("a cycle");
        let first = ObjectFacts { shape: scene.first.shape, color, size: None };
        let facts = Facts { first, second: None, background: Some(scene.background) };
        Edit { scene, facts }
    };
    (0..).filter_map(alone).map(change).take(n).collect()
}

/// `edits.csv` and `edits.png`: by the network that was trained on holes, and by the base, which was
/// not.
pub fn show(
    config: &Config,
    base: &Pretrained,
    trained: &Pretrained,
    chapter: &mut Chapter,
) -> Result<()> {
    let n = config.n.min(100);
    let edits = edits(n as usize);
    let side = i64::from(base.config.format.size);
    let images: Vec<Tensor> = edits.iter().map(|edit| edit.scene.render(side)).collect();
    let images = from_u8(&Tensor::stack(&images, 0));
    let facts: Vec<Facts> = edits.iter().map(|edit| edit.facts.clone()).collect();
    let captions: Vec<String> = facts.iter().map(Facts::to_string).collect();
    let mask = around_the_middle(side);
    let (mut rows, mut shown) = (Vec::new(), Vec::new());
    let few = |x: &Tensor| x.narrow(0, 0, SHOWN.min(n as i64));
    let blank = images.where_self(&mask, &images.zeros_like());
    shown.extend([few(&images), few(&blank)]);
    let mut names = vec!["the scene".to_owned(), "what is kept".into()];
    for (way, net) in [("projection", base), ("trained", trained)] {
        for scale in [1.0, 3.0] {
            let how = match net.config.image_condition {
                Some(ImageCondition::Masked) => Inpainting::Trained,
                _ => Inpainting::Project,
            };
            let known = Known {
                images: images.shallow_clone(),
                mask: mask.shallow_clone(),
                name: "the object in the middle masked".into(),
                classes: None,
            };
            let inpainter = Inpainter::new(net, config.sampling, how, known)?;
            let inpainter = inpainter.prompted(Prompts::new(&captions)?)?;
            let inpainter = inpainter.guided(Guidance::scale(scale))?;
            let drawn = on_cpu(&inpainter.draw(0, n, &mut |_| {}));
            let found = alignment(&to_u8(&drawn), &facts);
            rows.push(Row {
                way,
                scale,
                nfe: inpainter.recipe().nfe,
                n,
                color: found.color.rate(),
                shape: found.shape.rate(),
                background: found.background.rate(),
            });
            shown.push(few(&drawn));
            names.push(format!("{way}, γ = {scale}"));
        }
    }
    chapter.results.samples(n);
    chapter.results.table("edits.csv", &rows)?;
    let across = shown[0].size()[0] as usize;
    let grid = Grid::new(&Tensor::cat(&shown, 0), across).scale(3).row_labels(&names);
    Ok(chapter.results.figure("edits.png", &grid.draw())?)
}

/// Columns of the picture.
const SHOWN: i64 = 8;

/// `[side, side]`, bool: false in the middle, where the largest object has room.
fn around_the_middle(side: i64) -> Tensor {
    let place = (Tensor::arange(side, (Kind::Float, tch::Device::Cpu)) + 0.5) / side as f64 - 0.5;
    let near = place.abs().le(0.25); // [side]
    near.unsqueeze(0).logical_and(&near.unsqueeze(1)).logical_not()
}
