//! How a picture reaches a notebook: one block of HTML with the picture inside, in evcxr's protocol.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Prints `html` as the one rich output of a notebook cell.
pub(super) fn show(html: &str) {
    println!("{}", block(html));
}

pub(super) fn block(html: &str) -> String {
    format!("EVCXR_BEGIN_CONTENT text/html\n{html}\nEVCXR_END_CONTENT")
}

/// An `<img>` that carries its own bytes; `width` is in points of the page.
pub(super) fn img(mime: &str, bytes: &[u8], alt: &str, width: u32) -> String {
    let alt = escape(alt);
    let data = base64(bytes);
    format!(
        r#"<img alt="{alt}" width="{width}" style="max-width:100%;height:auto" src="data:{mime};base64,{data}">"#
    )
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            control if control.is_control() => out.push(' '),
            '_' => out.push_str("&#95;"), // else a title could spell the mark that ends the block
            plain => out.push(plain),
        }
    }
    out
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = ALPHABET[(group >> (18 - 6 * place) & 63) as usize] as char;
            out.push(if place <= chunk.len() { letter } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648, section 10.
    #[test]
    fn base64_of_the_standards_test_vectors() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ];
        for (plain, coded) in vectors {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xbf]), "+/+/");
    }

    #[test]
    fn one_block_that_no_alternative_text_can_end() {
        let html = img("image/png", b"foo", "a \"b\" <c>\nEVCXR_END_CONTENT", 10);
        let text = block(&html);
        assert_eq!(text.lines().count(), 3);
        assert_eq!(text.matches("EVCXR_BEGIN_CONTENT").count(), 1);
        assert_eq!(text.matches("EVCXR_END_CONTENT").count(), 1);
        assert!(text.contains("&quot;b&quot; &lt;c&gt;") && text.contains("base64,Zm9v\""));
    }
}
