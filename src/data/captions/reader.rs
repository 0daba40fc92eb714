//! What a picture shows, read by rule: no network has a say in how well networks draw.
//!
//! Every pixel is taken as a mixture of the background and one colour. Where a colour covers more than
//! half of connected pixels, there is an object, and of all shapes, sizes and places (to a quarter
//! of a pixel), it has those whose rendering is nearest.

use super::super::to_u8;
use super::scene::{Background, Color, Object, Scene, Shape, Size};
use super::words::Named;
use std::fmt;
use tch::{Kind, Tensor};

/// Places of a template within a pixel, along each axis.
const PHASES: i64 = 4;
/// How many quarter pixels around the centre of mass are tried, on each side.
const REACH: i64 = 2;
/// An object covers more of its pixels than this.
const COVERED: f64 = 0.5;
/// Pixels of an object whose four neighbours are its own, of a picture of 32 pixels a side, at
/// least: the mixed pixels between two objects are a row without any.
const CORE: f64 = 2.0;
/// Squared distance of an object from its nearest rendering, in squared norms of that, at most.
const MISFIT: f64 = 0.5;
/// Distance of the border's median from the nearest background, in pixel values, at most.
const STRANGE: f64 = 60.0;

/// What a picture shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub background: Background,
    /// One or more.
    pub objects: Vec<Object>,
}

/// Why a picture cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unreadable {
    /// Its border has no background's colour.
    Background,
    /// There is no object.
    Empty,
    /// An object of this colour has no shape.
    Shapeless(Color),
}

/// Reads pictures of one side.
#[derive(Debug)]
pub struct Reader {
    side: i64,
    /// Pixels a side of a template.
    window: i64,
    templates: Vec<Template>,
}

/// An object in the middle of a window of its own.
#[derive(Debug)]
struct Template {
    shape: Shape,
    size: Size,
    /// From the middle of the object to its centre of mass, in pixels, `[x, y]`.
    centroid: [f64; 2],
    /// How much it covers of each pixel, for each place within a pixel.
    cover: Vec<Vec<f64>>,
}

/// The pixels of one object.
struct Blob {
    color: Color,
    /// `[column, row]`
    pixels: Vec<[i64; 2]>,
}

impl Reader {
    /// In fewer pixels, small shapes are all alike.
    pub const LEAST_SIDE: i64 = 16;

    /// For pictures of this side.
    ///
    /// # Panics
    /// Below [`Reader::LEAST_SIDE`].
    pub fn new(side: i64) -> Self {
        assert!(side >= Self::LEAST_SIDE, "{side} pixels a side: too few to tell shapes");
        let window = 2 * ((Size::Large.half() * side as f64).ceil() as i64 + 2);
        let kinds = Size::ALL.into_iter().flat_map(|size| Shape::ALL.map(|shape| (shape, size)));
        let templates = kinds.map(|(shape, size)| Template::new(shape, size, side, window));
        Self { side, window, templates: templates.collect() }
    }

    /// What `picture` shows.
    ///
    /// # Shapes
    /// `picture: [3, side, side]`, u8, or f32 in `[-1, 1]`.
    ///
    /// # Panics
    /// On a picture of another shape.
    pub fn read(&self, picture: &Tensor) -> Result<Reading, Unreadable> {
        let shape = picture.size();
        assert_eq!(shape, [3, self.side, self.side], "a picture for this reader");
        let picture = match picture.kind() {
            Kind::Uint8 => picture.shallow_clone(),
            _ => to_u8(picture),
        };
        let flat = picture.permute([1, 2, 0]).flatten(0, -1); // [side * side * 3]
        let bytes: Vec<u8> = Vec::try_from(flat).expect("pixels");
        let pixels: Vec<[f64; 3]> =
            bytes.chunks(3).map(|rgb| [0, 1, 2].map(|channel| rgb[channel].into())).collect();
        let background = self.background(&pixels)?;
        let blobs = self.blobs(&pixels, background);
        if blobs.is_empty() {
            return Err(Unreadable::Empty);
        }
        let object = |at| self.object(&pixels, background, &blobs, at);
        let objects = (0..blobs.len()).map(object).collect::<Result<_, _>>()?;
        Ok(Reading { background, objects })
    }

