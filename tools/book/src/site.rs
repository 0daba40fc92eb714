//! The finished site: every link leads somewhere, nothing asks the network, nothing is left over.

use crate::html::{Piece, pieces};
use crate::markdown::Link;
use crate::problem::Problems;
use crate::source::relative;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The files of a site, and the ids in its pages.
#[derive(Debug)]
pub struct Site {
    files: BTreeSet<String>,
    pages: BTreeMap<String, Page>,
    styles: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Page {
    ids: BTreeSet<String>,
    /// Where links and images lead.
    targets: Vec<String>,
    /// What the browser fetches by itself.
    fetched: Vec<String>,
    leftover: Vec<String>,
}

impl Site {
    pub fn read(out: &Path) -> Result<Self> {
        let mut site =
            Self { files: BTreeSet::new(), pages: BTreeMap::new(), styles: BTreeMap::new() };
        let mut folders = vec![out.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                let name = relative(&path, out);
                match path.extension().and_then(|e| e.to_str()) {
                    _ if path.is_dir() => {
                        folders.push(path);
                        continue;
                    }
                    Some("html") => {
                        let page = Page::parse(&std::fs::read_to_string(&path)?);
                        site.pages.insert(name.clone(), page);
                    }
                    Some("css") => {
                        site.styles.insert(name.clone(), std::fs::read_to_string(&path)?);
                    }
                    _ => {}
                }
                site.files.insert(name);
            }
        }
        Ok(site)
    }

    /// The links as the pages' authors wrote them, each by its line.
    pub fn check_links(&self, links: &[Link], problems: &mut Problems) {
        for link in links {
            let page = link.file.strip_prefix("book/src/").unwrap_or(&link.file);
            if let Err(what) = self.resolve(&html_name(page), &link.target) {
                problems.add(&link.file, link.line, what);
            }
        }
    }

    /// The pages as mdBook wrote them; `source` names the file that a page comes from (none for
    /// pages that repeat others).
    pub fn check_pages(&self, source: impl Fn(&str) -> Option<String>, problems: &mut Problems) {
        for (name, page) in &self.pages {
            let Some(file) = source(name) else { continue };
            for target in page.targets.iter().chain(&page.fetched) {
                if let Err(what) = self.resolve(name, target) {
                    problems.add_unless_known(&file, what);
                }
            }
            for target in page.fetched.iter().filter(|target| is_remote(target)) {
                problems.add(&file, 0, format!("the page would fetch {target} from the network"));
            }
            for text in &page.leftover {
                problems.add(&file, 0, format!("`{text}` is left over as text"));
            }
        }
        for (name, css) in &self.styles {
            if ["url(http", "url(//", "@import"].iter().any(|remote| css.contains(remote)) {
                problems.add(name, 0, "the style sheet would ask the network");
            }
        }
    }

    fn resolve(&self, page: &str, target: &str) -> Result<(), String> {
        if is_remote(target)
            || ["mailto:", "data:", "javascript:"].iter().any(|s| target.starts_with(s))
        {
            return Ok(());
        }
        let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
        let path = path.split('?').next().unwrap_or("");
        let file = if path.is_empty() { page.to_owned() } else { join(page, &html_name(path)) };
        if !self.files.contains(&file) {
            return Err(format!("a link leads to {file}, which does not exist"));
        }
        let found = fragment.is_empty()
            || self.pages.get(&file).is_none_or(|page| page.ids.contains(fragment));
        if found {
            Ok(())
        } else {
            Err(format!("a link leads to `#{fragment}`, which {file} does not have"))
        }
    }
}

impl Page {
    fn parse(html: &str) -> Self {
        let mut page = Self::default();
        let mut verbatim = 0; // how deep inside code, where anything may stand
        for piece in pieces(html) {
            match piece {
                Piece::Open { name, attributes } => {
                    verbatim += usize::from(is_verbatim(name));
                    for (key, value) in attributes {
                        match key {
                            "id" => _ = page.ids.insert(value.into()),
                            "src" | "srcset" | "poster" => page.fetched.push(value.into()),
                            "href" if name == "link" => page.fetched.push(value.into()),
                            "href" => page.targets.push(value.into()),
                            _ => {}
                        }
                    }
                }
                Piece::Close(name) => verbatim -= usize::from(is_verbatim(name) && verbatim > 0),
                Piece::Text(text) if verbatim == 0 => page.leftover.extend(leftover(text)),
                Piece::Text(_) => {}
            }
        }
        page
    }
}

fn is_verbatim(name: &str) -> bool {
    matches!(name, "code" | "pre" | "title" | "math")
}

fn leftover(text: &str) -> Option<String> {
    let sign = ["$$", "\\frac", "\\alpha", "\\bar", "{{#", "katex-error"];
    sign.iter().any(|sign| text.contains(sign)).then(|| text.trim().chars().take(40).collect())
}

fn is_remote(target: &str) -> bool {
    ["http://", "https://", "//"].iter().any(|scheme| target.starts_with(scheme))
}

/// mdBook writes `a.md` to `a.html`, and `README.md` to `index.html`.
fn html_name(path: &str) -> String {
    match path.strip_suffix(".md") {
        Some(stem) => match stem.strip_suffix("README") {
            Some(folder) => format!("{folder}index.html"),
            None => format!("{stem}.html"),
        },
        None => path.to_owned(),
    }
}

/// `target` as seen from `page`, both relative to the site's root.
fn join(page: &str, target: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
