//! Do pictures show what their captions state?

use crate::data::captions::{Facts, Object, ObjectFacts, Reader, Reading, Relation, Unreadable};
use std::fmt;
use tch::Tensor;

/// Which facts of a caption a picture shows; `None` where the caption states none of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// As many objects as stated.
    pub number: bool,
    /// Every stated object is there in its colour.
    pub color: bool,
    pub shape: bool,
    pub size: Option<bool>,
    pub relation: Option<bool>,
    pub background: Option<bool>,
}

impl Shown {
    /// What of `facts` a picture shows that was read like this; nothing, if it could not be read.
    ///
    /// A stated object is taken to be the one that is most like it, in colour before shape before
    /// size: of "a red square above a blue circle", a picture with the two exchanged shows all but
    /// the relation.
    pub fn of(read: &Result<Reading, Unreadable>, facts: &Facts) -> Self {
        let stated = facts.objects();
        let sized = stated.iter().any(|object| object.size.is_some());
        let relation = facts.second.and_then(|(relation, _)| relation);
        let nothing = Self {
            number: false,
            color: false,
            shape: false,
            size: sized.then_some(false),
            relation: relation.map(|_| false),
            background: facts.background.map(|_| false),
        };
        let Ok(reading) = read else { return nothing };
        let shown = taken(&reading.objects, stated.len()).map(|taken| {
            let right = |fits: fn(ObjectFacts, Object) -> bool| {
                let pairs = stated.iter().zip(&taken);
                pairs.filter(|(stated, taken)| taken.is_some_and(|it| fits(**stated, it))).count()
            };
            let color = right(|stated, taken| stated.color == taken.color);
            let shape = right(|stated, taken| stated.shape == taken.shape);
            let size = right(|stated, taken| stated.size.is_none_or(|size| size == taken.size));
            let relation = relation.map(|relation| match taken[..] {
                [Some(first), Some(second)] => Relation::between(&first, &second) == Some(relation),
                _ => false,
            });
            let shown = Self {
                number: reading.objects.len() == stated.len(),
                color: color == stated.len(),
                shape: shape == stated.len(),
                size: sized.then_some(size == stated.len()),
                relation,
                background: facts.background.map(|it| it == reading.background),
            };
            ((color, shape, size, relation), shown)
        });
        shown.max_by_key(|(likeness, _)| *likeness).map_or(nothing, |(_, shown)| shown)
    }

    /// Whether the picture shows all that is stated, and as many objects.
    pub fn all(&self) -> bool {
        let stated = [self.size, self.relation, self.background];
        self.number && self.color && self.shape && !stated.contains(&Some(false))
    }
}

/// Every way to take `n` of these objects, one or two, in an order; `None` where there are not
/// enough.
fn taken(objects: &[Object], n: usize) -> impl Iterator<Item = Vec<Option<Object>>> {
    let places = objects.len().max(n);
    let at = |place: usize| objects.get(place).copied();
    (0..places).flat_map(move |first| {
        let rest = (0..places).filter(move |second| (n == 1) == (*second == first));
        rest.map(move |second| [first, second][..n].iter().map(|place| at(*place)).collect())
    })
}

/// How many pictures show what is stated, of those whose captions state it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    pub right: u64,
    pub of: u64,
}

impl Share {
    fn count(&mut self, right: Option<bool>) {
        self.right += u64::from(right == Some(true));
        self.of += u64::from(right.is_some());
    }

    /// Between 0 and 1; not a number where nothing was stated.
    pub fn rate(self) -> f64 {
        self.right as f64 / self.of as f64
    }
}

/// How well pictures agree with their captions, by rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Alignment {
    pub number: Share,
    pub color: Share,
    pub shape: Share,
    pub size: Share,
    pub relation: Share,
    pub background: Share,
    /// All that is stated.
    pub all: Share,
    /// Pictures that no rule can read, of all; they show nothing that is stated.
    pub unreadable: Share,
}

impl Alignment {
    /// One more picture, by how it was read and what its caption states.
    pub fn count(&mut self, read: &Result<Reading, Unreadable>, facts: &Facts) {
        let shown = Shown::of(read, facts);
        self.number.count(Some(shown.number));
        self.color.count(Some(shown.color));
        self.shape.count(Some(shown.shape));
        self.size.count(shown.size);
        self.relation.count(shown.relation);
        self.background.count(shown.background);
        self.all.count(Some(shown.all()));
        self.unreadable.count(Some(read.is_err()));
    }

    /// Each share with its name.
    pub fn shares(&self) -> [(&'static str, Share); 8] {
        [
            ("all", self.all),
            ("number", self.number),
            ("color", self.color),
            ("shape", self.shape),
            ("size", self.size),
            ("relation", self.relation),
            ("background", self.background),
            ("unreadable", self.unreadable),
        ]
    }
}

/// Every share with the number of pictures behind it, where that is not all of them.
impl fmt::Display for Alignment {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "alignment {:.6}", self.all.rate())?;
        for (name, share) in &self.shares()[1..] {
            match share.of {
                0 => continue,
                of if of == self.all.of => write!(f, ", {name} {:.6}", share.rate())?,
                of => write!(f, ", {name} {:.6} of {of}", share.rate())?,
            }
        }
        Ok(())
    }
}

