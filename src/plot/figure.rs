//! A finished picture: to save, to set beside others, to show in a notebook.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ImageEncoder, Rgb, RgbImage, imageops};
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use tiny_skia::{Color, Pixmap};

use super::canvas::Canvas;
use super::notebook;
use super::style::{MARGIN, SCALE};
use crate::util::files::write_atomically;

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

/// A picture that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the picture {}: {source}. Name a file in a folder that you may write to.", path.display())]
pub struct PlotError {
    path: PathBuf,
    source: std::io::Error,
}

/// Writes a picture's file, whole or not at all, making the folders on the way.
pub(super) fn save(path: &Path, bytes: &[u8]) -> Result<(), PlotError> {
    write_atomically(path, bytes).map_err(|source| PlotError { path: path.to_path_buf(), source })
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
    let (width, height) = (pixels(width), pixels(height));
    let mut pixmap = Pixmap::new(width, height).expect("a figure fits into memory");
    pixmap.fill(Color::WHITE);
    let area = Canvas { pixmap: &mut pixmap }.into_drawing_area();
    paint(&area).expect("painting in memory cannot fail");
    drop(area);
    let rgb = pixmap.data().chunks_exact(4).flat_map(|rgba| [rgba[0], rgba[1], rgba[2]]).collect();
    let image = RgbImage::from_raw(width, height, rgb).expect("three bytes a pixel");
    Figure::new(image, alt)
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

    /// What the picture shows, in words.
    pub fn alt(&self) -> &str {
        &self.alt
    }

    /// Pictures from left to right, their tops aligned.
    pub fn row(figures: &[Figure]) -> Figure {
        let mut x = 0;
        let next = |figure: &Figure| {
            let left = x;
            x += figure.size().0 + GAP;
            (left, 0)
        };
        Self::compose(figures, next)
    }

    /// Pictures from top to bottom, their left edges aligned.
    pub fn column(figures: &[Figure]) -> Figure {
        let mut y = 0;
        let next = |figure: &Figure| {
            let top = y;
            y += figure.size().1 + GAP;
            (0, top)
        };
        Self::compose(figures, next)
    }

    /// Pictures in rows of `columns`, each row's tops aligned.
    pub fn tiled(figures: &[Figure], columns: usize) -> Figure {
        Self::column(&figures.chunks(columns.max(1)).map(Self::row).collect::<Vec<_>>())
    }

    /// Pictures with their top left corners where `place` says, on paper as large as they need.
    fn compose(figures: &[Figure], place: impl FnMut(&Figure) -> (u32, u32)) -> Figure {
        let corners: Vec<(u32, u32)> = figures.iter().map(place).collect();
        let ends =
            || figures.iter().zip(&corners).map(|(f, (x, y))| (x + f.size().0, y + f.size().1));
        let width = ends().map(|end| end.0).max().unwrap_or(1);
        let height = ends().map(|end| end.1).max().unwrap_or(1);
        let mut image = RgbImage::from_pixel(width, height, WHITE);
        for (figure, (x, y)) in figures.iter().zip(&corners) {
            imageops::replace(&mut image, &figure.image, i64::from(*x), i64::from(*y));
        }
        let mut words: Vec<&str> = figures.iter().map(Figure::alt).collect();
        words.retain(|alt| !alt.is_empty());
        Figure::new(image, words.join("; "))
    }

    /// Writes a PNG, whole or not at all, making the folders on the way.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        save(path.as_ref(), &self.png())
    }

    /// The picture as the bytes of a PNG file.
    pub fn png(&self) -> Vec<u8> {
        let mut bytes = vec![];
        let (width, height) = self.size();
        PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive)
            .write_image(&self.image, width, height, image::ExtendedColorType::Rgb8)
            .expect("a picture in memory always encodes");
        bytes
    }

    /// Shows the picture in a notebook; evcxr calls this for a cell's last value.
    pub fn evcxr_display(&self) {
        notebook::show("image/png", &self.png(), &self.alt, self.image.width() / SCALE);
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
        let shades = |figure: &Figure, places: [(u32, u32); 5]| {
            places.map(|(x, y)| figure.image().get_pixel(x, y).0[0])
        };
        let row = Figure::row(&figures);
        assert_eq!(row.size(), (35 + 2 * GAP, 30));
        let places = [(0, 29), (10, 0), (10 + GAP, 0), (10 + GAP, 12), (30 + 2 * GAP, 4)];
        assert_eq!(shades(&row, places), [1, 255, 2, 255, 3]);
        let column = Figure::column(&figures);
        assert_eq!(column.size(), (20, 47 + 2 * GAP));
        let places = [(9, 29), (0, 30), (19, 30 + GAP), (19, 42 + GAP), (4, 42 + 2 * GAP)];
        assert_eq!(shades(&column, places), [1, 255, 2, 255, 3]);
        assert_eq!(Figure::tiled(&figures, 2).size(), (30 + GAP, 35 + GAP));
        assert_eq!(row.alt(), "shade 1; shade 2; shade 3");
        assert_eq!(Figure::row(&[]).size(), (1, 1));
    }
}
