//! Images side by side.

use image::{Rgb, RgbImage, imageops};
use plotters::element::Text;
use plotters::style::text_anchor::HPos;
use tch::Tensor;

use super::figure::{Figure, figure};
use super::style::{FAINT_INK, INK, LABEL, LOUD, SCALE, TITLE, bold, pt, text_at};
use super::tensors;
use super::text::width;

/// Pixels between two images.
const GAP: u32 = 3;

/// Images `[N, C, H, W]` with values in [-1, 1], `columns` in a row, every pixel drawn as `scale` by `scale`.
///
/// Values outside the range are clamped; NaN and infinity come out magenta.
///
/// # Panics
/// When `images` has another rank or C is neither 1 nor 3.
pub fn grid(images: &Tensor, columns: usize, scale: u32) -> Figure {
    Grid::new(images, columns).scale(scale).draw()
}

/// A grid of images with room for names: `grid` with a title and labels.
///
/// # Shapes
/// `[N, C, H, W]` with values in [-1, 1] and C = 1 (grey) or 3 (red, green, blue).
#[derive(Clone, Debug)]
pub struct Grid {
    images: Vec<RgbImage>,
    columns: usize,
    scale: u32,
    title: String,
    row_labels: Vec<String>,
    column_labels: Vec<String>,
}

impl Grid {
    /// `columns` images in a row; every pixel drawn as two by two unless [`Grid::scale`] says more.
    pub fn new(images: &Tensor, columns: usize) -> Self {
        Self {
            images: tiles(images),
            columns: columns.max(1),
            scale: 2,
            title: String::new(),
            row_labels: vec![],
            column_labels: vec![],
        }
    }

    /// Draws every pixel of an image as `scale` by `scale` pixels.
    pub fn scale(mut self, scale: u32) -> Self {
        self.scale = scale.max(1);
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
        let (tiles, cell) = self.mosaic();
        let points = |pixels: u32| f64::from(pixels) / f64::from(SCALE);
        let widest = self.row_labels.iter().map(|label| width(label, LABEL)).fold(0.0, f64::max);
        let left = if widest > 0.0 { (widest + 10.0).ceil() } else { 0.0 };
        let header = if self.column_labels.is_empty() { 0.0 } else { LABEL * 1.6 };
        let top = (header + if self.title.is_empty() { 0.0 } else { TITLE * 1.6 }).ceil();
        let wide = (left + points(tiles.width())).max(width(&self.title, TITLE) * 1.06);
        let labels = figure("", wide, top + points(tiles.height()), |area| {
            area.draw(&Text::new(self.title.as_str(), (0, pt(2.0)), bold(TITLE, INK)))?;
            let middle =
                |index: usize, cell: u32| points(index as u32 * (cell + GAP)) + points(cell) / 2.0;
            let word = |label: &String, (x, y): (f64, f64), side: HPos| {
                let style = text_at(side, LABEL, FAINT_INK);
                area.draw(&Text::new(label.as_str(), (pt(x), pt(y)), style))
            };
            for (index, label) in self.column_labels.iter().enumerate() {
                word(label, (left + middle(index, cell.0), top - LABEL * 0.75), HPos::Center)?;
            }
            for (index, label) in self.row_labels.iter().enumerate() {
                word(label, (left - 7.0, top + middle(index, cell.1)), HPos::Right)?;
            }
            Ok(())
        });
        let mut image = labels.image().clone();
        let pixels = |points: f64| points as i64 * i64::from(SCALE);
        imageops::replace(&mut image, &tiles, pixels(left), pixels(top));
        Figure::new(image, self.alt())
    }

    /// Shows the grid in a notebook; evcxr calls this for a cell's last value.
    pub fn evcxr_display(&self) {
        self.draw().evcxr_display();
    }

    fn alt(&self) -> String {
        let title = if self.title.is_empty() { "Images" } else { &self.title };
        let names = |axis: &str, labels: &[String]| match labels {
            [] => String::new(),
            labels => format!("; {axis}: {}", labels.join(", ")),
        };
        let (rows, columns) =
            (names("rows", &self.row_labels), names("columns", &self.column_labels));
        format!("{title}: a grid of {} images{rows}{columns}", self.images.len())
    }

    /// The images and their gaps, with the size of one.
    fn mosaic(&self) -> (RgbImage, (u32, u32)) {
        let (width, height) = self.images.first().map_or((1, 1), RgbImage::dimensions);
        let (width, height) = (width * self.scale, height * self.scale);
        let columns = self.columns.min(self.images.len()).max(1);
        let rows = self.images.len().div_ceil(columns).max(1);
        let extent = |count: usize, size: u32| count as u32 * (size + GAP) - GAP;
        let mut out =
            RgbImage::from_pixel(extent(columns, width), extent(rows, height), Rgb([255; 3]));
        for (index, tile) in self.images.iter().enumerate() {
            let large = imageops::resize(tile, width, height, imageops::FilterType::Nearest);
            let (row, column) = (index / columns, index % columns);
            let (x, y) = (column as u32 * (width + GAP), row as u32 * (height + GAP));
            imageops::replace(&mut out, &large, x.into(), y.into());
        }
        (out, (width, height))
    }
}

