//! Pictures that move.

use color_quant::NeuQuant;
use gif::{DisposalMethod, Encoder, Frame, Repeat};
use image::{Rgb, RgbImage, imageops};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use super::figure::{Figure, PlotError, save};
use super::notebook;
use super::style::SCALE;

/// The last entry of the palette means "as before".
const UNCHANGED: u8 = 255;
/// Colours that the palette keeps exactly, the most frequent first: paper and ink must not drift.
const EXACT: usize = 8;

/// Figures one after the other, for ever.
#[derive(Clone)]
pub struct Gif {
    frames: Vec<RgbImage>,
    alt: String,
    delay: u32,
    hold: u32,
    colours: usize,
    /// Pixels for one point of the page.
    scale: u32,
}

impl Gif {
    /// Shows every frame for `delay` milliseconds; a GIF counts in hundredths of a second and viewers want two.
    ///
    /// Frames of unequal size (a title that grows) stand at the top left of white paper as large as the largest.
    ///
    /// # Panics
    /// When there is no frame, or one of more than 65,535 pixels a side.
    pub fn new(frames: &[Figure], delay: u32) -> Self {
        let width = frames.iter().map(|frame| frame.size().0).max();
        let width = width.expect("a GIF wants at least one frame");
        let height = frames.iter().map(|frame| frame.size().1).max().unwrap_or(0);
        let most = u32::from(u16::MAX);
        assert!(
            width.max(height) <= most,
            "a GIF holds {most} pixels a side, got {width} x {height}"
        );
        let on_paper = |frame: &Figure| {
            let mut paper = RgbImage::from_pixel(width, height, Rgb([255; 3]));
            imageops::replace(&mut paper, frame.image(), 0, 0);
            paper
        };
        let alt = format!("{} ({} frames)", frames[0].alt(), frames.len());
        let frames = frames.iter().map(on_paper).collect();
        Self { frames, alt, delay, hold: delay, colours: 32, scale: SCALE }
    }

    /// Shows the last frame for `milliseconds` before it starts again.
    pub fn hold(mut self, milliseconds: u32) -> Self {
        self.hold = milliseconds;
        self
    }

    /// One pixel for a point of the page instead of two: less sharp, and a third of the bytes.
    pub fn halved(mut self) -> Self {
        if self.scale > 1 {
            for frame in &mut self.frames {
                let (width, height) = frame.dimensions();
                *frame = imageops::thumbnail(frame, width.div_ceil(2), height.div_ceil(2));
            }
            self.scale /= 2;
        }
        self
    }

    /// How many colours the frames share, 16 to 255; 32 unless told. More look smoother and take more bytes.
    pub fn colours(mut self, colours: usize) -> Self {
        self.colours = colours.clamp(16, usize::from(UNCHANGED));
        self
    }

    /// Writes the file, whole or not at all, making the folders on the way.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        save(path.as_ref(), &self.encode())
    }

    /// Shows the GIF in a notebook; evcxr calls this for a cell's last value.
    pub fn evcxr_display(&self) {
        let width = self.frames[0].width() / self.scale;
        notebook::show("image/gif", &self.encode(), &self.alt, width);
    }

    /// The picture as the bytes of a GIF file: one palette, and of each frame only what changed.
    pub fn encode(&self) -> Vec<u8> {
        let palette = Palette::of(&self.frames, self.colours);
        let (width, height) = self.frames[0].dimensions();
        let mut bytes = vec![];
        let mut encoder = Encoder::new(&mut bytes, width as u16, height as u16, &palette.table())
            .expect("a palette of 256 colours always fits");
        encoder.set_repeat(Repeat::Infinite).expect("memory takes every byte");
        let mut before: Option<Vec<u8>> = None;
        for (index, image) in self.frames.iter().enumerate() {
            let now = palette.indices(image);
            let last = index + 1 == self.frames.len();
            let mut frame = changed(before.as_deref(), &now, width as usize);
            frame.delay = (if last { self.hold } else { self.delay } / 10).max(2) as u16;
            encoder.write_frame(&frame).expect("memory takes every byte");
            before = Some(now);
        }
        drop(encoder);
        bytes
    }
}

