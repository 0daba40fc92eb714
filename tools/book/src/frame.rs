//! The Markdown around a listing, a test, a figure or a table.

use crate::fields::Column;
use crate::results::{Csv, Shown, escape};
use crate::source::Listing;

/// A picture that leads to itself, with its size, so that the page does not jump when it arrives.
pub fn picture(shown: &Shown, (width, height): (u32, u32), alt: &str) -> String {
    let (name, alt) = (&shown.file, escape(alt).replace('\n', " "));
    format!(
        "<a href=\"{name}\"><img src=\"{name}\" alt=\"{alt}\" width=\"{width}\" \
         height=\"{height}\" loading=\"lazy\"></a>"
    )
}

pub fn table(csv: &Csv, columns: Option<&str>) -> Result<String, String> {
    let all = csv.header().join(" | ");
    let columns: Vec<Column> = columns.unwrap_or(&all).split(" | ").map(Column::parse).collect();
    let mut head = vec![String::new(), String::new()];
    let mut rows = vec![String::new(); csv.rows.len()];
    for column in columns {
        let at = csv.column(column.name)?;
        let numbers = csv.rows.iter().all(|row| row[at].parse::<f64>().is_ok());
        head[0] += &format!("| {} ", column.heading);
        head[1] += if numbers { "| ---: " } else { "| :--- " };
        for (out, row) in rows.iter_mut().zip(&csv.rows) {
            *out += &format!("| {} ", column.format.apply(&row[at])?.replace('|', "\\|"));
        }
    }
    Ok(head.into_iter().chain(rows).map(|row| row + "|").collect::<Vec<_>>().join("\n"))
}

pub fn framed(class: &str, content: &str, caption: &str, shown: &Shown) -> String {
    let (file, origin) = (&shown.file, shown.origin.caption());
    format!(
        "<figure class=\"result {class}\">\n\n{content}\n\n<figcaption>\n\n{caption}\n\n\
         <p class=\"origin\"><a href=\"{file}\">{name}</a>: {origin}</p>\n\n</figcaption>\n</figure>\n",
        name = file.rsplit('/').next().unwrap_or(file),
    )
}

/// The place of a widget: `still` is what stands there without scripts.
pub fn widget(name: &str, still: &str, json: &str) -> String {
    format!(
        "<div class=\"widget\" data-widget=\"{}\"><div class=\"still\">{still}</div>\
         <script type=\"application/json\">{json}</script></div>",
        escape(name)
    )
}

pub fn code_block(listing: &Listing) -> String {
    let Listing { file, line, code } = listing;
    format!(
        "<figure class=\"listing\">\n<figcaption>{file}<span class=\"line\">:{line}</span></figcaption>\n\n\
         ```rust\n{code}\n```\n\n</figure>\n"
    )
}

pub fn solution(test: &Listing, name: &str) -> String {
    let code = code_block(test);
    format!(
        "<details class=\"solution\">\n<summary>The test <code>{name}</code></summary>\n\n{code}\n</details>\n"
    )
}
