//! The curves of chapter 15.

use super::scores::Row;
use anyhow::Result;
use from_noise::plot::{Curves, Figure};
use from_noise::util::cli::Chapter;

const WAYS: [&str; 3] = ["classifier-free", "noised CLIP", "clean CLIP"];

/// `guidance.png`: what the rule reads and what the CLIP that is held out says, against what the
/// guiding one says; `seconds.png`: what the rule reads, by what an image costs.
pub fn against_each_other(rows: &[Row], chapter: &mut Chapter) -> Result<()> {
    let most = rows.iter().filter(|row| row.steps == rows[0].steps);
    let of = |way: &str, y: fn(&Row) -> f64| -> Vec<(f64, f64)> {
        let chosen = most.clone().filter(|row| row.guide == way);
        chosen.map(|row| (row.guiding_clip, y(row))).collect()
    };
    let panel = |title: &str, y: &str, of_y: fn(&Row) -> f64| {
        let mut curves = Curves::new(title, "what the guiding CLIP says", y);
        for way in WAYS {
            let line = of(way, of_y);
            curves = curves.line(way, &line).points(way, &line);
        }
        curves
    };
    let colors = panel("The rule: colours", "share that is right", |row| row.color);
    let all = panel("The rule: everything", "share that is right", |row| row.all);
    let held_out = panel("Another CLIP", "what it says", |row| row.held_out_clip);
    let figure = Figure::row(&[
        colors.without_legend().size(300.0, 280.0).draw(),
        all.without_legend().size(300.0, 280.0).draw(),
        held_out.size(430.0, 280.0).draw(),
    ]);
    chapter.results.figure("guidance.png", &figure)?;
    let mut curves = Curves::new("At equal seconds", "seconds an image", "everything right");
    for way in WAYS {
        let mut line: Vec<(f64, f64)> = rows
            .iter()
            .filter(|row| row.guide == way)
            .filter_map(|row| Some((row.seconds?, row.all)))
            .collect();
        line.sort_by(|a, b| a.0.total_cmp(&b.0));
        curves = curves.points(way, &line);
    }
    let figure = Figure::row(&[curves.size(520.0, 280.0).draw()]);
    Ok(chapter.results.figure("seconds.png", &figure)?)
}
