//! The data sets as a user meets them: by name, missing, of the wrong kind, and in full.

use std::path::Path;

use from_noise::data::captions::{Part, Scene, Tokenizer};
use from_noise::data::{
    Color, Dataset, Error, Format, Source, Split, data_dir, from_u8, mnist, sample,
};
use from_noise::nn::text_encoder::{Captions, TextConfig, TextTransformer};
use tch::{Device, Kind, Tensor, nn};

const DIGITS: Format = Format { color: Color::Gray, size: 28 };
const PHOTOS: Format = Format { color: Color::Rgb, size: 32 };

/// Mean and standard deviation of a channel, pixels in `[0, 1]`.
fn pixel_statistics(data: &Dataset, channel: i64) -> (f64, f64) {
    let x = data.images.select(1, channel).to_kind(Kind::Double) / 255.0;
    (x.mean(Kind::Double).double_value(&[]), x.std(false).double_value(&[]))
}

fn class_counts(data: &Dataset) -> Vec<i64> {
    Vec::try_from(data.labels.bincount::<&Tensor>(None, 10)).unwrap()
}

/// The data if it was downloaded; if not, the message must say how to get it.
fn downloaded(source: Source, split: Split, format: Format) -> Option<Dataset> {
    match source.load(split, format) {
        Ok(data) => Some(data),
        Err(error @ Error::Missing { .. }) => {
            let message = error.to_string();
            let command = format!("`cargo xtask data {source}`");
            for part in [command.as_str(), "FROM_NOISE_DATA", &data_dir().display().to_string()] {
                assert!(message.contains(part), "{part} is not in: {message}");
            }
            println!("not checked in full: {message}");
            None
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn mnist_has_its_published_statistics() {
    let Some(train) = downloaded(Source::Mnist, Split::Train, DIGITS) else { return };
    assert_eq!(train.images.size(), [60_000, 1, 28, 28]);
    // The normalisation that PyTorch's MNIST example uses.
    let (mean, std) = pixel_statistics(&train, 0);
    assert!((mean - 0.1307).abs() < 5e-5 && (std - 0.3081).abs() < 5e-5, "{mean} {std}");
    let counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949];
    assert_eq!(class_counts(&train), counts);
    let first: Vec<i64> = Vec::try_from(train.labels.narrow(0, 0, 5)).unwrap();
    assert_eq!(first, [5, 0, 4, 1, 9]);
    let (x0, _) = train.batch(&Tensor::from_slice(&[0i64, 59_999]), Device::Cpu);
    assert_eq!(x0.size(), [2, 1, 28, 28]);
    assert_eq!((x0.min().double_value(&[]), x0.max().double_value(&[])), (-1.0, 1.0));
    let test = Source::Mnist.load(Split::Test, DIGITS).unwrap();
    assert_eq!(test.images.size(), [10_000, 1, 28, 28]);
    assert_eq!(from_u8(&test.first(256).images), sample::digits(), "the digits of the repository");
}

#[test]
fn fashion_mnist_has_equal_classes() {
    let Some(train) = downloaded(Source::Fashion, Split::Train, DIGITS) else { return };
    assert_eq!(class_counts(&train), [6000; 10]);
    let (mean, std) = pixel_statistics(&train, 0);
    assert!((mean - 0.2860).abs() < 5e-5 && (std - 0.3530).abs() < 5e-5, "{mean} {std}");
    assert_eq!(train.classes[9], "Ankle boot");
    assert_eq!(train.labels.int64_value(&[0]), 9);
    let test = Source::Fashion.load(Split::Test, DIGITS).unwrap();
    assert_eq!(class_counts(&test), [1000; 10]);
}

#[test]
fn cifar10_has_equal_classes() {
    let Some(train) = downloaded(Source::Cifar10, Split::Train, PHOTOS) else { return };
    assert_eq!(train.images.size(), [50_000, 3, 32, 32]);
    assert_eq!(class_counts(&train), [5000; 10]);
    let test = Source::Cifar10.load(Split::Test, PHOTOS).unwrap();
    assert_eq!(class_counts(&test), [1000; 10]);
}

#[test]
fn a_data_set_of_another_format_is_refused() {
    let Some(_) = downloaded(Source::Mnist, Split::Test, DIGITS) else { return };
    let message = Source::Mnist.load(Split::Test, PHOTOS).unwrap_err().to_string();
    assert!(message.contains("[1, 28, 28]") && message.contains("[3, 32, 32]"), "{message}");
}

fn idx(sizes: &[u32], fill: u8) -> Vec<u8> {
    let mut file = vec![0, 0, 8, sizes.len() as u8];
    sizes.iter().for_each(|size| file.extend(size.to_be_bytes()));
    file.resize(file.len() + sizes.iter().product::<u32>() as usize, fill);
    file
}

#[test]
fn missing_and_short_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let message = |path: &Path| mnist::load(path, Split::Test).unwrap_err().to_string();

    let nothing = message(folder.path());
    let both = "t10k-images-idx3-ubyte[.gz], t10k-labels-idx1-ubyte[.gz] missing";
    assert!(nothing.contains(both), "{nothing}");

    put("t10k-images-idx3-ubyte", &idx(&[9_999, 28, 28], 0));
    let labels = message(folder.path());
    assert!(labels.contains(": t10k-labels-idx1-ubyte[.gz] missing"), "{labels}");

    put("t10k-labels-idx1-ubyte", &idx(&[10_000], 9));
    let short = message(folder.path());
    let said = "expected the shape [10000, 1, 28, 28], found the shape [9999, 1, 28, 28]";
    assert!(short.contains("t10k-images-idx3-ubyte") && short.contains(said), "{short}");

    put("t10k-images-idx3-ubyte", &idx(&[10_000, 28, 28], 0));
    assert_eq!(mnist::load(folder.path(), Split::Test).unwrap().len(), 10_000);

    put("t10k-labels-idx1-ubyte", &idx(&[10_001], 9));
    let long = message(folder.path());
    assert!(long.contains("expected the shape [10000], found the shape [10001]"), "{long}");
}

/// Every file that a loader asks for is one that the download provides.
#[test]
fn the_manifest_names_the_files_that_are_read() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/manifest.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let empty = tempfile::tempdir().unwrap();
    for split in [Split::Train, Split::Test] {
        let loads = [
            mnist::load(empty.path(), split),
            mnist::load_fashion(empty.path(), split),
            from_noise::data::cifar10::load(empty.path(), split),
        ];
        for load in loads {
            let Err(Error::Missing { name, files, .. }) = load else { panic!("{load:?}") };
            let section = manifest.split("[[set]]").find(|s| s.contains(&format!("\"{name}\"")));
            let section = section.unwrap_or_else(|| panic!("{name} is not in the manifest"));
            for file in files {
                let file = file.trim_end_matches("[.gz]");
                assert!(section.contains(&format!("name = \"{file}\"")), "{name}: {file}");
            }
        }
    }
}