/// How well `images` agree with the captions that state `facts`.
///
/// # Shapes
/// `images: [N, 3, side, side]`, u8, or f32 in `[-1, 1]`; as many facts.
///
/// # Panics
/// On another shape.
pub fn alignment(images: &Tensor, facts: &[Facts]) -> Alignment {
    let (n, _, side, _) = images.size4().expect("images are [N, 3, side, side]");
    assert_eq!(n as usize, facts.len(), "images and facts differ in N");
    let reader = Reader::new(side);
    let mut alignment = Alignment::default();
    for (row, facts) in (0..n).zip(facts) {
        alignment.count(&reader.read(&images.get(row)), facts);
    }
    alignment
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::captions::{Background, Color, Part, Scene, Shape, Size};

    /// What a reader without fault reads.
    fn read(scene: &Scene) -> Result<Reading, Unreadable> {
        Ok(Reading { background: scene.background, objects: scene.objects() })
    }

    fn pairs() -> impl Iterator<Item = (u64, Scene)> {
        let scenes = (0..1000).map(|index| (index, Scene::draw(9, index, Part::Test)));
        scenes.filter(|(_, scene)| scene.second.is_some())
    }

    #[test]
    fn a_scene_shows_what_its_caption_states() {
        for part in [Part::Train, Part::Test, Part::HeldOut] {
            for index in 0..1000 {
                let scene = Scene::draw(9, index, part);
                for facts in [scene.facts(9, index), Facts::of(&scene)] {
                    let shown = Shown::of(&read(&scene), &facts);
                    assert!(shown.all(), "{facts}: {shown:?}");
                    assert_eq!(shown.background.is_some(), facts.background.is_some());
                }
            }
        }
    }

    /// One fact is changed: this one is not shown, and all others are.
    #[test]
    fn each_fact_is_looked_at_by_itself() {
        for (_, scene) in pairs() {
            let facts = Facts::of(&scene);
            let shown = Shown::of(&read(&scene), &facts);
            let with = |change: &dyn Fn(&mut Facts)| {
                let mut facts = facts.clone();
                change(&mut facts);
                Shown::of(&read(&scene), &facts)
            };
            let (_, second) = facts.second.unwrap();
            let used = [facts.first.color, second.color];
            let other = Color::ALL.into_iter().find(|color| !used.contains(color)).unwrap();
            assert_eq!(with(&|it| it.first.color = other), Shown { color: false, ..shown });
            let shape = if facts.first.shape == Shape::Star { Shape::Cross } else { Shape::Star };
            assert_eq!(with(&|it| it.first.shape = shape), Shown { shape: false, ..shown });
            let size = Size::ALL.into_iter().find(|size| Some(*size) != facts.first.size);
            assert_eq!(with(&|it| it.first.size = size), Shown { size: Some(false), ..shown });
            let ground = Background::ALL.into_iter().find(|it| *it != scene.background);
            let wrong = Shown { background: Some(false), ..shown };
            assert_eq!(with(&|it| it.background = ground), wrong);
            // The hard negative exchanges the objects: nothing but the relation is wrong.
            let negative = facts.exchanged().unwrap();
            let wrong = Shown { relation: Some(false), ..shown };
            assert_eq!(Shown::of(&read(&scene), &negative), wrong, "{negative}");
            let alone = with(&|it| it.second = None);
            assert_eq!(alone, Shown { number: false, relation: None, ..shown });
        }
    }

    #[test]
    fn an_object_that_is_missing_and_one_too_many_are_wrong() {
        for (_, scene) in pairs() {
            let (facts, mut reading) = (Facts::of(&scene), read(&scene).unwrap());
            let third = Object { color: Color::Red, ..reading.objects[0] };
            reading.objects.push(third);
            let shown = Shown::of(&Ok(reading.clone()), &facts);
            assert!(!shown.number && shown.color && shown.shape && !shown.all(), "{shown:?}");
            reading.objects.truncate(1);
            let shown = Shown::of(&Ok(reading), &facts);
            let wrong = [shown.number, shown.color, shown.shape].contains(&true);
            assert!(!wrong && shown.relation == Some(false), "{shown:?}");
            let unread = Shown::of(&Err(Unreadable::Empty), &facts);
            let background = Some(false);
            assert_eq!(unread, Shown { background, ..shown });
        }
    }

    #[test]
    fn shares_count_what_is_stated() {
        let scenes: Vec<(u64, Scene)> =
            (0..200).map(|index| (index, Scene::draw(9, index, Part::Test))).collect();
        let mut images: Vec<Tensor> = scenes.iter().map(|(_, scene)| scene.render(32)).collect();
        let mut facts: Vec<Facts> =
            scenes.iter().map(|(index, scene)| scene.facts(9, *index)).collect();
        images.push(images[0].zeros_like());
        let images = Tensor::stack(&images, 0);
        facts.push(Facts::parse("a red square on a black background").unwrap());
        let found = alignment(&images, &facts);
        assert_eq!(found.all, Share { right: 200, of: 201 });
        assert_eq!(found.unreadable, Share { right: 1, of: 201 });
        let stated = facts.iter().filter(|it| it.background.is_some()).count() as u64;
        assert_eq!(found.background, Share { right: stated - 1, of: stated });
        let related = facts.iter().filter(|it| it.exchanged().is_some()).count() as u64;
        assert_eq!(found.relation, Share { right: related, of: related });
        assert!(related > 80 && stated < 150, "{related} {stated}");
        assert_eq!(Share { right: 3, of: 4 }.rate(), 0.75);
    }
}
