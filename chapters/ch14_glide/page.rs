//! What the box of choices on the book's page of chapter 14 shows.

use super::Config;
use anyhow::Result;
use base64::prelude::{BASE64_STANDARD, Engine};
use from_noise::data::captions::{Color, Facts, ObjectFacts, Relation, Shape};
use from_noise::evaluate::{Generator, ImageSampler, Prompts};
use from_noise::guide::Guidance;
use from_noise::plot::sheet;
use from_noise::pretrained::Pretrained;
use from_noise::util::cli::Chapter;
use serde::Serialize;

const SCALES: [f64; 3] = [0.0, 1.0, 3.0];

/// What can be chosen of where the first object is: nothing, or one of these.
const RELATIONS: [Option<Relation>; 4] =
    [None, Some(Relation::LeftOf), Some(Relation::Above), Some(Relation::OnTopOf)];

/// A picture of every choice: of each scale a sheet, a colour and a shape per row and a relation per
/// column, all from the same noise.
#[derive(Debug, Serialize)]
struct Page {
    scales: [f64; 3],
    colors: Vec<String>,
    shapes: Vec<String>,
    relations: Vec<String>,
    side: i64,
    /// By colour, shape and relation.
    captions: Vec<String>,
    /// By scale: a PNG in Base64.
    sheets: Vec<String>,
}

/// The caption of a choice: the second object is a square in a colour that is not the first one's.
fn facts(color: Color, shape: Shape, relation: Option<Relation>) -> Facts {
    let of = |color, shape| ObjectFacts { shape, color, size: None };
    let other = if color == Color::Blue { Color::Red } else { Color::Blue };
    Facts {
        first: of(color, shape),
        second: relation.map(|relation| (Some(relation), of(other, Shape::Square))),
        background: None,
    }
}

/// A word of a caption.
fn word(facts: &Facts, place: usize) -> String {
    facts.to_string().split(' ').nth(place).unwrap_or_default().into()
}

/// `page.json` holds pictures of all choices.
pub fn for_the_page(
    config: &Config,
    base: &Pretrained,
    smoke: bool,
    chapter: &mut Chapter,
) -> Result<()> {
    let few = if smoke { 1 } else { usize::MAX };
    let colors: Vec<Color> = Color::ALL.into_iter().take(few).collect();
    let shapes: Vec<Shape> = Shape::ALL.into_iter().take(few).collect();
    let all = colors.iter().flat_map(|&color| {
        let shapes = shapes.iter();
        shapes.flat_map(move |&shape| RELATIONS.map(|relation| facts(color, shape, relation)))
    });
    let captions: Vec<String> = all.map(|facts| facts.to_string()).collect();
    let mut sheets = Vec::new();
    for scale in SCALES {
        let images = ImageSampler::new(base, config.sampling)?;
        let images = images.prompted(Prompts::new(&captions)?)?;
        let images = images.guided(Guidance::scale(scale), None)?;
        let drawn = images.draw(0, captions.len() as u64, &mut |_| {});
        sheets.push(BASE64_STANDARD.encode(sheet(&drawn, RELATIONS.len() as i64)));
    }
    let plain = |color, shape| facts(color, shape, None);
    let where_is = |relation: Option<Relation>| match relation {
        None => "alone".to_owned(),
        Some(_) => {
            let said = facts(Color::Red, Shape::Circle, relation).to_string();
            said.replace("a red circle ", "").replace(" a blue square", "")
        }
    };
    let page = Page {
        scales: SCALES,
        colors: colors.iter().map(|&color| word(&plain(color, Shape::Circle), 1)).collect(),
        shapes: shapes.iter().map(|&shape| word(&plain(Color::Red, shape), 2)).collect(),
        relations: RELATIONS.map(where_is).to_vec(),
        side: base.config.format.size.into(),
        captions,
        sheets,
    };
    chapter.results.samples((page.captions.len() * SCALES.len()) as u64);
    Ok(chapter.results.json("page.json", &page)?)
}
