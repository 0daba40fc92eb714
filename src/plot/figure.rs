//! A finished picture: to save, to set beside others, to show in a notebook.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage, imageops};
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use std::convert::Infallible;
use std::fmt;
use std::path::Path;

use super::canvas::Canvas;
use super::style::{FAINT_INK, LABEL, MARGIN, SCALE};
use super::{PlotError, save};
use super::{notebook, text};

const WHITE: Rgb<u8> = Rgb([255; 3]);
/// Pixels between two pictures of a row or column.
const GAP: u32 = SCALE * MARGIN as u32 / 2;

/// A picture with the words that stand for it where it cannot be seen. Two of its pixels make one point of a page.
///
/// A notebook cell that ends in a `Figure` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Figure {
    image: RgbImage,
    alt: String,
}

pub(super) type Area<'a> = DrawingArea<Canvas<'a>, Shift>;
pub(super) type Painted = Result<(), DrawingAreaErrorKind<Infallible>>;

/// A white figure of `width` by `height` points with `paint` applied to it.
pub(super) fn figure(
    alt: &str,
    width: f64,
    height: f64,
    paint: impl FnOnce(&Area) -> Painted,
) -> Figure {
    let pixels = |points: f64| (points * f64::from(SCALE)).round().max(1.0) as u32;
    let mut image = RgbImage::from_pixel(pixels(width), pixels(height), WHITE);
    let area = Canvas { image: &mut image }.into_drawing_area();
    paint(&area).expect("painting in memory cannot fail");
    drop(area);
    Figure { image, alt: alt.to_string() }
}

impl Figure {
    /// Wraps a picture made elsewhere.
    pub fn new(image: RgbImage, alt: impl Into<String>) -> Self {
        Self { image, alt: alt.into() }
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.image.dimensions()
    }

    pub fn image(&self) -> &RgbImage {
        &self.image
    }

    pub(super) fn image_mut(&mut self) -> &mut RgbImage {
        &mut self.image
    }

    /// The picture at the top left of white paper of the given size.
    pub(super) fn on_paper(&self, width: u32, height: u32) -> Figure {
        let mut image = RgbImage::from_pixel(width, height, WHITE);
        imageops::replace(&mut image, &self.image, 0, 0);
        Figure { image, alt: self.alt.clone() }
    }

    /// Half as wide and as high: four pixels become one.
    pub(super) fn halve(&mut self) {
        let (width, height) = self.image.dimensions();
        self.image = imageops::thumbnail(&self.image, width.div_ceil(2), height.div_ceil(2));
    }

    /// What the picture shows, in words.
    pub fn alt(&self) -> &str {
        &self.alt
    }

    /// The same picture with other words for it.
    pub fn with_alt(self, alt: impl Into<String>) -> Self {
        Self { alt: alt.into(), ..self }
    }

    /// Pictures from left to right, their tops aligned.
    pub fn row(figures: &[Figure]) -> Figure {
        Self::compose(figures, true)
    }

    /// Pictures from top to bottom, their left edges aligned.
    pub fn column(figures: &[Figure]) -> Figure {
        Self::compose(figures, false)
    }

    /// Pictures in rows of `columns`, each row's tops aligned.
    pub fn tiled(figures: &[Figure], columns: usize) -> Figure {
        Self::column(&figures.chunks(columns.max(1)).map(Self::row).collect::<Vec<_>>())
    }

    fn compose(figures: &[Figure], side_by_side: bool) -> Figure {
        let (mut width, mut height, mut spots) = (1, 1, vec![]);
        for figure in figures {
            let (x, y) = match (side_by_side, spots.is_empty()) {
                (_, true) => (0, 0),
                (true, _) => (width + GAP, 0),
                (false, _) => (0, height + GAP),
            };
            spots.push((x, y));
            (width, height) = (width.max(x + figure.size().0), height.max(y + figure.size().1));
        }
        let mut image = RgbImage::from_pixel(width, height, WHITE);
        for (figure, (x, y)) in figures.iter().zip(spots) {
            imageops::replace(&mut image, &figure.image, x.into(), y.into());
        }
        let mut words: Vec<&str> = figures.iter().map(Figure::alt).collect();
        words.retain(|alt| !alt.is_empty());
        Figure { image, alt: words.join("; ") }
    }

