//! Facts as sentences, and sentences as facts.

use super::super::error::Error;
use super::super::stream;
use super::facts::{Facts, ObjectFacts};
use super::scene::{Background, Relation, Scene};
use super::tokenizer::words;
use super::words::{Named, joined, listed};
use rand::RngExt;
use std::fmt;

/// How a caption may open.
const OPENINGS: [&str; 3] = ["", "there is", "a picture of"];
/// What may be written around a background.
const BEHIND: [[&str; 2]; 3] = [["on a", "background"], ["against a", "background"], ["on", ""]];

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
