//! Data flows one way: a module uses only what stands to its left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const ORDER: [&str; 23] = [
    "noise",
    "util::device",
    "util::files",
    "util::print",
    "util::progress",
    "data",
    "schedule",
    "forward",
    "conditioning",
    "network",
    "nn",
    "denoiser",
    "loss",
    "train",
    "checkpoint",
    "pretrained",
    "guide",
    "sample",
    "metrics",
    "evaluate",
    "plot",
    "util::results",
    "util::cli",
];

/// Every `(module, used module)` of the crate's `use crate::` lines and inline `crate::` paths,
/// comments aside. Those of `util` go by two names: half of them stand first, half last.
fn uses(src: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    visit(src, &mut |path, text| {
        let path = path.strip_prefix(src).unwrap().with_extension("");
        let parts: Vec<&str> = path.iter().map(|part| part.to_str().unwrap()).collect();
        let module = match parts[..] {
            ["lib"] | ["bin", ..] | ["util", "mod"] => return,
            ["util", part, ..] => format!("util::{part}"),
            _ => parts[0].to_owned(),
        };
        let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap()).collect();
        for piece in code.join("\n").split("crate::").skip(1) {
            let name = |text: &str| -> String {
                text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
            };
            found.push((
                module.clone(),
                match piece.strip_prefix("util::") {
                    Some(part) => format!("util::{}", name(part)),
                    None if name(piece) == "say" => "util::print".to_owned(), // its macro
                    None => name(piece),
                },
            ));
        }
    });
    found
}

#[test]
fn a_module_uses_only_what_stands_to_its_left() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let found = uses(&src);
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

/// The modules of one folder use each other one way too: whoever reads one need not read it twice.
/// What a folder's `mod.rs` defines itself is common ground.
#[test]
fn no_folder_has_a_circle() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut uses: BTreeMap<(PathBuf, String), BTreeSet<String>> = BTreeMap::new();
    visit(&src, &mut |path, text| {
        let folder = path.parent().unwrap().to_path_buf();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let Ok(parent) = std::fs::read_to_string(folder.join("mod.rs")) else { return };
        let code = text.split("#[cfg(test)]").next().unwrap();
        let code: Vec<&str> = code.lines().map(|line| line.split("//").next().unwrap()).collect();
        let names =
            code.join("\n").split("super::").skip(1).flat_map(first_names).collect::<Vec<_>>();
        let siblings = names.iter().filter_map(|name| {
            let is_module = |name: &str| {
                folder.join(name).with_extension("rs").exists() || folder.join(name).is_dir()
            };
            let exported = || {
                let mut lists = parent.split("use ").skip(1).filter_map(|u| u.split_once("::"));
                let owner = lists
                    .find(|(_, list)| first_names(list.split(';').next().unwrap()).contains(name));
                owner.map(|(module, _)| module.to_owned())
            };
            if is_module(name) { Some(name.clone()) } else { exported() }
        });
        let siblings = siblings.filter(|used| *used != module).collect();
        uses.insert((folder.clone(), module), siblings);
    });
    assert!(uses.values().map(BTreeSet::len).sum::<usize>() > 30, "the test must see the uses");
    for (folder, start) in uses.keys() {
        let mut reached = BTreeSet::new();
        let mut todo = vec![start.clone()];
        while let Some(module) = todo.pop() {
            for used in uses.get(&(folder.clone(), module)).into_iter().flatten() {
                assert_ne!(used, start, "{}: {start} uses itself by a circle", folder.display());
                if reached.insert(used.clone()) {
                    todo.push(used.clone());
                }
            }
        }
    }
}

/// `a::b, {c, d::e}` -> a, or c and d.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    match path.strip_prefix('{') {
        None => vec![name(path)],
        Some(list) => list.split('}').next().unwrap().split(',').map(name).collect(),
    }
}

/// Apple's GPU knows no f64: a tensor becomes f64 by `device::on_cpu`, or where
/// `device::widest_float` allows it, and nowhere else.
#[test]
fn f64_is_made_on_the_cpu_alone() {
    // these name the kind to recognise or to write it, on tensors that files hold
    let exceptions = ["device.rs", "weights.rs", "arrays.rs", "embedding.rs", "frechet.rs"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut seen, mut wrong) = (0, Vec::new());
    for folder in ["src", "chapters", "examples"] {
        visit(&root.join(folder), &mut |path, text| {
            let name = path.file_name().unwrap().to_str().unwrap();
            if exceptions.contains(&name) || name.ends_with("_tests.rs") {
                return;
            }
            seen += 1;
            let code = text.split("#[cfg(test)]").next().unwrap();
            let bad = code.lines().filter(|line| {
                let read = line.contains("contains(&found.kind())");
                line.contains("Kind::Double") && !line.trim().starts_with("//") && !read
            });
            wrong.extend(bad.map(|line| format!("{}: {}", path.display(), line.trim())));
        });
    }
    assert!(seen > 100, "the test must see the sources, found {seen}");
    assert!(wrong.is_empty(), "use device::on_cpu:\n{}", wrong.join("\n"));
}

/// These panic when the reader is gone (`| head -1`): commands print by `util::print`.
#[test]
fn no_command_prints_by_println() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut seen, mut wrong) = (0, Vec::new());
    for folder in ["src", "chapters"] {
        visit(&root.join(folder), &mut |path, text| {
            seen += 1;
            let prints = |line: &&str| ["print!(", "println!("].iter().any(|p| line.contains(p));
            let code = text.lines().filter(|line| !line.trim().starts_with("//"));
            // A notebook's kernel reads what it prints, and no notebook closes its output.
            if !path.ends_with("plot/notebook.rs") {
                wrong.extend(code.filter(prints).map(|line| format!("{}: {line}", path.display())));
            }
        });
    }
    assert!(seen > 100, "the test must see the sources, found {seen}");
    assert!(wrong.is_empty(), "use say! or print::err:\n{}", wrong.join("\n"));
}

fn visit(dir: &Path, look: &mut dyn FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, look);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            look(&path, &std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// The concepts know no command line.
#[test]
fn the_core_uses_no_clap() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    visit(&src, &mut |path, text| {
        let path = path.strip_prefix(&src).unwrap();
        let program = ["util", "bin", "data"].iter().any(|folder| path.starts_with(folder));
        if !program {
            seen += 1;
            assert!(!text.contains("clap"), "{} uses clap", path.display());
        }
    });
    assert!(seen > 60, "the test must see the sources, found {seen}");
}
