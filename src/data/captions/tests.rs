use super::words::Named;
use super::*;
use std::collections::{HashMap, HashSet};
use tch::Kind;

const PARTS: [Part; 3] = [Part::Train, Part::Test, Part::HeldOut];

fn many(part: Part, n: u64) -> impl Iterator<Item = (u64, Scene)> {
    (0..n).map(move |index| (index, Scene::draw(5, index, part)))
}

/// From the box of one object to that of the other, along an axis; negative where they overlap.
fn gap(a: &Object, b: &Object, axis: usize) -> f64 {
    (a.center[axis] - b.center[axis]).abs() - a.size.half() - b.size.half()
}

#[test]
fn a_scene_depends_on_seed_index_and_part_alone() {
    for part in PARTS {
        assert_eq!(Scene::draw(1, 7, part), Scene::draw(1, 7, part));
        assert_ne!(Scene::draw(1, 7, part), Scene::draw(1, 8, part));
        assert_ne!(Scene::draw(1, 7, part), Scene::draw(2, 7, part));
    }
    assert_ne!(Scene::draw(1, 7, Part::Train), Scene::draw(1, 7, Part::Test));
}

/// Networks were trained on these scenes: a change here must be deliberate.
#[test]
fn the_first_scenes_are_pinned() {
    let said = |index| Scene::draw(0, index, Part::Train).caption(0, index);
    assert_eq!(said(0), "a big yellow triangle against a beige background");
    assert_eq!(said(1), "a picture of a little green star resting on a yellow cross on beige");
    assert_eq!(said(14), "green triangle with blue triangle below it");
    assert_eq!(said(63), "a big red square below a little blue circle");
}

#[test]
fn scenes_are_what_their_words_say() {
    for (index, scene) in PARTS.into_iter().flat_map(|part| many(part, 3000)) {
        for object in scene.objects() {
            let half = object.size.half();
            for center in object.center {
                assert!(center - half > 0.03 && center + half < 0.97, "{index}: {scene:?}");
            }
        }
        let Some((relation, second)) = scene.second else { continue };
        let first = scene.first;
        assert_ne!(first.color, second.color);
        let [across, down] = [0, 1].map(|axis| first.center[axis] - second.center[axis]);
        let [beside, between] = [0, 1].map(|axis| gap(&first, &second, axis));
        let held = match relation {
            Relation::LeftOf => across < 0.0 && beside >= 0.08 && down.abs() <= 0.1,
            Relation::RightOf => across > 0.0 && beside >= 0.08 && down.abs() <= 0.1,
            Relation::Above => down < 0.0 && between >= 0.08 && across.abs() <= 0.1,
            Relation::Below => down > 0.0 && between >= 0.08 && across.abs() <= 0.1,
            Relation::OnTopOf => down < 0.0 && between.abs() < 1e-9 && across.abs() <= 0.03,
        };
        assert!(held, "{index}: {scene:?}");
    }
}

/// A single shape or colour has been seen: only what they are together with is new.
#[test]
fn held_out_compositions_are_new_and_made_of_what_is_known() {
    let mut seen: HashMap<(usize, usize), usize> = HashMap::new();
    for part in [Part::Train, Part::Test] {
        for (_, scene) in many(part, 3000) {
            assert_eq!(scene.composition(), Composition::Seen);
            for object in scene.objects() {
                *seen.entry((object.color as usize, object.shape as usize)).or_default() += 1;
            }
        }
    }
    assert_eq!(seen.len(), 26, "four of the thirty pairs are held out");
    for color in Color::ALL {
        assert!(seen.keys().filter(|(c, _)| *c == color as usize).count() >= 4, "{color:?}");
    }
    for shape in Shape::ALL {
        assert!(seen.keys().filter(|(_, s)| *s == shape as usize).count() >= 5, "{shape:?}");
    }
    let held_out: Vec<Scene> = many(Part::HeldOut, 3000).map(|(_, scene)| scene).collect();
    let count = |what| held_out.iter().filter(|scene| scene.composition() == what).count();
    let [old, pair, relation] =
        [Composition::Seen, Composition::NewPair, Composition::NewRelation].map(count);
    assert_eq!((old, pair + relation), (0, 3000));
    assert!(pair > 1000 && relation > 300, "{pair} new pairs, {relation} new relations");
    let words: HashSet<Relation> = held_out
        .iter()
        .filter(|scene| scene.composition() == Composition::NewRelation)
        .filter_map(|scene| scene.second.map(|(relation, _)| relation))
        .collect();
    assert_eq!(words.len(), 5, "a held-out relation is held out in both its wordings");
}

