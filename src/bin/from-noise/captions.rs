//! Captions as they are typed: a file of them, or a part of the captioned world.

use anyhow::{Result, ensure};
use from_noise::data::captions::{self, Part};
use std::path::Path;

/// The captions that `typed` names: `captions:test` or `captions:held-out`, or a text file, a
/// caption a line.
pub fn read(typed: &Path) -> Result<Vec<String>> {
    let of_world = match typed.to_str() {
        Some("captions:train") => Some(Part::Train),
        Some("captions:test") => Some(Part::Test),
        Some("captions:held-out") => Some(Part::HeldOut),
        _ => None,
    };
    if let Some(part) = of_world {
        return Ok(captions::of_part(part));
    }
    let shown = typed.display();
    let text = std::fs::read_to_string(typed).map_err(|why| {
        anyhow::anyhow!(
            "cannot read the captions {shown}: {why}; give a text file, a caption a line, or \
             captions:test or captions:held-out"
        )
    })?;
    let text = text.trim_start_matches('\u{feff}'); // as Notepad writes it
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let found: Vec<String> = lines.map(String::from).collect();
    ensure!(!found.is_empty(), "{shown} is empty: write a caption a line");
    Ok(found)
}
