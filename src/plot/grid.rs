//! Images side by side.

use image::{RgbImage, imageops};
use plotters::element::Text;
use plotters::style::text_anchor::HPos;
use tch::{Kind, Tensor};

use super::figure::{Figure, figure};
use super::style::{FAINT_INK, INK, LABEL, LOUD, SCALE, TITLE, bold, pt, text_at};
use super::text::widest;
use crate::util::device::on_cpu;

/// Pixels between two images.
const GAP: i64 = 3;

/// A grid of images `[N, C, H, W]`, C = 1 (grey) or 3 (red, green, blue), with a title and labels.
#[derive(Debug)]
pub struct Grid {
    /// Bytes `[N, 3, H, W]`.
    pixels: Tensor,
    columns: i64,
    scale: i64,
    title: String,
    row_labels: Vec<String>,
    column_labels: Vec<String>,
}

impl Grid {
    /// `columns` images in a row, their values in [-1, 1]; every pixel drawn as two by two unless
    /// [`Grid::scale`] says more. Values outside are clamped; NaN and infinity come out magenta.
    ///
    /// # Panics
    /// When `images` has another rank or C is neither 1 nor 3.
    pub fn new(images: &Tensor, columns: usize) -> Self {
        Self {
            pixels: pixels(images),
            columns: columns.max(1) as i64,
            scale: 2,
            title: String::new(),
            row_labels: vec![],
            column_labels: vec![],
        }
    }

    /// Draws every pixel of an image as `scale` by `scale` pixels.
    pub fn scale(mut self, scale: u32) -> Self {
        self.scale = i64::from(scale.max(1));
        self
    }

    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Names at the left of the rows, from the top.
    pub fn row_labels<S: ToString>(mut self, labels: &[S]) -> Self {
        self.row_labels = labels.iter().map(S::to_string).collect();
        self
    }

    /// Names above the columns, from the left.
    pub fn column_labels<S: ToString>(mut self, labels: &[S]) -> Self {
        self.column_labels = labels.iter().map(S::to_string).collect();
        self
    }

    pub fn draw(&self) -> Figure {
        let mosaic = self.mosaic();
        let points = |pixels: i64| pixels as f64 / f64::from(SCALE);
        let names = widest(&self.row_labels, LABEL);
        let left = if names > 0.0 { (names + 10.0).ceil() } else { 0.0 };
        let header = if self.column_labels.is_empty() { 0.0 } else { LABEL * 1.6 };
        let top = (header + if self.title.is_empty() { 0.0 } else { TITLE * 1.6 }).ceil();
        let (wide, high) = (i64::from(mosaic.width()), i64::from(mosaic.height()));
        let wide = (left + points(wide)).max(widest([&self.title], TITLE) * 1.06);
        let labels = figure("", wide, top + points(high), |area| {
            area.draw(&Text::new(self.title.as_str(), (0, pt(2.0)), bold(TITLE, INK)))?;
            let word = |label: &String, x: f64, y: f64, side: HPos| {
                let style = text_at(side, LABEL, FAINT_INK);
                area.draw(&Text::new(label.as_str(), (pt(x), pt(y)), style))
            };
            let middle = |index: usize, size: i64| {
                points(index as i64 * (size * self.scale + GAP)) + points(size * self.scale) / 2.0
            };
            let size = self.pixels.size(); // [N, 3, H, W]
            for (index, label) in self.column_labels.iter().enumerate() {
                word(label, left + middle(index, size[3]), top - LABEL * 0.75, HPos::Center)?;
            }
            for (index, label) in self.row_labels.iter().enumerate() {
                word(label, left - 7.0, top + middle(index, size[2]), HPos::Right)?;
            }
            Ok(())
        });
        let mut image = labels.image().clone();
        let (x, y) = (left as u32 * SCALE, top as u32 * SCALE);
        imageops::replace(&mut image, &mosaic, x.into(), y.into());
        Figure::new(image, self.alt())
    }

    /// Shows the grid in a notebook; evcxr calls this for a cell's last value.
    pub fn evcxr_display(&self) {
        self.draw().evcxr_display();
    }

    fn alt(&self) -> String {
        let title = if self.title.is_empty() { "Images" } else { &self.title };
        let named = |axis: &str, names: &[String]| match names {
            [] => String::new(),
            names => format!("; {axis}: {}", names.join(", ")),
        };
        let names = named("rows", &self.row_labels) + &named("columns", &self.column_labels);
        format!("{title}: a grid of {} images{names}", self.pixels.size()[0])
    }

    /// The images and the gaps between them, on white paper.
    fn mosaic(&self) -> RgbImage {
        let size = self.pixels.size();
        let (count, height, width) = (size[0], size[2] * self.scale, size[3] * self.scale);
        let columns = self.columns.min(count).max(1);
        let rows = ((count + columns - 1) / columns).max(1);
        let mosaic = self
            .pixels
            .upsample_nearest2d([height, width], None, None)
            .pad([0, GAP, 0, GAP, 0, 0, 0, rows * columns - count], "constant", 255.0)
            .view([rows, columns, 3, height + GAP, width + GAP])
            .permute([0, 3, 1, 4, 2])
            .reshape([rows * (height + GAP), columns * (width + GAP), 3])
            .slice(0, None, -GAP, 1)
            .slice(1, None, -GAP, 1);
        let (high, wide) = (mosaic.size()[0] as u32, mosaic.size()[1] as u32);
        let bytes = Vec::try_from(mosaic.contiguous().view(-1)).expect("a row of bytes");
        RgbImage::from_raw(wide, high, bytes).expect("three bytes a pixel")
    }
}

/// The bytes `[N, 3, H, W]` of images `[N, C, H, W]` with values in [-1, 1].
fn pixels(images: &Tensor) -> Tensor {
    let size = images.size();
    assert!(
        matches!(size[..], [_, 1 | 3, _, _]),
        "a grid wants images of shape [N, 1 or 3, H, W] with values in [-1, 1], got {size:?}"
    );
    let images = on_cpu(&images.detach());
    let finite = images.isfinite().all_dim(1, true);
    let loud = Tensor::from_slice(&[LOUD.0, LOUD.1, LOUD.2]).view([1, 3, 1, 1]);
    let levels = ((images + 1.0) * 127.5).round().clamp(0.0, 255.0);
    levels.expand([-1, 3, -1, -1], false).where_self(&finite, &loud).to_kind(Kind::Uint8)
}
