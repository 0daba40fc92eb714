//! The curves of chapter 14.

use super::asked::Which;
use super::scores::Row;
use anyhow::Result;
use from_noise::plot::{Curves, Figure};
use from_noise::util::cli::Chapter;

/// A column of a table.
type Of = fn(&Row) -> f64;

/// The points of some rows, by scale.
fn by_scale<'a>(rows: impl Iterator<Item = &'a Row>, of: impl Fn(&Row) -> f64) -> Vec<(f64, f64)> {
    rows.map(|row| (row.scale, of(row))).collect()
}

/// `scales.png`: what of the captions is in the picture, and how near the pictures are to real ones,
/// by the scale of guidance.
pub fn scales(rows: &[Row], chapter: &mut Chapter) -> Result<()> {
    let of = |which: Which| rows.iter().filter(move |row| row.captions == which);
    let mut right = Curves::new("All of it right", "scale γ", "share of captions");
    for (which, name) in [(Which::Seen, "seen"), (Which::HeldOut, "held out")] {
        let line = by_scale(of(which), |row| row.all);
        right = right.line(name, &line).points(name, &line);
    }
    let mut each = Curves::new("One at a time (seen)", "scale γ", "share that is right");
    let attributes: [(&str, Of); 5] = [
        ("color", |row| row.color),
        ("shape", |row| row.shape),
        ("size", |row| row.size),
        ("number", |row| row.number),
        ("relation", |row| row.relation),
    ];
    for (name, of_row) in attributes {
        each = each.line(name, &by_scale(of(Which::Seen), of_row));
    }
    let distance = by_scale(of(Which::Seen), |row| row.fid_lenet);
    let distance = Curves::new("Distance (seen)", "scale γ", "FID-LeNet")
        .line("FID-LeNet", &distance)
        .points("FID-LeNet", &distance)
        .without_legend();
    let figure = Figure::row(&[
        right.y_range(0.0, 1.02).size(260.0, 260.0).draw(),
        each.y_range(0.0, 1.02).size(310.0, 260.0).draw(),
        distance.size(210.0, 260.0).draw(),
    ]);
    Ok(chapter.results.figure("scales.png", &figure)?)
}

/// `relations.png`: how often the relation holds, away from two captions.
pub fn relations(rows: &[Row], chapter: &mut Chapter) -> Result<()> {
    let mut curves = Curves::new("The relation holds", "scale γ", "share of captions");
    for away_from in ["no caption", "the objects exchanged"] {
        let chosen = rows.iter().filter(|row| row.captions == Which::Relations);
        let chosen = chosen.filter(|row| row.away_from == away_from);
        let name = format!("away from {away_from}");
        let line = by_scale(chosen, |row| row.relation);
        curves = curves.line(&name, &line).points(&name, &line);
    }
    let figure = Figure::row(&[curves.y_range(0.0, 1.02).size(480.0, 280.0).draw()]);
    Ok(chapter.results.figure("relations.png", &figure)?)
}
