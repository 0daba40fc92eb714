//! Pictures that move.

use color_quant::NeuQuant;
use gif::{DisposalMethod, Encoder, Frame, Repeat};
use image::{Rgb, RgbImage, imageops};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::Path;

use super::figure::{Figure, PlotError, save};
use super::notebook;

/// The last entry of the palette means "as before".
const UNCHANGED: u8 = 255;
/// Colours that the palette keeps exactly, the most frequent first: paper and ink must not drift.
const EXACT: usize = 8;

/// Figures one after the other, for ever.
#[derive(Clone, Debug)]
pub struct Gif {
    frames: Vec<Figure>,
    delay: u32,
    hold: u32,
    colours: usize,
}

impl Gif {
    /// Shows every frame for `delay` milliseconds; a GIF counts in hundredths of a second and viewers want two.
    ///
    /// Frames of unequal size (a title that grows) stand at the top left of white paper as large as the largest.
    ///
    /// # Panics
    /// When there is no frame, or one of more than 65,535 pixels a side.
    pub fn new(frames: &[Figure], delay: u32) -> Self {
        let larger = |a: (u32, u32), b: (u32, u32)| (a.0.max(b.0), a.1.max(b.1));
        let size = frames.iter().map(Figure::size).reduce(larger);
        let (width, height) = size.expect("a GIF wants at least one frame");
        assert!(
            width.max(height) < 1 << 16,
            "a GIF holds 65,535 pixels a side, got {width} x {height}"
        );
        let on_paper = |frame: &Figure| {
            let mut paper = RgbImage::from_pixel(width, height, Rgb([255; 3]));
            imageops::replace(&mut paper, frame.image(), 0, 0);
            Figure::new(paper, frame.alt())
        };
        let frames = frames.iter().map(on_paper).collect();
        Self { frames, delay, hold: delay, colours: 32 }
    }

    /// Shows the last frame for `milliseconds` before it starts again.
    pub fn hold(mut self, milliseconds: u32) -> Self {
        self.hold = milliseconds;
        self
    }

    /// One pixel for a point of the page instead of two: less sharp, and a third of the bytes.
    pub fn halved(mut self) -> Self {
        for frame in &mut self.frames {
            let (width, height) = frame.size();
            let half = imageops::thumbnail(frame.image(), width.div_ceil(2), height.div_ceil(2));
            *frame = Figure::new(half, frame.alt());
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
        let alt = format!("{} ({} frames)", self.frames[0].alt(), self.frames.len());
        notebook::show("image/gif", &self.encode(), &alt);
    }

    /// The picture as the bytes of a GIF file: one palette, and of each frame only what changed.
    pub fn encode(&self) -> Vec<u8> {
        let colours = palette(&self.frames, self.colours);
        let mut table = colours.concat();
        table.resize(3 * 256, 255);
        let (width, height) = self.frames[0].size();
        let mut bytes = vec![];
        let mut encoder = Encoder::new(&mut bytes, width as u16, height as u16, &table)
            .expect("a palette of 256 colours always fits");
        encoder.set_repeat(Repeat::Infinite).expect("memory takes every byte");
        let mut places = HashMap::new();
        let mut before = vec![UNCHANGED; (width * height) as usize];
        for (index, figure) in self.frames.iter().enumerate() {
            let mut now = Vec::with_capacity(before.len());
            for (colour, length) in runs(figure.image()) {
                let place = places.entry(colour).or_insert_with(|| nearest(&colours, colour));
                now.resize(now.len() + length, *place);
            }
            let change = |(now, was): (&u8, &u8)| if now == was { UNCHANGED } else { *now };
            let last = index + 1 == self.frames.len();
            let frame = Frame {
                delay: (if last { self.hold } else { self.delay } / 10).max(2) as u16,
                dispose: DisposalMethod::Keep,
                width: width as u16,
                height: height as u16,
                transparent: Some(UNCHANGED),
                buffer: now.iter().zip(&before).map(change).collect(),
                ..Frame::default()
            };
            encoder.write_frame(&frame).expect("memory takes every byte");
            before = now;
        }
        drop(encoder);
        bytes
    }
}

/// At most `most` colours that come close to all of the frames'; all of them where they are few.
fn palette(frames: &[Figure], most: usize) -> Vec<[u8; 3]> {
    let mut counts: HashMap<[u8; 3], usize> = HashMap::new();
    for (colour, length) in frames.iter().flat_map(|frame| runs(frame.image())) {
        *counts.entry(colour).or_default() += length;
    }
    let mut colours: Vec<[u8; 3]> = counts.keys().copied().collect();
    colours.sort_by_key(|colour| (Reverse(counts[colour]), *colour));
    if colours.len() <= most {
        return colours;
    }
    if colours.iter().all(|[r, g, b]| r == g && g == b) {
        return (0..most).map(|level| [(level * 255 / (most - 1)) as u8; 3]).collect();
    }
    let sample: Vec<u8> = colours.iter().flat_map(|[r, g, b]| [*r, *g, *b, 255]).collect();
    let learned = NeuQuant::new(1, most - EXACT, &sample).color_map_rgb();
    [&colours[..EXACT], learned.as_chunks::<3>().0].concat()
}

/// The place in the palette of what comes closest to `colour`.
fn nearest(palette: &[[u8; 3]], colour: [u8; 3]) -> u8 {
    let distance = |known: &[u8; 3]| -> u32 {
        known.iter().zip(colour).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    (0..palette.len()).min_by_key(|place| distance(&palette[*place])).unwrap_or(0) as u8
}

/// Neighbours of one colour, row by row, and how many they are: one look-up serves them all.
fn runs(image: &RgbImage) -> impl Iterator<Item = ([u8; 3], usize)> + '_ {
    let pixels = image.as_raw().as_chunks::<3>().0;
    pixels.chunk_by(|a, b| a == b).map(|run| (run[0], run.len()))
}