impl fmt::Debug for Gif {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (width, height) = self.frames[0].dimensions();
        write!(f, "Gif({width} x {height} pixels: {})", self.alt)
    }
}

/// The smallest rectangle that holds every difference; what did not change in it is transparent.
fn changed(before: Option<&[u8]>, now: &[u8], width: usize) -> Frame<'static> {
    let differs = |index: usize| before.is_none_or(|before| before[index] != now[index]);
    let (mut left, mut right, mut top, mut bottom) = (usize::MAX, 0, usize::MAX, 0);
    for index in (0..now.len()).filter(|index| differs(*index)) {
        let (row, column) = (index / width, index % width);
        (left, right) = (left.min(column), right.max(column));
        (top, bottom) = (top.min(row), bottom.max(row));
    }
    let (left, top) = (left.min(right), top.min(bottom)); // nothing changed: one transparent pixel
    let colour = |index: usize| if differs(index) { now[index] } else { UNCHANGED };
    let cells = |row: usize| row * width + left..=row * width + right;
    Frame {
        top: top as u16,
        left: left as u16,
        width: (right - left + 1) as u16,
        height: (bottom - top + 1) as u16,
        dispose: DisposalMethod::Keep,
        transparent: Some(UNCHANGED),
        buffer: (top..=bottom).flat_map(cells).map(colour).collect(),
        ..Frame::default()
    }
}

/// At most 255 colours for all frames together, and the place of each colour's nearest among them.
struct Palette {
    colours: Vec<[u8; 3]>,
    nearest: HashMap<[u8; 3], u8>,
}

impl Palette {
    fn of(frames: &[RgbImage], most: usize) -> Palette {
        let mut counts: HashMap<[u8; 3], usize> = HashMap::new();
        for (colour, length) in frames.iter().flat_map(runs) {
            *counts.entry(colour).or_default() += length;
        }
        let mut colours: Vec<[u8; 3]> = counts.keys().copied().collect();
        colours.sort_by_key(|colour| (Reverse(counts[colour]), *colour));
        if colours.len() > most {
            colours = reduced(&colours, most);
        }
        let distance = |a: &[u8; 3], b: &[u8; 3]| -> u32 {
            a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2)).sum()
        };
        let nearest = |colour: [u8; 3]| {
            let closest = (0..colours.len()).min_by_key(|at| distance(&colours[*at], &colour));
            (colour, closest.unwrap_or(0) as u8)
        };
        Palette { nearest: counts.into_keys().map(nearest).collect(), colours }
    }

    /// 256 entries, the last of which is never seen.
    fn table(&self) -> Vec<u8> {
        let mut table = self.colours.concat();
        table.resize(3 * 256, 255);
        table
    }

    fn indices(&self, image: &RgbImage) -> Vec<u8> {
        let runs = runs(image).map(|(colour, length)| (self.nearest[&colour], length));
        runs.flat_map(|(index, length)| std::iter::repeat_n(index, length)).collect()
    }
}

/// `most` colours that come close to all of `colours`, which begin with the most frequent ones.
fn reduced(colours: &[[u8; 3]], most: usize) -> Vec<[u8; 3]> {
    if colours.iter().all(|[r, g, b]| r == g && g == b) {
        return (0..most).map(|level| [(level * 255 / (most - 1)) as u8; 3]).collect();
    }
    let sample: Vec<u8> = colours.iter().flat_map(|[r, g, b]| [*r, *g, *b, 255]).collect();
    let learned = NeuQuant::new(1, most - EXACT, &sample).color_map_rgb();
    [&colours[..EXACT], learned.as_chunks::<3>().0].concat()
}

