//! What the book's page of chapter 1 computes with.

use anyhow::Result;
use from_noise::data::sample;
use from_noise::schedule::Schedule;
use from_noise::util::results::Results;
use serde::Serialize;

/// Some digits, and numbers to check its own schedules by.
#[derive(Debug, Serialize)]
struct Page {
    side: i64,
    /// Rows of pixels, 0..=255, one digit after the other.
    digits: Vec<Vec<u8>>,
    /// For each schedule `alpha_bar` at t = 0, 50, ..., T.
    alpha_bar: Vec<(&'static str, Vec<f64>)>,
}

/// `page.json` holds eight digits, and `alpha_bar` of every schedule.
pub fn for_the_page(schedules: &[(&'static str, Schedule)], results: &mut Results) -> Result<()> {
    let pixels = sample::dataset().images.narrow(0, 0, 8);
    let digits = (0..8).map(|i| Vec::try_from(pixels.get(i).flatten(0, -1)));
    let values = |schedule: &Schedule| -> Vec<f64> {
        (0..=schedule.steps()).step_by(50).map(|t| schedule.alpha_bar(t)).collect()
    };
    let page = Page {
        side: pixels.size()[3],
        digits: digits.collect::<Result<_, _>>()?,
        alpha_bar: schedules.iter().map(|(name, s)| (*name, values(s))).collect(),
    };
    Ok(results.json("page.json", &page)?)
}
