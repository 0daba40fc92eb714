//! Text with the letters where the font's designer put them, from fonts compiled into the crate.

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};
use std::sync::OnceLock;

/// Height of a capital above the baseline, in ems.
pub(super) const CAPITAL: f32 = 0.73;
/// Room for what hangs below the baseline, in ems.
pub(super) const DESCENT: f32 = 0.22;

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

/// A line of text, set: glyphs relative to the start of its baseline, and its width in pixels.
pub(super) struct Line {
    glyphs: Vec<(&'static FontRef<'static>, Glyph)>,
    pub(super) width: f32,
}

/// Sets `text` at `em` pixels a font size.
pub(super) fn set(text: &str, em: f32, bold: bool) -> Line {
    let fonts = fonts();
    let face = if bold { &fonts.bold } else { &fonts.regular };
    let mut line = Line { glyphs: vec![], width: 0.0 };
    for letter in text.chars() {
        let missing = |font: &FontRef| font.glyph_id(letter).0 == 0;
        let font = if missing(face) && !missing(&fonts.maths) { &fonts.maths } else { face };
        let units = font.units_per_em().expect("the bundled fonts state their em");
        let scale = PxScale::from(em * font.height_unscaled() / units);
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

/// The width of `text` at a font size of `em`, in the unit of `em`.
pub(super) fn width(text: &str, em: f64) -> f64 {
    f64::from(set(text, em as f32, false).width)
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
    /// Calls `dot` with every pixel that the line covers, from the start `(x, y)` of its baseline, and how much.
    pub(super) fn draw(&self, x: f32, y: f32, mut dot: impl FnMut(i32, i32, f32)) {
        for (font, glyph) in &self.glyphs {
            let mut glyph = glyph.clone();
            glyph.position += point(x, y);
            if let Some(outline) = font.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                let (left, top) = (corner.x as i32, corner.y as i32);
                outline.draw(|dx, dy, cover| dot(left + dx as i32, top + dy as i32, cover));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The notation of the book must not come out as empty boxes.
    #[test]
    fn every_symbol_of_the_book_has_a_glyph() {
        let symbols = "αβγδεηθλμνσφωΣΔΘΩᾱ√∇∑∏∫∞≈≠≤≥±×·→−–—…‖∝∼∈ℝℓ°\
                       ²³⁰¹⁴⁵⁶⁷⁸⁹⁻₀₁₂₃₄₅₆₇₈₉₊₋ₜₛₙ\u{302}\u{303}";
        let fonts = fonts();
        for letter in symbols.chars().chain(' '..='~') {
            let has = |font: &FontRef| font.glyph_id(letter).0 != 0;
            assert!(has(&fonts.maths) || has(&fonts.regular), "no font has {letter:?}");
            assert!(has(&fonts.maths) || has(&fonts.bold), "no bold font has {letter:?}");
        }
    }

    #[test]
    fn an_accent_takes_no_room_and_width_grows_with_size() {
        assert_eq!(width("x\u{302}", 20.0), width("x", 20.0));
        assert!((width("alpha", 20.0) / width("alpha", 10.0) - 2.0).abs() < 1e-4);
    }
}
