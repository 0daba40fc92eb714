//! What a picture of the captioned world shows: one or two objects on a background.
//!
//! Lengths are in sides of the picture, x to the right and y down. The bounding box of an object is
//! the square of [`Size::half`] around its centre, whatever its shape, so that relations are read off
//! boxes alone.

use super::super::stream;
use rand::Rng;
use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use std::fmt;

/// Between objects that do not touch, at least.
const GAP: f64 = 0.08;
/// Between an object and the border, at least: a pixel of 32.
const MARGIN: f64 = 1.0 / 32.0;
/// How far the centres of objects above or beside each other may be out of line, at most.
const OUT_OF_LINE: f64 = 0.1;
/// The same of objects on top of each other.
const OFF_BALANCE: f64 = 0.03;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    Circle,
    Square,
    Triangle,
    Star,
    Cross,
}

/// The colour of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Color {
    Red,
    Green,
    Blue,
    Yellow,
    Purple,
    Orange,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Size {
    Small,
    Large,
}

/// The colour behind the objects: duller than theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Background {
    Black,
    Gray,
    White,
    Pink,
    Beige,
    Brown,
}

/// Where the first object is, seen from the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    LeftOf,
    RightOf,
    /// With a gap.
    Above,
    /// With a gap.
    Below,
    /// Touching.
    OnTopOf,
}

impl Shape {
    pub const ALL: [Self; 5] =
        [Self::Circle, Self::Square, Self::Triangle, Self::Star, Self::Cross];
}

impl Color {
    pub const ALL: [Self; 6] =
        [Self::Red, Self::Green, Self::Blue, Self::Yellow, Self::Purple, Self::Orange];

    pub fn rgb(self) -> [u8; 3] {
        match self {
            Color::Red => [220, 20, 30],
            Color::Green => [20, 160, 50],
            Color::Blue => [30, 70, 230],
            Color::Yellow => [255, 240, 40],
            Color::Purple => [150, 40, 190],
            Color::Orange => [255, 130, 0],
        }
    }
}

impl Size {
    pub const ALL: [Self; 2] = [Self::Small, Self::Large];

    /// Half the side of the bounding box.
    pub fn half(self) -> f64 {
        match self {
            Size::Small => 0.125,
            Size::Large => 0.205,
        }
    }
}

impl Background {
    pub const ALL: [Self; 6] =
        [Self::Black, Self::Gray, Self::White, Self::Pink, Self::Beige, Self::Brown];

    pub fn rgb(self) -> [u8; 3] {
        match self {
            Background::Black => [0, 0, 0],
            Background::Gray => [128, 128, 128],
            Background::White => [255, 255, 255],
            Background::Pink => [255, 190, 205],
            Background::Beige => [222, 200, 160],
            Background::Brown => [90, 60, 40],
        }
    }
}

impl Relation {
    pub const ALL: [Self; 5] =
        [Self::LeftOf, Self::RightOf, Self::Above, Self::Below, Self::OnTopOf];

    /// Where `first` is, seen from `second`: along the axis on which their boxes are farther apart.
    /// `None` where their boxes overlap.
    pub fn between(first: &Object, second: &Object) -> Option<Self> {
        let reach = first.size.half() + second.size.half();
        let [right, down] = [0, 1].map(|axis| first.center[axis] - second.center[axis]);
        let gap = right.abs().max(down.abs()) - reach;
        match (right.abs() > down.abs(), gap > GAP / 2.0) {
            _ if gap < -GAP / 2.0 => None,
            (true, _) => Some(if right < 0.0 { Relation::LeftOf } else { Relation::RightOf }),
            (false, true) => Some(if down < 0.0 { Relation::Above } else { Relation::Below }),
            (false, false) => (down < 0.0).then_some(Relation::OnTopOf),
        }
    }

    /// The relation of the second object to the first, where there is a word for it.
    pub fn inverse(self) -> Option<Self> {
        match self {
            Relation::LeftOf => Some(Relation::RightOf),
            Relation::RightOf => Some(Relation::LeftOf),
            Relation::Above => Some(Relation::Below),
            Relation::Below => Some(Relation::Above),
            Relation::OnTopOf => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Object {
    pub shape: Shape,
    pub color: Color,
    pub size: Size,
    /// Of the bounding box, `[x, y]`.
    pub center: [f64; 2],
}

/// One or two objects, of different colours, on a background.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    pub background: Background,
    pub first: Object,
    /// The second object, and where the first one is, seen from it.
    pub second: Option<(Relation, Object)>,
}

/// Which scenes of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// To train on.
    Train,
    /// To test with: other scenes of compositions that training has seen.
    Test,
    /// To test with: scenes of compositions that training has never seen.
    HeldOut,
}

/// What training has seen of a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Composition {
    /// Every pair of a colour and a shape, and the relation of the shapes.
    Seen,
    /// An object has a shape in a colour in which it was never seen.
    NewPair,
    /// The shapes are where they were never seen, one from the other.
    NewRelation,
}

