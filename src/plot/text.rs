//! Text with the letters where the font's designer put them, from fonts compiled into the crate.

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};
use image::RgbImage;
use std::sync::OnceLock;

use super::raster::blend;

/// Height of a capital, of the part of the line box below the baseline, and of the whole, in ems.
pub(super) const CAPITAL: f32 = 0.73;
const DESCENT: f32 = 0.22;
pub(super) const BOX: f32 = CAPITAL + DESCENT;

struct Fonts {
    regular: FontRef<'static>,
    bold: FontRef<'static>,
    maths: FontRef<'static>,
}

fn fonts() -> &'static Fonts {
    static FONTS: OnceLock<Fonts> = OnceLock::new();
    let parse = |bytes| FontRef::try_from_slice(bytes).expect("the bundled fonts are well formed");
    FONTS.get_or_init(|| Fonts {
        regular: parse(include_bytes!("../../assets/fonts/Inter-Regular.ttf")),
        bold: parse(include_bytes!("../../assets/fonts/Inter-SemiBold.ttf")),
        maths: parse(include_bytes!("../../assets/fonts/DejaVuSans-Maths.ttf")),
    })
}

/// A line of text, set: glyphs relative to the start of its baseline, and its width.
pub(super) struct Line {
    glyphs: Vec<(&'static FontRef<'static>, Glyph)>,
    pub(super) width: f32,
    em: f32,
}

/// Sets `text` at `em` pixels a font size.
pub(super) fn set(text: &str, em: f32, bold: bool) -> Line {
    let fonts = fonts();
    let face = if bold { &fonts.bold } else { &fonts.regular };
    let mut line = Line { glyphs: vec![], width: 0.0, em };
    for letter in text.chars() {
        let missing = |font: &FontRef| font.glyph_id(letter).0 == 0;
        let font = if missing(face) && !missing(&fonts.maths) { &fonts.maths } else { face };
        let scale =
            PxScale::from(em * font.height_unscaled() / font.units_per_em().unwrap_or(2048.0));
        let mut glyph = font.glyph_id(letter).with_scale(scale);
        let advance = font.as_scaled(scale).h_advance(glyph.id);
        let accent = ('\u{300}'..='\u{36f}').contains(&letter);
        let x = if accent { over_previous(&line, font, &glyph) } else { line.width };
        glyph.position = point(x, 0.0);
        line.glyphs.push((font, glyph));
        line.width += advance; // that of an accent is zero
    }
    line
}

/// Where a combining accent stands so that its ink is centred on the letter before it.
fn over_previous(line: &Line, font: &FontRef, accent: &Glyph) -> f32 {
    let centre = |font: &FontRef, glyph: &Glyph| {
        let ink = font.outline_glyph(glyph.clone())?.px_bounds();
        Some((ink.min.x + ink.max.x) / 2.0)
    };
    let under = line.glyphs.last().and_then(|(font, letter)| centre(font, letter));
    under.unwrap_or(line.width) - centre(font, accent).unwrap_or(0.0)
}

impl Line {
    /// Paints the line with the top left corner of its box at `(x, y)`.
    pub(super) fn paint(&self, image: &mut RgbImage, x: f32, y: f32, colour: [u8; 3], alpha: f32) {
        let baseline = (y + CAPITAL * self.em).round();
        for (font, glyph) in &self.glyphs {
            let mut glyph = glyph.clone();
            glyph.position.x += x;
            glyph.position.y = baseline;
            let Some(outline) = font.outline_glyph(glyph) else {
                continue;
            };
            let corner = outline.px_bounds().min;
            outline.draw(|dx, dy, cover| {
                let (px, py) = (corner.x as i32 + dx as i32, corner.y as i32 + dy as i32);
                blend(image, px, py, colour, alpha * cover);
            });
        }
    }
}

/// Breaks `text` between words into lines of at most `width` pixels (a longer word keeps a line of its own).
pub(super) fn wrap(text: &str, em: f32, width: f32) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if set(&format!("{line} {word}"), em, false).width <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The notation of the book must not come out as empty boxes.
    #[test]
    fn every_symbol_of_the_book_has_a_glyph() {
        let symbols =
            "αβγδεηθλμνσφωΣΔΘΩᾱ√∇∑∏∫∞≈≠≤≥±×·→−–—…‖∝∼∈ℝℓ°²³⁰¹⁴⁵⁶⁷⁸⁹⁻₀₁₂₃₄₅₆₇₈₉₊₋ₜₛₙ\u{302}\u{303}";
        let fonts = fonts();
        for letter in symbols.chars().chain(' '..='~') {
            let found =
                [&fonts.regular, &fonts.maths].iter().any(|font| font.glyph_id(letter).0 != 0);
            assert!(found, "no font has {letter:?}");
            assert!(fonts.bold.glyph_id(letter).0 != 0 || fonts.maths.glyph_id(letter).0 != 0);
        }
    }

    #[test]
    fn an_accent_takes_no_room_and_width_grows_with_size() {
        assert_eq!(set("x\u{302}", 20.0, false).width, set("x", 20.0, false).width);
        let (small, large) = (set("alpha", 10.0, false).width, set("alpha", 20.0, false).width);
        assert!((large / small - 2.0).abs() < 1e-4);
    }
}