    /// The picture with a line of small print under it, broken where it would be wider than the picture.
    pub fn captioned(&self, caption: &str) -> Figure {
        let em = (LABEL * f64::from(SCALE)) as f32;
        let margin = SCALE as f32 * MARGIN as f32;
        let lines = text::wrap(caption, em, self.image.width() as f32 - 2.0 * margin);
        let step = (em * 1.4).round();
        let room = (lines.len() as f32 * step + margin) as u32;
        let mut figure = self.on_paper(self.image.width(), self.image.height() + room);
        for (index, line) in lines.iter().enumerate() {
            let y = self.image.height() as f32 + index as f32 * step;
            let ink = [FAINT_INK.0, FAINT_INK.1, FAINT_INK.2];
            text::set(line, em, false).paint(&mut figure.image, margin, y, ink, 1.0);
        }
        figure
    }

    /// Writes a PNG, whole or not at all, making the folders on the way.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        save(path.as_ref(), &self.png())
    }

    /// The picture as the bytes of a PNG file.
    pub fn png(&self) -> Vec<u8> {
        let mut bytes = vec![];
        let encoder =
            PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive);
        encoder
            .write_image(
                &self.image,
                self.image.width(),
                self.image.height(),
                ExtendedColorType::Rgb8,
            )
            .expect("a picture in memory always encodes");
        bytes
    }

    /// The picture as HTML that carries its own bytes.
    pub fn html(&self) -> String {
        notebook::img("image/png", &self.png(), &self.alt, self.image.width() / SCALE)
    }

    /// Shows the picture in a notebook; evcxr calls this for a cell's last value.
    pub fn evcxr_display(&self) {
        notebook::show(&self.html());
    }
}

impl fmt::Debug for Figure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Figure({} x {} pixels: {})", self.image.width(), self.image.height(), self.alt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(width: u32, height: u32, shade: u8) -> Figure {
        Figure::new(RgbImage::from_pixel(width, height, Rgb([shade; 3])), format!("shade {shade}"))
    }

    #[test]
    fn a_saved_picture_reads_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/shade.png");
        let figure = Figure::new(RgbImage::from_fn(9, 5, |x, y| Rgb([x as u8, y as u8, 200])), "");
        figure.save(&path).unwrap();
        assert_eq!(&image::open(&path).unwrap().to_rgb8(), figure.image());
        let wrong = path.join("below a file.png");
        let refusal = figure.save(&wrong).unwrap_err().to_string();
        assert!(refusal.contains(&wrong.display().to_string()), "{refusal}");
    }

    #[test]
    fn rows_and_columns_keep_every_pixel_in_its_place() {
        let figures = [plain(10, 30, 1), plain(20, 12, 2), plain(5, 5, 3)];
        let row = Figure::row(&figures);
        assert_eq!(row.size(), (35 + 2 * GAP, 30));
        let shade = |figure: &Figure, x: u32, y: u32| figure.image().get_pixel(x, y).0[0];
        assert_eq!(
            [shade(&row, 0, 29), shade(&row, 10 + GAP, 0), shade(&row, 30 + 2 * GAP, 4)],
            [1, 2, 3]
        );
        assert_eq!([shade(&row, 10, 0), shade(&row, 10 + GAP, 12)], [255, 255]);
        let column = Figure::column(&figures);
        assert_eq!(column.size(), (20, 47 + 2 * GAP));
        assert_eq!(
            [shade(&column, 9, 29), shade(&column, 19, 30 + GAP), shade(&column, 4, 42 + 2 * GAP)],
            [1, 2, 3]
        );
        assert_eq!(row.alt(), "shade 1; shade 2; shade 3");
        assert!(Figure::row(&[]).size().0 > 0);
    }

    #[test]
    fn a_caption_goes_below_and_takes_the_lines_it_needs() {
        let figure = plain(400, 40, 9);
        let (short, long) =
            (figure.captioned("short"), figure.captioned(&"many words ".repeat(12)));
        assert!(short.size().1 > 40 && long.size().1 > short.size().1 && long.size().0 == 400);
        assert_eq!(short.image().get_pixel(399, 39).0, [9; 3]);
        let ink =
            short.image().enumerate_pixels().filter(|(_, y, pixel)| *y >= 40 && pixel.0[0] < 128);
        assert!(ink.count() > 20);
    }

    #[test]
    fn a_notebook_gets_one_block_with_the_picture_and_its_words() {
        let figure = plain(40, 20, 7).with_alt("seven < eight");
        let block = notebook::block(&figure.html());
        assert_eq!(
            block
                .matches(
                    "EVCXR_BEGIN_CONTENT text/html\n<img alt=\"seven &lt; eight\" width=\"20\""
                )
                .count(),
            1
        );
        assert_eq!(
            (block.matches("EVCXR_BEGIN").count(), block.matches("EVCXR_END").count()),
            (1, 1)
        );
        assert!(block.contains("data:image/png;base64,iVBORw0KGgo"));
    }
}
