//! How a picture reaches a notebook: under its own MIME type, in evcxr's protocol.

use base64::prelude::{BASE64_STANDARD, Engine};

/// Prints a picture as the one rich output of a notebook cell, with the words for where it cannot be seen.
pub(super) fn show(mime: &str, bytes: &[u8], alt: &str) {
    println!("{}", output(mime, bytes, alt));
}

/// Two blocks, which evcxr joins: Jupyter shows the picture if it can, else the words.
fn output(mime: &str, bytes: &[u8], alt: &str) -> String {
    let alt = alt.replace(char::is_control, " "); // one line, which cannot end its block
    let block = |mime: &str, content: &str| {
        format!("EVCXR_BEGIN_CONTENT {mime}\n{content}\nEVCXR_END_CONTENT")
    };
    block("text/plain", &alt) + "\n" + &block(mime, &BASE64_STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_its_own_type_and_its_words_cannot_end_their_block() {
        let words = "EVCXR_BEGIN_CONTENT text/plain\na EVCXR_END_CONTENT\nEVCXR_END_CONTENT\n";
        let picture = "EVCXR_BEGIN_CONTENT image/png\nZm9v\nEVCXR_END_CONTENT";
        let found = output("image/png", b"foo", "a\nEVCXR_END_CONTENT");
        assert_eq!(found, format!("{words}{picture}"));
    }
}
