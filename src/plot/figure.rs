//! A finished picture: to save, to set beside others, to show in a notebook.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{Rgb, RgbImage, imageops};
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
const GAP: u32 = SCALE * MARGIN as u32;

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
    let mut image = RgbImage::new(width, height);
    for (to, from) in image.pixels_mut().zip(pixmap.pixels()) {
        *to = Rgb([from.red(), from.green(), from.blue()]);
    }
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
        Self::compose(figures, |(width, _)| (width + GAP, 0))
    }

    /// Pictures from top to bottom, their left edges aligned.
    pub fn column(figures: &[Figure]) -> Figure {
        Self::compose(figures, |(_, height)| (0, height + GAP))
    }

    /// Pictures in rows of `columns`, each row's tops aligned.
    pub fn tiled(figures: &[Figure], columns: usize) -> Figure {
        Self::column(&figures.chunks(columns.max(1)).map(Self::row).collect::<Vec<_>>())
    }

    /// Pictures on white paper, `step` of one's size from its corner to the corner of the next.
    fn compose(figures: &[Figure], step: fn((u32, u32)) -> (u32, u32)) -> Figure {
        let (mut x, mut y, mut placed) = (0, 0, vec![]);
        for figure in figures {
            placed.push((x, y, figure));
            let (right, down) = step(figure.size());
            (x, y) = (x + right, y + down);
        }
        let width = placed.iter().map(|(x, _, figure)| x + figure.size().0).max();
        let height = placed.iter().map(|(_, y, figure)| y + figure.size().1).max();
        let mut image = RgbImage::from_pixel(width.unwrap_or(1), height.unwrap_or(1), WHITE);
        for (x, y, figure) in placed {
            imageops::replace(&mut image, &figure.image, i64::from(x), i64::from(y));
        }
        let words: Vec<&str> = figures.iter().map(Figure::alt).filter(|a| !a.is_empty()).collect();
        Figure::new(image, words.join("; "))
    }

    /// Writes a PNG, whole or not at all, making the folders on the way.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        save(path.as_ref(), &self.png())
    }

    /// The picture as the bytes of a PNG file.
    pub fn png(&self) -> Vec<u8> {
        let mut bytes = vec![];
        let (effort, filter) = (CompressionType::Best, FilterType::Adaptive);
        let encoder = PngEncoder::new_with_quality(&mut bytes, effort, filter);
        self.image.write_with_encoder(encoder).expect("a picture in memory always encodes");
        bytes
    }

    /// Shows the picture in a notebook; evcxr calls this for a cell's last value.
    pub fn evcxr_display(&self) {
        notebook::show("image/png", &self.png(), &self.alt);
    }
}

impl fmt::Debug for Figure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Figure({} x {} pixels: {})", self.image.width(), self.image.height(), self.alt)
    }
}