#[test]
fn a_picture_takes_the_colours_it_says() {
    let object =
        Object { shape: Shape::Square, color: Color::Red, size: Size::Large, center: [0.25, 0.75] };
    let scene = Scene { background: Background::Gray, first: object, second: None };
    let picture = scene.render(32);
    assert_eq!((picture.size(), picture.kind()), (vec![3, 32, 32], Kind::Uint8));
    let at = |row: i64, column: i64| {
        [0, 1, 2].map(|channel| picture.int64_value(&[channel, row, column]) as u8)
    };
    assert_eq!(at(24, 8), Color::Red.rgb());
    assert_eq!(at(4, 24), Background::Gray.rgb());
    // 8 - 6.56 = 1.44 pixels from the left: the second pixel is covered to 0.56 of its width.
    let edge = 0.56 * 220.0 + 0.44 * 128.0;
    assert!((f64::from(at(24, 1)[0]) - edge).abs() < 1.0, "{:?}", at(24, 1));
}

/// Of each shape, the painted area is that of its outline, by the formula for it.
#[test]
fn shapes_cover_their_areas() {
    let area = |shape| match shape {
        Shape::Circle => std::f64::consts::PI,
        Shape::Square => 4.0,
        Shape::Triangle => 2.0,
        // Ten triangles of sin 36 * 0.45 / 2 each, stretched from 2 sin 72 by 1 + cos 36 to 2 by 2.
        Shape::Star => {
            let [sin36, sin72] = [36f64, 72.0].map(|degrees| degrees.to_radians().sin());
            let cos36 = 36f64.to_radians().cos();
            10.0 * sin36 * 0.45 / 2.0 / sin72 * 2.0 / (1.0 + cos36)
        }
        Shape::Cross => 2.0 * 2.0 * 0.66 - 0.66 * 0.66,
    };
    for shape in Shape::ALL {
        for size in Size::ALL {
            let object = Object { shape, color: Color::Red, size, center: [0.5, 0.48] };
            let mut painted = 0.0;
            object.cover(64, |_, share| painted += share / 64.0 / 64.0);
            let expected = area(shape) * size.half() * size.half();
            assert!((painted / expected - 1.0).abs() < 0.03, "{shape:?}: {painted} {expected}");
        }
    }
}

#[test]
fn a_finer_picture_shows_the_same_scene() {
    for (index, scene) in many(Part::Train, 200) {
        let [coarse, fine] = [32, 64].map(|side| scene.render(side).to_kind(Kind::Float));
        let reduced = fine.unsqueeze(0).avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None);
        let off = (reduced.squeeze_dim(0) - coarse).abs();
        let (mean, worst) = (off.mean(Kind::Float).double_value(&[]), off.max().double_value(&[]));
        assert!(mean < 1.0 && worst < 110.0, "{index}: {mean} {worst}");
    }
}