    /// The background that is nearest to the median of the border.
    fn background(&self, pixels: &[[f64; 3]]) -> Result<Background, Unreadable> {
        let last = self.side - 1;
        let border = |at: &usize| {
            let (row, column) = (*at as i64 / self.side, *at as i64 % self.side);
            [row, column].iter().any(|&it| it == 0 || it == last)
        };
        let median = [0, 1, 2].map(|channel| {
            let mut values: Vec<f64> =
                (0..pixels.len()).filter(border).map(|at| pixels[at][channel]).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        });
        let away = |it: &Background| square(sub(it.rgb().map(f64::from), median));
        let nearest = Background::ALL.into_iter().min_by(|a, b| away(a).total_cmp(&away(b)));
        nearest.filter(|it| away(it).sqrt() <= STRANGE).ok_or(Unreadable::Background)
    }

    /// The connected pixels of one colour that are large enough to be objects.
    fn blobs(&self, pixels: &[[f64; 3]], background: Background) -> Vec<Blob> {
        let colors: Vec<Option<Color>> =
            pixels.iter().map(|it| covering(background, *it)).collect();
        let of = |[column, row]: [i64; 2]| {
            let inside = [column, row].iter().all(|it| (0..self.side).contains(it));
            inside.then(|| colors[(row * self.side + column) as usize]).flatten()
        };
        let mut seen = vec![false; pixels.len()];
        let mut blobs = Vec::new();
        for (start, color) in colors.iter().enumerate() {
            let Some(color) = *color else { continue };
            let mut found = Vec::new();
            let mut next = vec![[start as i64 % self.side, start as i64 / self.side]];
            while let Some([column, row]) = next.pop() {
                let own = of([column, row]) == Some(color);
                if !own || std::mem::replace(&mut seen[(row * self.side + column) as usize], true) {
                    continue;
                }
                found.push([column, row]);
                next.extend(square_of(1).map(|[right, down]| [column + right, row + down]));
            }
            let own = |[column, row]: &&[i64; 2]| {
                let near = [[0, 1], [0, -1], [1, 0], [-1, 0]];
                near.iter().all(|[right, down]| of([column + right, row + down]) == Some(color))
            };
            let core = found.iter().filter(own).count() as f64;
            if core >= CORE * (self.side as f64 / 32.0).powi(2) {
                blobs.push(Blob { color, pixels: found });
            }
        }
        blobs
    }

    /// The object whose rendering is nearest to a blob, leaving out the pixels of the others.
    fn object(
        &self,
        pixels: &[[f64; 3]],
        background: Background,
        blobs: &[Blob],
        at: usize,
    ) -> Result<Object, Unreadable> {
        let Blob { color, pixels: own } = &blobs[at];
        let centroid = [0, 1].map(|axis| {
            let sum: f64 = own.iter().map(|pixel| pixel[axis] as f64 + 0.5).sum();
            sum / own.len() as f64
        });
        let cover = self.framed(pixels.iter().map(|pixel| mixed(background, *color, *pixel).0));
        let mut others = vec![1.0; pixels.len()];
        for (_, blob) in blobs.iter().enumerate().filter(|(other, _)| *other != at) {
            blob.pixels.iter().for_each(|[column, row]| {
                others[(row * self.side + column) as usize] = 0.0;
            });
        }
        let weight = self.framed(others.into_iter());
        let (mut least, mut best) = (f64::INFINITY, None);
        for template in &self.templates {
            let middle = [0, 1].map(|axis| centroid[axis] - template.centroid[axis]);
            let quarters = middle.map(|place| (place * PHASES as f64).round() as i64);
            for shift in square_of(REACH) {
                let quarter = [0, 1].map(|axis| quarters[axis] + shift[axis]);
                let misfit = self.misfit(&cover, &weight, template, quarter, least);
                if misfit < least {
                    (least, best) = (misfit, Some((template, quarter)));
                }
            }
        }
        let (template, quarter) = best.expect("a blob lies in the picture");
        if least > MISFIT * template.cover[0].iter().map(|share| share * share).sum::<f64>() {
            return Err(Unreadable::Shapeless(*color));
        }
        let center = quarter.map(|it| it as f64 / (PHASES * self.side) as f64);
        Ok(Object { shape: template.shape, color: *color, size: template.size, center })
    }

    /// The picture's values with a frame of zeros, so that a window around any pixel is inside.
    fn framed(&self, values: impl Iterator<Item = f64>) -> Vec<f64> {
        let width = self.side + 2 * self.window;
        let mut framed = vec![0.0; (width * width) as usize];
        for (at, value) in values.enumerate() {
            let (row, column) = (at as i64 / self.side, at as i64 % self.side);
            framed[((row + self.window) * width + column + self.window) as usize] = value;
        }
        framed
    }