/// One picture for every image of `[N, C, H, W]`.
fn tiles(images: &Tensor) -> Vec<RgbImage> {
    let size = images.size();
    let &[_, 1 | 3, height, width] = &size[..] else {
        panic!(
            "a grid wants images of shape [N, 1 or 3, H, W] with values in [-1, 1], got {size:?}"
        );
    };
    let pixel = |value: &[f64; 3]| match value.iter().all(|channel| channel.is_finite()) {
        true => value.map(|channel| ((channel + 1.0) * 127.5).round() as u8), // 0 to 255, clamped
        false => [LOUD.0, LOUD.1, LOUD.2],
    };
    let rgb = images.permute([0, 2, 3, 1]).expand([-1, -1, -1, 3], false); // [N, H, W, 3]
    let pixels: Vec<[u8; 3]> = tensors::values(&rgb).as_chunks::<3>().0.iter().map(pixel).collect();
    let tile = |pixels: &[[u8; 3]]| {
        RgbImage::from_raw(width as u32, height as u32, pixels.concat()).expect("H x W pixels")
    };
    pixels.chunks_exact(((height * width) as usize).max(1)).map(tile).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn flat(values: &[f32], channels: i64) -> Tensor {
        let n = values.len() as i64 / channels;
        Tensor::from_slice(values).view([n, channels, 1, 1]).expand([n, channels, 4, 5], false)
    }

    /// The colour in the middle of cell (row, column) of 4 x 5 images at scale 2.
    fn cell(figure: &Figure, row: u32, column: u32) -> [u8; 3] {
        figure.image().get_pixel(column * (10 + GAP) + 5, row * (8 + GAP) + 4).0
    }

    #[test]
    fn image_k_stands_at_row_k_div_columns() {
        let figure = grid(&flat(&[-1.0, -0.5, 0.0, 0.5, 1.0], 1), 3, 2);
        assert_eq!(figure.size(), (3 * 10 + 2 * GAP, 2 * 8 + GAP));
        let grey = |row, column| cell(&figure, row, column)[0];
        assert_eq!(
            [grey(0, 0), grey(0, 1), grey(0, 2), grey(1, 0), grey(1, 1)],
            [0, 64, 128, 191, 255]
        );
        assert_eq!(cell(&figure, 1, 2), [255; 3], "a missing image is paper");
        assert_eq!(figure.image().get_pixel(11, 4).0, [255; 3], "a gap is paper");
    }

    #[test]
    fn pixels_keep_their_place_and_channels_their_order() {
        let ramp = Tensor::from_slice(&[-1.0, 1.0, 0.0, -1.0, 0.0, 1.0]).view([1, 1, 2, 3]);
        let figure = grid(&ramp, 1, 4);
        let seen: Vec<u8> = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)]
            .map(|(x, y)| figure.image().get_pixel(4 * x + 3, 4 * y).0[0])
            .to_vec();
        assert_eq!(seen, [0, 255, 128, 0, 128, 255]);
        assert_eq!(cell(&grid(&flat(&[1.0, 0.0, -1.0], 3), 1, 2), 0, 0), [255, 128, 0]);
    }

    #[test]
    fn values_out_of_range_are_clamped_and_what_is_no_number_is_loud() {
        let figure = grid(&flat(&[-7.0, 7.0, f32::NAN, f32::INFINITY], 1), 4, 2);
        let seen = [0, 1, 2, 3].map(|column| cell(&figure, 0, column));
        assert_eq!(seen, [[0; 3], [255; 3], [255, 0, 255], [255, 0, 255]]);
    }

    #[test]
    fn labels_make_room_and_leave_the_images_alone() {
        let images = flat(&[-1.0, 0.0, 1.0, -1.0], 1);
        let bare = grid(&images, 2, 2);
        let named = Grid::new(&images, 2)
            .title("t")
            .row_labels(&["a", "b"])
            .column_labels(&[0, 250])
            .draw();
        let (dx, dy) = (named.size().0 - bare.size().0, named.size().1 - bare.size().1);
        let part =
            imageops::crop_imm(named.image(), dx, dy, bare.size().0, bare.size().1).to_image();
        assert!(dx > 0 && dy > 0);
        assert_eq!(&part, bare.image());
        assert!(named.alt().contains("columns: 0, 250"), "{}", named.alt());
    }

    #[test]
    fn no_images_make_a_picture_all_the_same() {
        let none = Tensor::zeros([0, 1, 8, 8], (Kind::Float, Device::Cpu));
        assert!(!grid(&none, 4, 2).png().is_empty());
    }

    #[test]
    #[should_panic(expected = "[2, 4, 4, 5]")]
    fn a_shape_that_is_no_image_is_named() {
        grid(&flat(&[0.0; 8], 4), 1, 1);
    }
}