#[test]
fn captions_are_read_back_as_the_facts_they_state() {
    let mut said = HashSet::new();
    for (index, scene) in PARTS.into_iter().flat_map(|part| many(part, 3000)) {
        let facts = scene.facts(5, index);
        let caption = facts.caption(5, index);
        assert_eq!(Facts::parse(&caption).unwrap(), facts, "{caption}");
        assert_eq!(Facts::parse(&facts.to_string()).unwrap(), facts, "{facts}");
        assert_eq!(caption, scene.caption(5, index));
        // What is stated is true.
        for (object, stated) in scene.objects().iter().zip(facts.objects()) {
            assert_eq!((object.shape, object.color), (stated.shape, stated.color));
            assert!(stated.size.is_none_or(|size| size == object.size), "{caption}");
        }
        assert_eq!(scene.objects().len(), facts.objects().len());
        assert!(facts.background.is_none_or(|background| background == scene.background));
        let relation = facts.second.and_then(|(relation, _)| relation);
        assert!(relation.is_none_or(|it| scene.second.is_some_and(|(real, _)| real == it)));
        said.insert(caption);
    }
    assert!(said.len() > 7000, "only {} different captions of 9000", said.len());
}

#[test]
fn captions_of_people_are_read() {
    let red = ObjectFacts { shape: Shape::Square, color: Color::Red, size: None };
    let blue = ObjectFacts { shape: Shape::Circle, color: Color::Blue, size: Some(Size::Small) };
    let facts = Facts {
        first: red,
        second: Some((Some(Relation::OnTopOf), blue)),
        background: Some(Background::Gray),
    };
    for caption in [
        "a red square on top of a small blue circle on a gray background",
        "A red square, on top of a little blue circle, on gray.",
        "red square resting on small blue circle against a gray background",
        "There is a small blue circle with a red square on top of it on a gray background!",
    ] {
        assert_eq!(Facts::parse(caption).unwrap(), facts, "{caption}");
    }
}

#[test]
fn other_captions_are_refused_with_what_was_expected() {
    for (caption, parts) in [
        ("", vec!["expected one of the colours red", "found its end"]),
        ("a red cat", vec!["one of the shapes circle", "after \"a red\"", "found \"cat\""]),
        ("a red square above", vec!["one of the colours", "found its end"]),
        ("a red square with a blue circle above", vec!["expected \"it\""]),
        ("a red square on a red background", vec!["one of the backgrounds black"]),
        ("a red square a blue circle", vec!["expected nothing more", "found \"a\""]),
        ("a red square above a red circle", vec!["no two objects have the same colour"]),
    ] {
        let message = Facts::parse(caption).unwrap_err().to_string();
        for part in parts.into_iter().chain([format!("{caption:?}").as_str()]) {
            assert!(message.contains(part), "{part} is not in: {message}");
        }
    }
}

#[test]
fn the_hard_negative_says_the_same_of_exchanged_objects() {
    let exchanged = |caption: &str| Facts::parse(caption).unwrap().exchanged();
    let negative = exchanged("a red square on top of a blue square").unwrap();
    assert_eq!(negative.to_string(), "a blue square on top of a red square");
    let negative = exchanged("small red star left of big blue cross on black").unwrap();
    let said = "a large blue cross left of a small red star on a black background";
    assert_eq!(negative.to_string(), said);
    assert_eq!(negative.exchanged().unwrap().exchanged(), Some(negative));
    assert_eq!(exchanged("a red square"), None);
    assert_eq!(exchanged("a red square and a blue star"), None);
    // In the same phrasing: the same words, in another order.
    for (index, scene) in many(Part::Train, 500) {
        let facts = scene.facts(5, index);
        let Some(negative) = facts.exchanged() else { continue };
        let sorted = |facts: &Facts| {
            let caption = facts.caption(5, index).replace("an ", "a ");
            let mut words: Vec<String> = caption.split(' ').map(String::from).collect();
            words.sort();
            words
        };
        assert_eq!(sorted(&facts), sorted(&negative));
        assert_ne!(facts.caption(5, index), negative.caption(5, index));
    }
}

