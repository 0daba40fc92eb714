//! Data flows one way: a module uses only what stands to its left.

use std::path::Path;

const ORDER: [&str; 23] = [
    "noise",
    "device",
    "malloc",
    "files",
    "progress",
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
