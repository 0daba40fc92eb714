//! Builds the book with mdBook and KaTeX, offline, and refuses to build it wrong.
//!
//! mdBook alone lets a missing listing, a broken formula or a dead link pass with a warning at
//! most. Here each of them ends the build, by file and line; see [`build`].

mod expand;
mod fields;
mod frame;
mod html;
mod markdown;
mod maths;
mod problem;
mod results;
mod serve;
mod site;
mod source;
mod warnings;

pub use problem::Problem;
pub use serve::serve;

use anyhow::{Context, Result};
use expand::Material;
use mdbook_driver::MDBook;
use problem::Problems;
use std::path::Path;

/// Builds the book of the repository `root` into the folder `out`.
///
/// The inner error lists all that is wrong with the book's sources: a missing file or anchor; an
/// anchor that is empty, unclosed, doubled or shown nowhere; a formula that KaTeX refuses; TeX or
/// a directive left over as text; a link, fragment or image that leads nowhere; a figure or table
/// without sidecar; Rust of more than three lines that no compiler sees; a page that would ask
/// the network; and whatever mdBook itself warns of.
pub fn build(root: &Path, out: &Path) -> Result<Result<Built, Vec<Problem>>> {
    let mut problems = Problems::default();
    let mut sources = source::Sources::read(root, &mut problems)?;
    let mut results = results::Results::new(root);
    let book = root.join("book");
    let macros = std::fs::read_to_string(book.join("macros.txt")).unwrap_or_default();
    let katex = maths::Katex::new(&macros).context("book/macros.txt")?;

    let mut mdbook = warnings::caught(&mut problems, || MDBook::load(&book))?;
    mdbook.config.build.build_dir = out.to_owned();
    let (mut formulas, mut links) = (markdown::Formulas::default(), Vec::new());
    let mut pages = 0;
    mdbook.book.for_each_chapter_mut(|chapter| {
        let Some(path) = &chapter.source_path else { return };
        pages += 1;
        let file = format!("book/src/{}", source::relative(path, Path::new("")));
        let mut material =
            Material { sources: &mut sources, results: &mut results, problems: &mut problems };
        let page = expand::expand(&file, &chapter.content, &mut material);
        chapter.content =
            markdown::typeset(&file, &page, &katex, &mut formulas, &mut links, &mut problems);
    });
    sources.report_unused(&mut problems);
    if !problems.is_empty() {
        return Ok(Err(problems.into_vec()));
    }

    warnings::caught(&mut problems, || mdbook.build())?;
    copy(&root.join("assets/katex"), &out.join("katex"), &["css", "woff2", ""])?;
    for file in &results.shown {
        let to = out.join(file);
        std::fs::create_dir_all(to.parent().context("a result lies in a folder")?)?;
        std::fs::copy(root.join(file), to).with_context(|| file.clone())?;
    }
    put_formulas(out, &formulas)?;
    let site = site::Site::read(out)?;
    site.check_links(&links, &mut problems);
    let source = |page: &str| {
        let name = page.strip_suffix(".html").map(|stem| format!("book/src/{stem}.md"));
        name.filter(|name| root.join(name).is_file())
    };
    site.check_pages(source, &mut problems);
    match problems.is_empty() {
        true => Ok(Ok(Built { pages, formulas: formulas.len(), results: results.shown.len() })),
        false => Ok(Err(problems.into_vec())),
    }
}

/// What a build holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    pub pages: usize,
    pub formulas: usize,
    pub results: usize,
}

fn put_formulas(folder: &Path, formulas: &markdown::Formulas) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            put_formulas(&path, formulas)?;
        } else if path.extension().is_some_and(|e| e == "html") {
            let page = std::fs::read_to_string(&path)?;
            std::fs::write(&path, formulas.put(&page))?;
        }
    }
    Ok(())
}

/// Copies the files with one of these extensions, folder by folder.
fn copy(from: &Path, to: &Path, extensions: &[&str]) -> Result<()> {
    if !from.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let there = to.join(path.file_name().context("an entry has a name")?);
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        if path.is_dir() {
            copy(&path, &there, extensions)?;
        } else if extensions.contains(&extension) {
            std::fs::copy(&path, &there)?;
        }
    }
    Ok(())
}