/// Weights depend on these numbers: a word that is added comes last.
#[test]
fn the_vocabulary_is_pinned() {
    let numbers = Tensor::arange_start(2, Tokenizer::VOCABULARY, tch::kind::INT64_CPU);
    let words = Tokenizer::new().decode(&numbers.unsqueeze(0)).remove(0);
    let pinned = "circle square triangle star cross red green blue yellow purple orange small \
                  little large big black gray white pink beige brown left of to the right above \
                  below on top resting a an and with it against background there is picture";
    assert_eq!(words, pinned);
}

#[test]
fn captions_survive_the_tokenizer() {
    let tokenizer = Tokenizer::new();
    let captions: Vec<String> = PARTS
        .into_iter()
        .flat_map(|part| many(part, 2000))
        .map(|(index, scene)| scene.caption(5, index))
        .collect();
    let tokens = tokenizer.encode(&captions).unwrap();
    assert_eq!((tokens.size(), tokens.kind()), (vec![6000, Tokenizer::LENGTH], Kind::Int64));
    assert_eq!(tokenizer.decode(&tokens), captions);
    let longest = tokens.ne(Tokenizer::PAD).sum_dim_intlist(1, false, Kind::Int64).max();
    assert_eq!(longest.int64_value(&[]), 22, "tokens of the longest caption");
}

#[test]
fn the_empty_caption_is_its_end_and_letters_have_one_case() {
    let tokenizer = Tokenizer::new();
    let tokens = tokenizer.encode(&["", "A RED square!", "[END]"]);
    let message = tokens.unwrap_err().to_string();
    assert!(message.contains("\"end\" is no word"), "{message}");
    let tokens = tokenizer.encode(&["", "A RED square!"]).unwrap();
    let rows: Vec<Vec<i64>> = Vec::try_from(tokens.narrow(1, 0, 5)).unwrap();
    let [a, red, square] = [33, 7, 3];
    assert_eq!(rows, [[1, 0, 0, 0, 0], [a, red, square, 1, 0]]);
    assert_eq!(tokenizer.decode(&tokens), ["", "a red square"]);
}

#[test]
fn unknown_words_and_long_captions_are_refused_by_name() {
    for (caption, parts) in [
        ("a red cat", vec!["\"cat\"", "write one of the shapes circle, square"]),
        ("a cyan square", vec!["\"cyan\"", "one of the colours red, green"]),
        ("a tiny red square", vec!["\"tiny\"", "one of the sizes small, little"]),
        ("a red square on a teal background", vec!["\"teal\"", "one of the backgrounds black"]),
        ("a red square under a blue one", vec!["\"under\"", "shapes", "relations left of"]),
        (&"red ".repeat(24), vec!["24 words, of at most 23"]),
    ] {
        let message = Tokenizer::new().encode(&["", caption]).unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "{part} is not in: {message}");
        }
        assert!(!message.contains('\n'), "one sentence: {message}");
    }
}

#[test]
fn the_data_set_holds_pictures_with_their_captions() {
    let data = scenes(Part::HeldOut, 3, 40..60, 32);
    assert_eq!((data.len(), data.image_shape()), (20, [3, 32, 32]));
    assert_eq!(data.classes.len(), 30);
    assert_eq!(
        (data.classes[0].as_str(), data.classes[29].as_str()),
        ("red circle", "orange cross")
    );
    let captions = Tokenizer::new().decode(data.captions.as_ref().unwrap());
    for (row, index) in (40..60).enumerate() {
        let scene = Scene::draw(3, index, Part::HeldOut);
        assert_eq!(data.images.get(row as i64), scene.render(32));
        assert_eq!(captions[row], scene.caption(3, index));
        let class = &data.classes[data.labels.int64_value(&[row as i64]) as usize];
        assert_eq!(*class, [scene.first.color.name(), scene.first.shape.name()].join(" "));
    }
}

