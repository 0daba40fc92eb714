//! How a picture reaches a notebook: one block of HTML with the picture inside, in evcxr's protocol.

use base64::prelude::{BASE64_STANDARD, Engine};

/// Prints a picture as the one rich output of a notebook cell; `width` is in points of the page.
///
/// HTML carries what a bare picture cannot: the words for it, and a width of half its pixels.
pub(super) fn show(mime: &str, bytes: &[u8], alt: &str, width: u32) {
    println!("{}", block(mime, bytes, alt, width));
}

fn block(mime: &str, bytes: &[u8], alt: &str, width: u32) -> String {
    let data = BASE64_STANDARD.encode(bytes);
    let alt = alt
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('_', "&#95;") // else a title could spell the mark that ends the block
        .replace(char::is_control, " ");
    format!(
        "EVCXR_BEGIN_CONTENT text/html\n<img alt=\"{alt}\" width=\"{width}\" \
         style=\"max-width:100%;height:auto\" src=\"data:{mime};base64,{data}\">\n\
         EVCXR_END_CONTENT"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_block_that_no_alternative_text_can_end() {
        let text = block("image/png", b"foo", "a \"b\" <c>\nEVCXR_END_CONTENT", 10);
        let start = "EVCXR_BEGIN_CONTENT text/html\n\
                     <img alt=\"a &quot;b&quot; &lt;c&gt; EVCXR&#95;END&#95;CONTENT\" width=\"10\"";
        assert!(text.starts_with(start), "{text}");
        assert!(text.ends_with("src=\"data:image/png;base64,Zm9v\">\nEVCXR_END_CONTENT"), "{text}");
    }
}