/// The shapes that have these colours in held-out scenes only.
const HELD_OUT_PAIRS: [(Color, Shape); 4] = [
    (Color::Yellow, Shape::Circle),
    (Color::Purple, Shape::Triangle),
    (Color::Orange, Shape::Star),
    (Color::Green, Shape::Cross),
];

/// The arrangements of shapes that occur in held-out scenes only, by whatever words.
const HELD_OUT_RELATIONS: [(Shape, Relation, Shape); 5] = [
    (Shape::Circle, Relation::LeftOf, Shape::Square),
    (Shape::Triangle, Relation::LeftOf, Shape::Star),
    (Shape::Star, Relation::Above, Shape::Circle),
    (Shape::Cross, Relation::Above, Shape::Triangle),
    (Shape::Square, Relation::OnTopOf, Shape::Cross),
];

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Part::Train => "train",
            Part::Test => "test",
            Part::HeldOut => "held-out",
        })
    }
}

impl Scene {
    /// Scene number `index` of an endless supply; it depends on the arguments alone.
    pub fn draw(seed: u64, index: u64, part: Part) -> Self {
        let purpose = match part {
            Part::Train => b"train sc",
            Part::Test => b"test sce",
            Part::HeldOut => b"held-out",
        };
        let mut rng = stream(seed, purpose, index);
        loop {
            let scene = Self::any(&mut rng);
            if (scene.composition() == Composition::Seen) == (part != Part::HeldOut) {
                return scene;
            }
        }
    }

    fn any(rng: &mut ChaCha12Rng) -> Self {
        let background = pick(rng, &Background::ALL);
        let first = Object::any(rng, &Color::ALL);
        if rng.random_bool(1.0 / 3.0) {
            let center = [0; 2].map(|_| within(rng, first.size.half()));
            return Self { background, first: Object { center, ..first }, second: None };
        }
        let others: Vec<Color> = Color::ALL.into_iter().filter(|c| *c != first.color).collect();
        let second = Object::any(rng, &others);
        let relation = pick(rng, &Relation::ALL);
        let (first, second) = placed(rng, first, relation, second);
        Self { background, first, second: Some((relation, second)) }
    }

    /// Its objects, the first one first.
    pub fn objects(&self) -> Vec<Object> {
        let second = self.second.map(|(_, object)| object);
        std::iter::once(self.first).chain(second).collect()
    }

    pub fn composition(&self) -> Composition {
        let held_out = |object: &Object| HELD_OUT_PAIRS.contains(&(object.color, object.shape));
        if self.objects().iter().any(held_out) {
            return Composition::NewPair;
        }
        let new = self.second.is_some_and(|(relation, second)| {
            let (a, b) = (self.first.shape, second.shape);
            let inverse = relation.inverse().map(|inverse| (b, inverse, a));
            HELD_OUT_RELATIONS.contains(&(a, relation, b))
                || inverse.is_some_and(|inverse| HELD_OUT_RELATIONS.contains(&inverse))
        });
        if new { Composition::NewRelation } else { Composition::Seen }
    }
}

impl Object {
    /// Of one of these colours, in no place yet.
    fn any(rng: &mut ChaCha12Rng, colors: &[Color]) -> Self {
        Self {
            shape: pick(rng, &Shape::ALL),
            color: pick(rng, colors),
            size: pick(rng, &Size::ALL),
            center: [0.5; 2],
        }
    }
}

/// Two objects where this relation holds, anywhere in the picture.
fn placed(
    rng: &mut ChaCha12Rng,
    mut first: Object,
    relation: Relation,
    mut second: Object,
) -> (Object, Object) {
    let along = match relation {
        Relation::LeftOf | Relation::RightOf => 0,
        Relation::Above | Relation::Below | Relation::OnTopOf => 1,
    };
    let (near, far) = match relation {
        Relation::RightOf | Relation::Below => (&mut second, &mut first),
        Relation::LeftOf | Relation::Above | Relation::OnTopOf => (&mut first, &mut second),
    };
    let halves = [near.size.half(), far.size.half()];
    let room = 1.0 - 2.0 * (MARGIN + halves[0] + halves[1]);
    let (gap, out_of_line) = match relation {
        Relation::OnTopOf => (0.0, OFF_BALANCE),
        _ => (rng.random_range(GAP..room), OUT_OF_LINE),
    };
    let start = MARGIN + rng.random_range(0.0..=room - gap);
    near.center[along] = start + halves[0];
    far.center[along] = start + 2.0 * halves[0] + gap + halves[1];
    let across = within(rng, halves[0].max(halves[1]));
    let shift = rng.random_range(-out_of_line..out_of_line);
    near.center[1 - along] = across;
    let bound = MARGIN + halves[1];
    far.center[1 - along] = (across + shift).clamp(bound, 1.0 - bound);
    (first, second)
}

/// A centre at which this half is within the margin.
fn within(rng: &mut ChaCha12Rng, half: f64) -> f64 {
    rng.random_range(MARGIN + half..1.0 - MARGIN - half)
}

/// One of these, all equally likely.
pub(super) fn pick<T: Copy>(rng: &mut impl Rng, choices: &[T]) -> T {
    choices[rng.random_range(0..choices.len() as u32) as usize]
}