    /// The squared distance of a template at this place, in quarters of pixels, or any number that
    /// is not below `least`.
    fn misfit(
        &self,
        cover: &[f64],
        weight: &[f64],
        template: &Template,
        quarter: [i64; 2],
        least: f64,
    ) -> f64 {
        let (width, window) = ((self.side + 2 * self.window) as usize, self.window as usize);
        let phase = quarter.map(|it| it.rem_euclid(PHASES));
        let start = quarter.map(|it| it.div_euclid(PHASES) + self.window - self.window / 2);
        let expected = &template.cover[(phase[1] * PHASES + phase[0]) as usize];
        let mut misfit = 0.0;
        for (row, shares) in expected.chunks(window).enumerate() {
            let at = (start[1] as usize + row) * width + start[0] as usize;
            let found = cover[at..at + window].iter().zip(&weight[at..at + window]);
            let row = found.zip(shares).map(|((cover, weight), it)| weight * (cover - it).powi(2));
            misfit += row.sum::<f64>();
            if misfit >= least {
                break;
            }
        }
        misfit
    }
}

impl Template {
    fn new(shape: Shape, size: Size, side: i64, window: i64) -> Self {
        let covers = (0..PHASES * PHASES).map(|phase| {
            let place = |quarter: i64| window as f64 / 2.0 + quarter as f64 / PHASES as f64;
            let center = [phase % PHASES, phase / PHASES].map(|it| place(it) / side as f64);
            let object = Object { shape, color: Color::Red, size, center };
            let mut cover = vec![0.0; (window * window) as usize];
            object.cover(side as usize, |at, share| {
                let (row, column) = (at as i64 / side, at as i64 % side);
                cover[(row * window + column) as usize] = share;
            });
            cover
        });
        let cover: Vec<Vec<f64>> = covers.collect();
        let mass: f64 = cover[0].iter().sum();
        let moment = |place: &dyn Fn(i64) -> i64| {
            let at = |(at, share): (usize, &f64)| share * (place(at as i64) as f64 + 0.5);
            cover[0].iter().enumerate().map(at).sum::<f64>() / mass - window as f64 / 2.0
        };
        let centroid = [moment(&|at| at % window), moment(&|at| at / window)];
        Self { shape, size, centroid, cover }
    }
}

impl Reading {
    /// What a scene shows, as a reader without fault would read it.
    pub fn of(scene: &Scene) -> Self {
        Self { background: scene.background, objects: scene.objects() }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Unreadable::Background => f.write_str("its border has no background's colour"),
            Unreadable::Empty => f.write_str("it shows no object"),
            Unreadable::Shapeless(color) => {
                write!(f, "what is {} in it has no shape of this world", color.name())
            }
        }
    }
}

/// The colour that covers a pixel, if one covers more than half of it.
fn covering(background: Background, pixel: [f64; 3]) -> Option<Color> {
    let mixtures = Color::ALL.map(|color| (color, mixed(background, color, pixel)));
    let nearest = mixtures.into_iter().min_by(|(_, a), (_, b)| a.1.total_cmp(&b.1));
    nearest.filter(|(_, (share, _))| *share > COVERED).map(|(color, _)| color)
}

/// The share of `color` in the mixture with the background that is nearest to a pixel, and how far
/// away that is, squared. The share may be below 0 and above 1, the mixture not.
fn mixed(background: Background, color: Color, pixel: [f64; 3]) -> (f64, f64) {
    let from = background.rgb().map(f64::from);
    let (way, to) = (sub(color.rgb().map(f64::from), from), sub(pixel, from));
    let share = (0..3).map(|i| way[i] * to[i]).sum::<f64>() / square(way);
    let mixture = way.map(|it| share.clamp(0.0, 1.0) * it);
    (share, square(sub(to, mixture)))
}

/// `[x, y]` for all whole numbers from `-reach` to `reach`.
fn square_of(reach: i64) -> impl Iterator<Item = [i64; 2]> {
    (-reach..=reach).flat_map(move |y| (-reach..=reach).map(move |x| [x, y]))
}

fn sub(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [0, 1, 2].map(|i| a[i] - b[i])
}

fn square(a: [f64; 3]) -> f64 {
    a.iter().map(|x| x * x).sum()
}