/// Read from pictures of every part: nothing but the place is off, and that by less than a pixel.
#[test]
fn the_reader_is_right_about_true_renders() {
    for (side, n) in [(32, 1000), (64, 50)] {
        let reader = Reader::new(side);
        for part in PARTS {
            let wrong: Vec<u64> = many(part, n)
                .filter(|(_, scene)| {
                    let read = reader.read(&scene.render(side));
                    !read.is_ok_and(|reading| agrees(&reading, scene, 1.0 / side as f64))
                })
                .map(|(index, _)| index)
                .collect();
            assert!(wrong.len() as f64 <= 0.001 * n as f64, "{part:?} at {side}: {wrong:?}");
        }
    }
}

fn agrees(reading: &Reading, scene: &Scene, near: f64) -> bool {
    let objects = scene.objects();
    let alike = |a: &Object, b: &Object| {
        let away = (a.center[0] - b.center[0]).hypot(a.center[1] - b.center[1]);
        (a.shape, a.color, a.size) == (b.shape, b.color, b.size) && away < near
    };
    let found = |object: &Object| reading.objects.iter().any(|it| alike(it, object));
    reading.background == scene.background
        && reading.objects.len() == objects.len()
        && objects.iter().all(found)
}

#[test]
fn a_relation_is_read_off_the_boxes() {
    for (index, scene) in PARTS.into_iter().flat_map(|part| many(part, 2000)) {
        let Some((relation, second)) = scene.second else { continue };
        let found = Relation::between(&scene.first, &second);
        assert_eq!(found, Some(relation), "{index}: {scene:?}");
        assert_eq!(Relation::between(&second, &scene.first), relation.inverse(), "{index}");
    }
    let (_, scene) = many(Part::Train, 1).next().unwrap();
    assert_eq!(Relation::between(&scene.first, &scene.first), None, "in the same place");
}

#[test]
fn what_shows_no_scene_is_unreadable() {
    let reader = Reader::new(32);
    let filled = |rgb: [u8; 3]| {
        let rgb = Tensor::from_slice(&rgb).view([3, 1, 1]);
        rgb.expand([3, 32, 32], false).contiguous()
    };
    let gray = Background::Gray.rgb();
    assert_eq!(reader.read(&filled(gray)), Err(Unreadable::Empty));
    assert_eq!(reader.read(&filled([0, 255, 255])), Err(Unreadable::Background));
    // A red bar across the picture is neither shape nor size.
    let bar = filled(gray);
    let red = Tensor::from_slice(&Color::Red.rgb()).view([3, 1, 1]);
    bar.narrow(1, 12, 6).narrow(2, 2, 28).copy_(&red.expand([3, 6, 28], false));
    assert_eq!(reader.read(&bar), Err(Unreadable::Shapeless(Color::Red)));
    tch::manual_seed(0);
    let noise = Tensor::randn([3, 32, 32], tch::kind::FLOAT_CPU);
    assert!(reader.read(&noise).is_err(), "noise has no objects");
}

#[test]
fn three_objects_are_three() {
    let object =
        |color, x| Object { shape: Shape::Circle, color, size: Size::Small, center: [x, 0.5] };
    let scene = Scene {
        background: Background::White,
        first: object(Color::Red, 0.2),
        second: Some((Relation::LeftOf, object(Color::Red, 0.8))),
    };
    let picture = scene.render(32);
    object(Color::Green, 0.5).cover(32, |at, share| {
        let (row, column) = (at as i64 / 32, at as i64 % 32);
        for (channel, value) in Color::Green.rgb().into_iter().enumerate() {
            let pixel = picture.get(channel as i64).get(row).get(column);
            let mixed = share * f64::from(value) + (1.0 - share) * pixel.double_value(&[]);
            let _ = pixel.shallow_clone().fill_(mixed.round());
        }
    });
    let reading = Reader::new(32).read(&picture).unwrap();
    assert_eq!(reading.objects.len(), 3, "two of one colour are two");
    // As f32 in [-1, 1], it shows the same.
    assert_eq!(Reader::new(32).read(&super::super::from_u8(&picture)).unwrap(), reading);
}