/// Neighbours of one colour, row by row, and how many they are: one look-up serves them all.
fn runs(image: &RgbImage) -> impl Iterator<Item = ([u8; 3], usize)> + '_ {
    let pixels = image.as_raw().as_chunks::<3>().0;
    pixels.chunk_by(|a, b| a == b).map(|run| (run[0], run.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::gif::GifDecoder;
    use image::{AnimationDecoder, Rgb};
    use std::io::Cursor;

    fn decoded(gif: &Gif) -> Vec<(RgbImage, u32)> {
        let frames = GifDecoder::new(Cursor::new(gif.encode())).unwrap().into_frames();
        let read = |frame: image::Frame| {
            let delay = frame.delay().numer_denom_ms();
            (image::DynamicImage::ImageRgba8(frame.into_buffer()).to_rgb8(), delay.0 / delay.1)
        };
        frames.map(|frame| read(frame.unwrap())).collect()
    }

    fn square(at: u32) -> Figure {
        let inside = |x: u32, y: u32| x / 4 == at && y / 4 == 1;
        let colour = |x, y| if inside(x, y) { [200, 30, 40] } else { [255; 3] };
        Figure::new(RgbImage::from_fn(40, 20, |x, y| Rgb(colour(x, y))), "a square")
    }

    #[test]
    fn every_frame_comes_back_with_its_time() {
        let figures: Vec<Figure> = [0, 3, 3, 9, 5].map(square).to_vec();
        let frames = decoded(&Gif::new(&figures, 80).hold(1500));
        assert_eq!(frames.iter().map(|frame| frame.1).collect::<Vec<_>>(), [80, 80, 80, 80, 1500]);
        for (figure, (image, _)) in figures.iter().zip(&frames) {
            assert_eq!(figure.image(), image, "few colours are kept exactly");
        }
    }

    fn gradient(shade: fn(u32, u32) -> [u8; 3]) -> Figure {
        let colour = move |x: u32, y: u32| if x < 20 { [255; 3] } else { shade(x, y) };
        Figure::new(RgbImage::from_fn(60, 50, |x, y| Rgb(colour(x, y))), "")
    }

    #[test]
    fn many_colours_stay_close_and_paper_stays_white() {
        for (shade, colours, close) in [
            ((|x, y| [(x * 4) as u8, (y * 5) as u8, 128]) as fn(u32, u32) -> [u8; 3], 255, 4.0),
            (|_, y| [(y * 5) as u8; 3], 16, 4.0),
        ] {
            let figure = gradient(shade);
            let gif = Gif::new(std::slice::from_ref(&figure), 100).colours(colours);
            let (image, _) = decoded(&gif).remove(0);
            let errors = figure.image().iter().zip(image.iter()).map(|(a, b)| a.abs_diff(*b));
            let mean = errors.clone().map(f64::from).sum::<f64>() / errors.len() as f64;
            assert!(mean < close, "{mean} on average with {colours} colours");
            assert!(errors.max() < Some(40));
            assert_eq!(image.get_pixel(5, 5).0, [255; 3]);
        }
    }

    #[test]
    fn halved_frames_keep_their_picture() {
        let frames = decoded(&Gif::new(&[square(2), square(3)], 50).halved());
        assert_eq!(frames[0].0.dimensions(), (20, 10));
        assert_eq!(frames[1].0.get_pixel(7, 3).0, [200, 30, 40]);
    }

    #[test]
    fn what_stays_costs_nothing() {
        let still = Gif::new(&vec![square(2); 30], 50).encode().len();
        let one = Gif::new(&[square(2)], 50).encode().len();
        assert!(still < one + 30 * 40, "30 equal frames: {still} bytes, one: {one}");
    }

    #[test]
    fn smaller_frames_stand_on_paper() {
        let small = Figure::new(RgbImage::new(10, 30), "");
        let frames = decoded(&Gif::new(&[square(0), small], 50));
        assert!(frames.iter().all(|frame| frame.0.dimensions() == (40, 30)));
        let shade = |x, y| frames[1].0.get_pixel(x, y).0[0];
        assert_eq!([shade(9, 29), shade(10, 0)], [0, 255]);
    }

    #[test]
    #[should_panic(expected = "at least one frame")]
    fn no_frames_are_no_gif() {
        Gif::new(&[], 50);
    }
}
