//! What a caption states of a scene.

use super::super::stream;
use super::scene::{Background, Color, Object, Relation, Scene, Shape, Size};
use rand::RngExt;

/// What is stated of an object: any size fits where none is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObjectFacts {
    pub shape: Shape,
    pub color: Color,
    pub size: Option<Size>,
}

/// What a caption states: what it does not name is free.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Facts {
    pub first: ObjectFacts,
    /// The second object, if there are two, and where the first one is, seen from it.
    pub second: Option<(Option<Relation>, ObjectFacts)>,
    pub background: Option<Background>,
}

impl Scene {
    /// What the caption of scene number `index` states; the size of each object, the background and
    /// the relation are left out at times.
    pub fn facts(&self, seed: u64, index: u64) -> Facts {
        let mut rng = stream(seed, b"facts\0\0\0", index);
        let mut facts = Facts::of(self);
        facts.first.size = facts.first.size.filter(|_| rng.random_bool(0.5));
        if let Some((relation, second)) = &mut facts.second {
            second.size = second.size.filter(|_| rng.random_bool(0.5));
            *relation = relation.filter(|_| rng.random_bool(0.9));
        }
        facts.background = facts.background.filter(|_| rng.random_bool(0.5));
        facts
    }
}

impl Facts {
    /// All that can be stated of a scene.
    pub fn of(scene: &Scene) -> Self {
        let of = |Object { shape, color, size, .. }: Object| ObjectFacts {
            shape,
            color,
            size: Some(size),
        };
        Self {
            first: of(scene.first),
            second: scene.second.map(|(relation, second)| (Some(relation), of(second))),
            background: Some(scene.background),
        }
    }

    /// The objects that are named, the first one first.
    pub fn objects(&self) -> Vec<ObjectFacts> {
        let second = self.second.map(|(_, object)| object);
        std::iter::once(self.first).chain(second).collect()
    }

    /// The hard negative: the same words of other objects, the two exchanged. `None` where that
    /// would say the same, without two objects in a relation.
    pub fn exchanged(&self) -> Option<Self> {
        let (relation, second) = self.second?;
        relation?;
        Some(Self { first: second, second: Some((relation, self.first)), ..self.clone() })
    }
}