/// The tokenizer pads and ends captions as the networks that read them expect.
#[test]
fn captions_are_tokens_that_a_text_encoder_reads() {
    assert_eq!((Tokenizer::PAD, Tokenizer::END), (Captions::PAD, Captions::END));
    let scenes = Source::Captions.load(Split::Test, PHOTOS).unwrap().first(100);
    let tokens = scenes.captions.unwrap();
    assert_eq!(tokens.size(), [100, Tokenizer::LENGTH]);
    let vs = nn::VarStore::new(Device::Cpu);
    let (vocabulary, length) = (Tokenizer::VOCABULARY, Tokenizer::LENGTH);
    let config = TextConfig { vocabulary, length, width: 8, layers: 1, heads: 1 };
    let encoded = TextTransformer::new(&vs.root(), &config).forward(&Captions::new(&tokens));
    assert_eq!(encoded.pooled.size(), [100, 8]);
}

#[test]
fn scenes_are_drawn_with_any_side_and_in_colour() {
    let message = Source::Captions.load(Split::Test, DIGITS).unwrap_err().to_string();
    assert!(message.contains("the images of captions are [3, 28, 28]"), "{message}");
    let fine = Source::Captions.load(Split::Test, Format { size: 64, ..PHOTOS }).unwrap();
    assert_eq!((fine.len(), fine.image_shape()), (10_000, [3, 64, 64]));
    let first = Scene::draw(0, 0, Part::Test);
    assert_eq!(fine.images.get(0), first.render(64));
    assert!(fine.first(1).caption_batch(&Tensor::from_slice(&[0i64])).is_some());
}
