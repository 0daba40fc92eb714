//! The arguments of a directive.

use crate::results::Format;

/// `kind subject` and the lines `key: text` after it; a line without a key continues the last.
pub struct Fields<'a> {
    pub kind: &'a str,
    pub subject: &'a str,
    fields: Vec<(&'a str, String)>,
}

impl<'a> Fields<'a> {
    pub fn parse(text: &'a str) -> Result<Self, String> {
        let mut lines = text.lines();
        let (kind, subject) =
            lines.next().and_then(|line| line.split_once(' ')).unwrap_or((text, ""));
        let mut fields: Vec<(&str, String)> = Vec::new();
        for line in lines.map(str::trim).filter(|line| !line.is_empty()) {
            let key = line
                .split_once(": ")
                .filter(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase()));
            match (key, fields.last_mut()) {
                (Some((key, text)), _) => fields.push((key, text.trim().into())),
                (None, Some((_, text))) => *text = format!("{text}\n{line}"),
                (None, None) => return Err(format!("`{line}` has no key such as `caption:`")),
            }
        }
        Ok(Self { kind, subject: subject.trim(), fields })
    }

    pub fn all(&self, key: &'static str) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |(k, _)| *k == key).map(|(_, text)| text.as_str())
    }

    pub fn first(&self, key: &'static str) -> Option<&str> {
        self.all(key).next()
    }

    pub fn need(&self, key: &'static str) -> Result<&str, String> {
        self.first(key).ok_or_else(|| format!("{} needs a line `{key}: ...`", self.subject))
    }

    pub fn allow(&self, keys: &[&str]) -> Result<(), String> {
        match self.fields.iter().find(|(key, _)| !keys.contains(key)) {
            Some((key, _)) => Err(format!("`{key}:` is none of {}", keys.join(", "))),
            None => Ok(()),
        }
    }
}

/// `name as heading .3`
pub struct Column<'a> {
    pub name: &'a str,
    pub heading: &'a str,
    pub format: Format,
}

impl<'a> Column<'a> {
    pub fn parse(text: &'a str) -> Self {
        let text = text.trim();
        let last =
            text.rsplit_once(' ').and_then(|(rest, last)| Some((rest, Format::parse(last)?)));
        let (text, format) = last.unwrap_or((text, Format::AsIs));
        let (name, heading) = text.split_once(" as ").unwrap_or((text, text));
        Self { name: name.trim(), heading: heading.trim(), format }
    }
}
