//! A notebook broken on purpose: whoever changes the runner learns here what it no longer sees.

use super::document::Cell;
use super::execute::{Failure, run_within};
use super::judge::complaint;
use crate::repo::Repo;
use anyhow::{Result, bail};

struct Trap {
    source: &'static str,
    figure: bool,
    /// Part of the complaint, or nothing where the cell is well.
    complaint: Option<&'static str>,
}

const fn trap(source: &'static str, complaint: Option<&'static str>) -> Trap {
    Trap { source, figure: false, complaint }
}

const HTML: &str = "println!(\"EVCXR_BEGIN_CONTENT text/html\\n<img src=x>\\nEVCXR_END_CONTENT\");";

/// It is never silent for long, and prints too little to be stopped for that.
const ENDLESS: &str =
    "loop { println!(\"again\"); std::thread::sleep(std::time::Duration::from_millis(10)); }";

const TRAPS: [Trap; 10] = [
    trap("let x = 1; println!(\"{x}\");", None),
    trap("assert_eq!(1 + 1, 3);", Some("panicked at")),
    trap("let _ = std::thread::spawn(|| panic!(\"unheard\")).join();", Some("unheard")),
    trap("let n: i32 = \"seven\".parse()?;", Some("invalid digit")),
    Trap { source: "1 + 1", figure: true, complaint: Some("shows none") },
    Trap { source: HTML, figure: true, complaint: None },
    trap(HTML, Some("not tagged")),
    trap("let y: i32 = \"no number\";", Some("mismatched types")),
    trap("std::process::exit(0);", Some("terminated")),
    trap(ENDLESS, Some("still running")),
];

/// Seconds for the last cell, which never ends, and for the others.
const LIMITS: (u64, u64) = (3, 120);

pub fn run(repo: &Repo) -> Result<()> {
    let cells: Vec<Cell> = TRAPS
        .iter()
        .enumerate()
        .map(|(i, trap)| Cell { number: i + 1, source: trap.source.into(), figure: trap.figure })
        .collect();
    let mut limits = vec![LIMITS.1; cells.len()];
    limits[cells.len() - 1] = LIMITS.0;
    let runs = run_within(repo, "a notebook broken on purpose", &cells, &limits, Failure::GoesOn)?;
    if runs.len() != cells.len() {
        bail!("{} of {} cells ran", runs.len(), cells.len());
    }
    for ((trap, cell), run) in TRAPS.iter().zip(&cells).zip(&runs) {
        let found = complaint(cell, run);
        let seen = match (trap.complaint, &found) {
            (None, None) => true,
            (Some(part), Some(text)) => text.contains(part),
            _ => false,
        };
        if !seen {
            bail!(
                "`{}` should have led to {:?}, and the runner says {found:?}",
                cell.source,
                trap.complaint
            );
        }
    }
    println!("  each of {} broken cells is seen for what it is", TRAPS.len());
    Ok(())
}
