//! Data flows one way: a module uses only what stands to its left.

use std::path::Path;

const ORDER: [&str; 22] = [
    "noise",
    "device",
    "malloc",
    "files",
    "progress",
    "data",
    "schedule",
    "forward",
    "network",
    "nn",
    "denoiser",
    "loss",
    "train",
    "checkpoint",
    "trained",
    "guide",
    "sample",
    "metrics",
    "evaluate",
    "plot",
    "results",
    "cli",
];

/// Every `(module, used module)` of the crate's `use crate::` lines and inline `crate::` paths,
/// comments aside.
fn uses(dir: &Path, module: Option<&str>, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let module = module.unwrap_or(&stem);
        if module == "bin" {
            continue; // a program uses the crate from outside
        } else if path.is_dir() {
            uses(&path, Some(module), found);
        } else if module != "lib" {
            let text = std::fs::read_to_string(&path).unwrap();
            let code: Vec<&str> =
                text.lines().map(|line| line.split("//").next().unwrap()).collect();
            for piece in code.join("\n").split("crate::").skip(1) {
                let name = piece.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                found.push((module.to_owned(), name.to_owned()));
            }
        }
    }
}

#[test]
fn a_module_uses_only_what_stands_to_its_left() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    uses(&src, None, &mut found);
    assert!(found.len() > 20, "the test must see the crate's imports, found {}", found.len());
    let place = |name: &str| {
        ORDER.iter().position(|known| *known == name).unwrap_or_else(|| {
            panic!("module {name} has no place in the order: give it one here and in lib.rs")
        })
    };
    for (module, used) in &found {
        if module != used {
            let ordered = place(used) < place(module);
            assert!(ordered, "{module} uses {used}, which stands to its right");
        }
    }
}
