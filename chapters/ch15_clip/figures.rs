//! The curves of chapter 15.

use super::scores::Row;
use anyhow::Result;
use from_noise::plot::{Curves, Figure};
use from_noise::util::cli::Chapter;

const WAYS: [&str; 3] = ["classifier-free", "noised CLIP", "clean CLIP"];

/// `guidance.png`: what the rule reads against what the guiding CLIP and the one that is held out
/// say; `seconds.png`: what the rule reads, by what an image costs.
pub fn against_each_other(rows: &[Row], chapter: &mut Chapter) -> Result<()> {
    let most = rows.iter().filter(|row| row.steps == rows[0].steps);
    let of = |way: &str, x: fn(&Row) -> f64, y: fn(&Row) -> f64| -> Vec<(f64, f64)> {
        let chosen = most.clone().filter(|row| row.guide == way);
        chosen.map(|row| (x(row), y(row))).collect()
    };
    let panel = |title: &str, x: &str, of_x: fn(&Row) -> f64| {
        let mut curves = Curves::new(title, x, "all of the caption right");
        for way in WAYS {
            let line = of(way, of_x, |row| row.all);
            curves = curves.line(way, &line).points(way, &line);
        }
        curves.y_range(0.0, 1.02)
    };
    let noised = panel("What the CLIP says that guides", "inner product", |row| row.guiding_clip);
    let held_out = panel("What another CLIP says", "inner product", |row| row.held_out_clip);
    let figure = Figure::row(&[
        noised.without_legend().size(320.0, 280.0).draw(),
        held_out.size(440.0, 280.0).draw(),
    ]);
    chapter.results.figure("guidance.png", &figure)?;
    let mut curves =
        Curves::new("At equal seconds", "seconds an image", "all of the caption right");
    for way in WAYS {
        let mut line: Vec<(f64, f64)> = rows
            .iter()
            .filter(|row| row.guide == way)
            .filter_map(|row| Some((row.seconds?, row.all)))
            .collect();
        line.sort_by(|a, b| a.0.total_cmp(&b.0));
        curves = curves.points(way, &line);
    }
    let figure = Figure::row(&[curves.y_range(0.0, 1.02).size(520.0, 280.0).draw()]);
    Ok(chapter.results.figure("seconds.png", &figure)?)
}
