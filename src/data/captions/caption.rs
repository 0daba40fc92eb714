//! Facts as sentences, and sentences as facts.

use super::super::error::Error;
use super::super::stream;
use super::facts::{Facts, ObjectFacts};
use super::scene::{Background, Color, Relation, Scene, Shape, Size};
use super::tokenizer::words;
use rand::RngExt;
use std::fmt;

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

/// How a caption may open.
const OPENINGS: [&str; 3] = ["", "there is", "a picture of"];
/// What may be written around a background.
const BEHIND: [[&str; 2]; 3] = [["on a", "background"], ["against a", "background"], ["on", ""]];

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

/// One way to say facts.
#[derive(Debug, Clone, Copy)]
struct Phrasing {
    opening: &'static str,
    /// "a red square", not "red square".
    articles: bool,
    /// Which of the words of a size or a relation, counted around.
    synonym: usize,
    /// "B with A above it", not "A above B".
    second_first: bool,
    behind: [&'static str; 2],
}

impl Phrasing {
    const PLAIN: Self = Self {
        opening: OPENINGS[0],
        articles: true,
        synonym: 0,
        second_first: false,
        behind: BEHIND[0],
    };

    fn draw(seed: u64, index: u64) -> Self {
        let mut rng = stream(seed, b"caption\0", index);
        let articles = rng.random_bool(0.8);
        let opening = OPENINGS[rng.random_range(0..3u32) as usize];
        Self {
            opening: if articles { opening } else { "" },
            articles,
            synonym: rng.random_range(0..2u32) as usize,
            second_first: rng.random_bool(0.25),
            behind: BEHIND[rng.random_range(0..3u32) as usize],
        }
    }

    fn word(&self, of: impl Named) -> &'static str {
        let words = of.words();
        words[self.synonym % words.len()]
    }

    fn object(&self, object: ObjectFacts) -> String {
        let size = object.size.map_or("", |size| self.word(size));
        let thing = joined(&[size, self.word(object.color), self.word(object.shape)]);
        let vowel = thing.starts_with(['a', 'e', 'i', 'o', 'u']);
        match (self.articles, vowel) {
            (false, _) => thing,
            (true, false) => format!("a {thing}"),
            (true, true) => format!("an {thing}"),
        }
    }

    fn say(&self, facts: &Facts) -> String {
        let first = self.object(facts.first);
        let objects = match facts.second {
            None => first,
            Some((relation, second)) => match (relation, self.object(second)) {
                (None, second) => format!("{first} and {second}"),
                (Some(relation), second) if self.second_first => {
                    format!("{second} with {first} {} it", self.word(relation))
                }
                (Some(relation), second) => format!("{first} {} {second}", self.word(relation)),
            },
        };
        let [before, after] = self.behind;
        let background = facts.background.map(|it| joined(&[before, self.word(it), after]));
        joined(&[self.opening, &objects, &background.unwrap_or_default()])
    }
}

pub(super) fn joined(words: &[&str]) -> String {
    let said: Vec<&str> = words.iter().copied().filter(|word| !word.is_empty()).collect();
    said.join(" ")
}

impl Scene {
    /// The caption of scene number `index`: its [`facts`](Self::facts) in one of the phrasings.
    pub fn caption(&self, seed: u64, index: u64) -> String {
        self.facts(seed, index).caption(seed, index)
    }
}

impl Facts {
    /// These facts in the phrasing of caption number `index`: the same one for other facts.
    pub fn caption(&self, seed: u64, index: u64) -> String {
        Phrasing::draw(seed, index).say(self)
    }

    /// What a caption states, in any of the phrasings.
    ///
    /// # Errors
    /// A caption that says something else, with what was expected where.
    pub fn parse(caption: &str) -> Result<Self, Error> {
        let unread = |why| Error::Caption { caption: caption.into(), why };
        Words::new(caption).facts().map_err(unread)
    }
}

/// The plain phrasing: "a red square on top of a blue square on a gray background".
impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&Phrasing::PLAIN.say(self))
    }
}

/// A caption that is read from left to right.
struct Words {
    words: Vec<String>,
    at: usize,
}

impl Words {
    fn new(caption: &str) -> Self {
        Self { words: words(caption), at: 0 }
    }

    fn facts(&mut self) -> Result<Facts, String> {
        let _ = OPENINGS[1..].iter().any(|opening| self.take(opening));
        let mut first = self.object()?;
        let second = if self.take("and") {
            Some((None, self.object()?))
        } else if self.take("with") {
            let second = std::mem::replace(&mut first, self.object()?);
            let relation = self.one::<Relation>()?;
            self.must("it")?;
            Some((Some(relation), second))
        } else if let Some(relation) = self.any::<Relation>() {
            Some((Some(relation), self.object()?))
        } else {
            None
        };
        let background = if self.take("on") || self.take("against") {
            self.take("a");
            let background = self.one::<Background>()?;
            self.take("background");
            Some(background)
        } else {
            None
        };
        if self.at < self.words.len() {
            return Err(self.expected("nothing more"));
        }
        match second {
            Some((_, second)) if second.color == first.color => {
                Err("no two objects have the same colour".into())
            }
            _ => Ok(Facts { first, second, background }),
        }
    }

    fn object(&mut self) -> Result<ObjectFacts, String> {
        let _ = self.take("a") || self.take("an");
        let size = self.any();
        Ok(ObjectFacts { size, color: self.one()?, shape: self.one()? })
    }

    /// Goes on behind a phrase, if it is next.
    fn take(&mut self, phrase: &str) -> bool {
        let end = self.at + phrase.split(' ').count();
        let next = self.words.get(self.at..end);
        let found = next.is_some_and(|next| next.iter().eq(phrase.split(' ')));
        if found {
            self.at = end;
        }
        found
    }

    fn must(&mut self, phrase: &str) -> Result<(), String> {
        if self.take(phrase) { Ok(()) } else { Err(self.expected(&format!("{phrase:?}"))) }
    }

    fn any<T: Named>(&mut self) -> Option<T> {
        T::ALL.iter().copied().find(|it| it.words().iter().any(|words| self.take(words)))
    }

    fn one<T: Named>(&mut self) -> Result<T, String> {
        self.any().ok_or_else(|| self.expected(&listed::<T>()))
    }

    fn expected(&self, what: &str) -> String {
        let found = self.words.get(self.at).map_or("its end".into(), |word| format!("{word:?}"));
        match &self.words[..self.at] {
            [] => format!("expected {what}, found {found}"),
            read => format!("expected {what} after {:?}, found {found}", read.join(" ")),
        }
    }
}

/// "one of the colours red, green, ..."
pub(super) fn listed<T: Named>() -> String {
    let words: Vec<&str> = T::ALL.iter().flat_map(|it| it.words()).copied().collect();
    format!("one of the {} {}", T::KIND, words.join(", "))
}
