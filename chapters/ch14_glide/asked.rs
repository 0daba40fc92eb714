//! What is asked for: captions of scenes that training has not seen.

use anyhow::Result;
use from_noise::data::captions::{Facts, Part, Scene};
use from_noise::evaluate::Prompts;
use serde::{Deserialize, Serialize};

/// Seed of the scenes and their captions.
const SEED: u64 = 0;

/// Captions, and what they state.
pub struct Asked {
    pub facts: Vec<Facts>,
    captions: Vec<String>,
    name: &'static str,
}

/// Which captions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// Other scenes of compositions that training has seen.
    Seen,
    /// Compositions that training has never seen.
    HeldOut,
    /// Two objects, seen, of which the caption says where one is from the other; the relation can
    /// be turned around.
    Relations,
}

impl Which {
    pub fn name(self) -> &'static str {
        match self {
            Which::Seen => "seen",
            Which::HeldOut => "held out",
            Which::Relations => "relations",
        }
    }
}

impl Asked {
    /// The first `n` captions of a kind.
    pub fn new(which: Which, n: u64) -> Self {
        let part = match which {
            Which::Seen | Which::Relations => Part::Test,
            Which::HeldOut => Part::HeldOut,
        };
        let stated = |index| (Scene::draw(SEED, index, part).facts(SEED, index), index);
        let fits =
            |(facts, _): &(Facts, u64)| which != Which::Relations || facts.exchanged().is_some();
        let found = (0..).map(stated).filter(fits).take(n as usize);
        let (mut all, mut captions) = (Vec::new(), Vec::new());
        for (facts, index) in found {
            captions.push(facts.caption(SEED, index));
            all.push(facts);
        }
        Self { facts: all, captions, name: which.name() }
    }

    pub fn prompts(&self) -> Result<Prompts> {
        let prompts = Prompts::new(&self.captions)?;
        Ok(Prompts { name: format!("{}: {}", self.name, prompts.name), ..prompts })
    }

    /// The same words of the objects exchanged: hard negatives.
    pub fn exchanged(&self) -> Result<Prompts> {
        let turned = |facts: &Facts| facts.exchanged().unwrap_or_else(|| facts.clone()).to_string();
        let captions: Vec<String> = self.facts.iter().map(turned).collect();
        let prompts = Prompts::new(&captions)?;
        Ok(Prompts { name: format!("the objects exchanged: {}", prompts.name), ..prompts })
    }
}
