//! What captions call things.

use super::scene::{Background, Color, Relation, Shape, Size};

/// What captions have words for: whatever can be said in several ways.
pub(super) trait Named: Copy + 'static {
    /// What these are, many of them.
    const KIND: &'static str;
    const ALL: &'static [Self];

    /// The ways to say it; the first one is used where there is no choice.
    fn words(self) -> &'static [&'static str];

    fn name(self) -> &'static str {
        self.words()[0]
    }
}

impl Named for Shape {
    const KIND: &'static str = "shapes";
    const ALL: &'static [Self] = &Shape::ALL;

    fn words(self) -> &'static [&'static str] {
        match self {
            Shape::Circle => &["circle"],
            Shape::Square => &["square"],
            Shape::Triangle => &["triangle"],
            Shape::Star => &["star"],
            Shape::Cross => &["cross"],
        }
    }
}

impl Named for Color {
    const KIND: &'static str = "colours";
    const ALL: &'static [Self] = &Color::ALL;

    fn words(self) -> &'static [&'static str] {
        match self {
            Color::Red => &["red"],
            Color::Green => &["green"],
            Color::Blue => &["blue"],
            Color::Yellow => &["yellow"],
            Color::Purple => &["purple"],
            Color::Orange => &["orange"],
        }
    }
}

impl Named for Size {
    const KIND: &'static str = "sizes";
    const ALL: &'static [Self] = &Size::ALL;

    fn words(self) -> &'static [&'static str] {
        match self {
            Size::Small => &["small", "little"],
            Size::Large => &["large", "big"],
        }
    }
}

impl Named for Background {
    const KIND: &'static str = "backgrounds";
    const ALL: &'static [Self] = &Background::ALL;

    fn words(self) -> &'static [&'static str] {
        match self {
            Background::Black => &["black"],
            Background::Gray => &["gray"],
            Background::White => &["white"],
            Background::Pink => &["pink"],
            Background::Beige => &["beige"],
            Background::Brown => &["brown"],
        }
    }
}

impl Named for Relation {
    const KIND: &'static str = "relations";
    const ALL: &'static [Self] = &Relation::ALL;

    fn words(self) -> &'static [&'static str] {
        match self {
            Relation::LeftOf => &["left of", "to the left of"],
            Relation::RightOf => &["right of", "to the right of"],
            Relation::Above => &["above"],
            Relation::Below => &["below"],
            Relation::OnTopOf => &["on top of", "resting on"],
        }
    }
}

/// The words of the phrasings themselves.
pub(super) const FUNCTION_WORDS: [&str; 13] = [
    "a",
    "an",
    "and",
    "with",
    "it",
    "on",
    "against",
    "background",
    "there",
    "is",
    "picture",
    "of",
    "the",
];

pub(super) fn joined(words: &[&str]) -> String {
    let said: Vec<&str> = words.iter().copied().filter(|word| !word.is_empty()).collect();
    said.join(" ")
}

/// "one of the colours red, green, ..."
pub(super) fn listed<T: Named>() -> String {
    let words: Vec<&str> = T::ALL.iter().flat_map(|it| it.words()).copied().collect();
    format!("one of the {} {}", T::KIND, words.join(", "))
}
