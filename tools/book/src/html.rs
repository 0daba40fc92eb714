//! Just enough of HTML to check what mdBook wrote.

/// A piece of a page.
#[derive(Debug, PartialEq)]
pub enum Piece<'a> {
    Open { name: &'a str, attributes: Vec<(&'a str, &'a str)> },
    Close(&'a str),
    Text(&'a str),
}

/// The pieces of a page, in order; the contents of scripts and styles are left out.
pub fn pieces(mut html: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    while let Some(start) = html.find('<') {
        if !html[..start].trim().is_empty() {
            pieces.push(Piece::Text(&html[..start]));
        }
        html = &html[start..];
        if html.starts_with("<!--") {
            html = html.split_once("-->").map_or("", |(_, rest)| rest);
            continue;
        }
        let end = tag_end(html);
        let tag = &html[1..end];
        html = html.get(end + 1..).unwrap_or("");
        if let Some(name) = tag.strip_prefix('/') {
            pieces.push(Piece::Close(name.trim()));
        } else if !tag.starts_with('!') {
            let (name, attributes) = parse(tag);
            if matches!(name, "script" | "style") {
                let close = format!("</{name}");
                html = html.find(&close).map_or("", |at| &html[at..]);
            }
            pieces.push(Piece::Open { name, attributes });
        }
    }
    if !html.trim().is_empty() {
        pieces.push(Piece::Text(html));
    }
    pieces
}

/// Where the tag at the start of `html` closes: a `>` outside quotes.
fn tag_end(html: &str) -> usize {
    let mut quote = None;
    for (i, c) in html.char_indices() {
        match (c, quote) {
            ('>', None) => return i,
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(q)) if c == q => quote = None,
            _ => {}
        }
    }
    html.len()
}

fn parse(tag: &str) -> (&str, Vec<(&str, &str)>) {
    let tag = tag.trim_end_matches('/');
    let (name, mut rest) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return (name, attributes);
        }
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let key = &rest[..end];
        rest = &rest[end..];
        let Some(value) = rest.strip_prefix('=') else {
            attributes.push((key, ""));
            continue;
        };
        let quoted = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (value, after) = match quoted {
            Some(quote) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
            None => value.split_once(char::is_whitespace).unwrap_or((value, "")),
        };
        attributes.push((key, value));
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_attributes_and_text() {
        let page = "<!-- <a> --><p id=x class='a > b'>t<br/><script>1 < 2</script></p>";
        let expected = [
            Piece::Open { name: "p", attributes: vec![("id", "x"), ("class", "a > b")] },
            Piece::Text("t"),
            Piece::Open { name: "br", attributes: vec![] },
            Piece::Open { name: "script", attributes: vec![] },
            Piece::Close("script"),
            Piece::Close("p"),
        ];
        assert_eq!(pieces(page), expected);
    }
}
