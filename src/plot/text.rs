//! Text with the letters where the font's designer put them, from fonts compiled into the crate.

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};
use std::sync::LazyLock;

/// Height of a capital above the baseline, in ems.
pub(super) const CAPITAL: f32 = 0.73;
/// Room for what hangs below the baseline, in ems.
pub(super) const DESCENT: f32 = 0.22;

/// Inter, its bold face, and the mathematical signs that both lack.
static FONTS: LazyLock<[FontRef<'static>; 3]> = LazyLock::new(|| {
    let files: [&[u8]; 3] = [
        include_bytes!("../../assets/fonts/Inter-Regular.ttf"),
        include_bytes!("../../assets/fonts/Inter-SemiBold.ttf"),
        include_bytes!("../../assets/fonts/DejaVuSans-Maths.ttf"),
    ];
    files.map(|bytes| FontRef::try_from_slice(bytes).expect("the bundled fonts are well formed"))
});

/// A line of text, set: glyphs relative to the start of its baseline, and its width in pixels.
pub(super) struct Line {
    glyphs: Vec<(&'static FontRef<'static>, Glyph)>,
    pub(super) width: f32,
    pub(super) em: f32,
}

/// Sets `text` at `em` pixels a font size.
pub(super) fn set(text: &str, em: f32, bold: bool) -> Line {
    let [plain, strong, maths] = &*FONTS;
    let face = if bold { strong } else { plain };
    let mut line = Line { glyphs: vec![], width: 0.0, em };
    for letter in text.chars() {
        let missing = |font: &FontRef| font.glyph_id(letter).0 == 0;
        let font = if missing(face) && !missing(maths) { maths } else { face };
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

/// The width of the widest of `texts` at a font size of `em`, in the unit of `em`.
pub(super) fn widest<'t>(texts: impl IntoIterator<Item = &'t String>, em: f64) -> f64 {
    texts.into_iter().map(|text| f64::from(set(text, em as f32, false).width)).fold(0.0, f64::max)
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
    pub(super) fn draw(&self, x: f32, y: f32, mut dot: impl FnMut(f32, f32, f32)) {
        for (font, glyph) in &self.glyphs {
            let mut glyph = glyph.clone();
            glyph.position += point(x, y);
            if let Some(outline) = font.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                outline.draw(|x, y, cover| dot(corner.x + x as f32, corner.y + y as f32, cover));
            }
        }
    }
}
