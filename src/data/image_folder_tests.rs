use super::*;
use crate::data::picture::LARGEST_FILE;
use crate::data::{Color, stream};
use image::{GrayImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use rand::Rng;
use std::io::Cursor;
use tempfile::TempDir;

const GRAY: Format = Format { color: Color::Gray, size: 8 };
const RGB: Format = Format { color: Color::Rgb, size: 8 };

/// A folder with the classes `cats` (two pictures) and `dogs` (one), all of 8 x 8 pixels.
fn pets() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for class in ["dogs", "cats"] {
        fs::create_dir(folder.path().join(class)).unwrap();
    }
    gradient(7).save(folder.path().join("dogs/rex.png")).unwrap();
    gradient(5).save(folder.path().join("cats/b.png")).unwrap();
    gradient(3).save(folder.path().join("cats/a.PNG")).unwrap();
    fs::write(folder.path().join("README"), "whose cats").unwrap();
    fs::write(folder.path().join("cats/.thumbs"), "hidden").unwrap();
    folder
}

/// Red counts columns, green rows, blue is `mark`.
fn gradient(mark: u8) -> RgbImage {
    RgbImage::from_fn(8, 8, |x, y| Rgb([x as u8, 10 * y as u8, mark]))
}

/// The pictures, none of which may be bad.
fn load(folder: &Path, format: Format) -> Result<Dataset> {
    super::load(folder, format, BadPictures::Refuse).map(|(data, _)| data)
}

fn error(folder: &TempDir) -> String {
    load(folder.path(), RGB).unwrap_err().to_string()
}

#[test]
fn classes_come_in_the_order_of_their_names_and_pictures_of_all_classes_in_turn() {
    let data = load(pets().path(), RGB).unwrap();
    assert_eq!(data.classes, ["cats", "dogs"]);
    assert_eq!(data.labels, Tensor::from_slice(&[0i64, 1, 0]));
    assert_eq!(data.images.size(), [3, 3, 8, 8]);
    let blue: Vec<u8> = Vec::try_from(data.images.select(1, 2).select(1, 0).select(1, 0)).unwrap();
    assert_eq!(blue, [3, 7, 5]); // cats/a, dogs/rex, cats/b
}

#[test]
fn pixels_of_the_right_size_are_untouched_and_planes_are_separate() {
    let data = load(pets().path(), RGB).unwrap();
    for (y, x) in [(0, 0), (2, 5), (7, 1)] {
        assert_eq!(data.images.int64_value(&[1, 0, y, x]), x, "red");
        assert_eq!(data.images.int64_value(&[1, 1, y, x]), 10 * y, "green");
    }
}

#[test]
fn a_wide_picture_is_cropped_to_its_centre() {
    let folder = pets();
    let thirds = |x: u32| [40u8, 120, 200][(x / 16) as usize];
    let wide = GrayImage::from_fn(48, 16, |x, _| image::Luma([thirds(x)]));
    wide.save(folder.path().join("dogs/rex.png")).unwrap();
    let rex = load(folder.path(), GRAY).unwrap().images.get(1);
    assert_eq!(rex.size(), [1, 8, 8]);
    let inside = rex.narrow(2, 2, 4); // the filter mixes the borders with their neighbours
    assert_eq!((inside.min().int64_value(&[]), inside.max().int64_value(&[])), (120, 120));
}

#[test]
fn transparency_lies_on_white() {
    let folder = pets();
    let glass = RgbaImage::from_pixel(8, 8, Rgba([0, 100, 200, 51])); // a fifth opaque
    glass.save(folder.path().join("dogs/rex.png")).unwrap();
    let rex = load(folder.path(), RGB).unwrap().images.get(1);
    for (channel, expected) in [204, 224, 244].into_iter().enumerate() {
        assert_eq!(rex.int64_value(&[channel as i64, 4, 4]), expected);
    }
}

#[test]
fn a_jpeg_is_read_and_a_wrong_extension_does_not_matter() {
    let folder = pets();
    let flat = RgbImage::from_pixel(8, 8, Rgb([200, 200, 200]));
    flat.save_with_format(folder.path().join("dogs/rex.png"), ImageFormat::Jpeg).unwrap();
    let rex = load(folder.path(), GRAY).unwrap().images.get(1);
    assert!((rex.int64_value(&[0, 4, 4]) - 200).abs() <= 1);
}

/// Orientation 6: the camera was held so that the picture must be turned a quarter clockwise.
#[test]
fn a_picture_is_turned_upright() {
    let folder = pets();
    let mut bytes = Cursor::new(Vec::new());
    let left_dark = GrayImage::from_fn(8, 8, |x, _| image::Luma([if x < 4 { 0 } else { 255 }]));
    left_dark.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
    let mut exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01".to_vec();
    exif.extend(b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"); // tag, short, one, 6; end
    let bytes = bytes.into_inner();
    let turned = [&bytes[..2], &exif, &bytes[2..]].concat();
    fs::write(folder.path().join("dogs/rex.png"), turned).unwrap();
    let rex = load(folder.path(), GRAY).unwrap().images.get(1);
    let at = |y, x| rex.int64_value(&[0, y, x]);
    assert!(at(0, 7) < 20 && at(1, 0) < 20, "what was left is on top");
    assert!(at(7, 0) > 235 && at(6, 7) > 235, "what was right is below");
}

#[test]
fn broken_folders_are_named() {
    let folder = pets();
    let eels = folder.path().join("eels");
    fs::create_dir(&eels).unwrap();
    assert!(error(&folder).contains("eels: expected png or jpeg files, found none"));
    fs::write(eels.join("README"), "no eels").unwrap();
    assert!(error(&folder).contains("eels: expected png or jpeg files, found none"));
    fs::create_dir(eels.join("young")).unwrap();
    assert!(
        error(&folder).contains("young: expected files, found a folder in the folder of a class")
    );
    fs::remove_dir_all(&eels).unwrap();
    gradient(0).save(folder.path().join("stray.png")).unwrap();
    let message = error(&folder);
    assert!(message.contains("found 1 of them beside subfolders (stray.png)"), "{message}");
    let empty = tempfile::tempdir().unwrap();
    assert!(error(&empty).contains("found an empty folder"), "{}", error(&empty));
    fs::write(empty.path().join("train-images-idx3-ubyte"), "").unwrap();
    let message = error(&empty);
    assert!(message.contains("found 1 file that is no picture by name"), "{message}");
    assert!(message.contains("give its name (mnist, fashion or cifar10)"), "{message}");
    let gone = load(&empty.path().join("absent"), RGB).unwrap_err().to_string();
    assert!(gone.starts_with("cannot read ") && gone.contains("absent"), "{gone}");
}

#[test]
fn pictures_without_subfolders_are_of_one_class() {
    let folder = pets();
    let data = load(&folder.path().join("cats"), RGB).unwrap();
    assert_eq!((data.classes, data.labels), (vec!["cats".into()], Tensor::from_slice(&[0i64, 0])));
}

#[test]
fn what_systems_leave_behind_is_passed_over_and_counted() {
    let folder = pets();
    fs::create_dir_all(folder.path().join("__MACOSX/cats")).unwrap();
    for name in ["cats/Thumbs.db", "cats/desktop.ini", "dogs/notes.txt"] {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    let (data, passed_over) = super::load(folder.path(), RGB, BadPictures::Refuse).unwrap();
    assert_eq!(data.classes, ["cats", "dogs"]);
    assert_eq!(data.len(), 3);
    assert_eq!(passed_over.others.len(), 5, "README and __MACOSX among them");
    let text = passed_over.to_string();
    assert!(text.starts_with("5 files that are no pictures by name ("), "{text}");
    let names = ["README", "__MACOSX", "Thumbs.db", "desktop.ini", "notes.txt"];
    assert_eq!(names.iter().filter(|name| text.contains(**name)).count(), 3, "{text}");
}

#[test]
fn all_bad_pictures_are_named_at_once_as_what_they_are_or_skipped() {
    let folder = pets();
    let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    put("cats/a0.webp", b"RIFF\x10\0\0\0WEBPVP8 ");
    put("cats/aa.png", b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0");
    put("cats/one.gif", b"GIF89a");
    put("cats/phone.jpg", b"\0\0\0\x18ftypheic\0\0\0\0");
    put("dogs/page.jpg", b"<html>");
    put("dogs/zero.png", b"");
    let message = error(&folder);
    assert!(message.contains(": 6 of 9 pictures cannot be used; save them again"), "{message}");
    for line in [
        "a0.webp: a WebP picture, not png or jpeg",
        "aa.png: a Bmp picture, not png or jpeg",
        "one.gif: a Gif picture, not png or jpeg",
        "phone.jpg: a HEIC picture, not png or jpeg",
        "page.jpg: no picture, whatever its name",
        "zero.png: an empty file",
    ] {
        assert!(message.contains(line), "{line} is not in: {message}");
    }
    let (data, passed_over) = super::load(folder.path(), RGB, BadPictures::Skip).unwrap();
    let whole = load(pets().path(), RGB).unwrap();
    assert_eq!((&data.images, &data.labels), (&whole.images, &whole.labels));
    let text = passed_over.to_string();
    assert!(
        text.contains("and 6 pictures that cannot be used:\n") && text.contains("page.jpg: no")
    );
    for name in ["cats/a.PNG", "cats/b.png", "dogs/rex.png"] {
        put(name, b"");
    }
    let all = super::load(folder.path(), RGB, BadPictures::Skip).unwrap_err().to_string();
    assert!(all.contains(": 9 of 9 pictures cannot be used"), "{all}");
}

/// Phones append films and depth to a picture, editors a line feed; and the preview inside a file
/// ends with the same marker as the file.
#[test]
fn bytes_behind_the_end_of_a_picture_do_not_matter_but_a_preview_is_no_end() {
    let folder = pets();
    let rex = folder.path().join("dogs/rex.png");
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        let whole = picture(format);
        fs::write(&rex, &whole).unwrap();
        let expected = load(folder.path(), RGB).unwrap().images;
        for trailer in [&b"\n"[..], &[0; 9], b"\xff\xd8 a film \xff\xd9", b"\xff"] {
            fs::write(&rex, [&whole, trailer].concat()).unwrap();
            assert_eq!(
                load(folder.path(), RGB).unwrap().images,
                expected,
                "{format:?} {trailer:?}"
            );
        }
    }
    let whole = picture(ImageFormat::Jpeg);
    let preview = [b"\xff\xe1\x00\x0aExif\xff\xd8\xff\xd9", &whole[2..whole.len() / 2]].concat();
    fs::write(&rex, [&whole[..2], &preview].concat()).unwrap();
    assert!(error(&folder).contains("rex.png: cut short"), "{}", error(&folder));
}

/// The bytes of a 64 x 64 picture full of detail.
fn picture(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let detail = |x: u32, y: u32| Rgb([(x * y) as u8, (x * 7) as u8, (y * 13) as u8]);
    RgbImage::from_fn(64, 64, detail).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn truncated_files_are_named() {
    let folder = pets();
    let rex = folder.path().join("dogs/rex.png");
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        let whole = picture(format);
        for kept in [whole.len() - 3, whole.len() / 2, 30] {
            fs::write(&rex, &whole[..kept]).unwrap();
            let message = error(&folder);
            assert!(message.contains("rex.png: cut short"), "{format:?}, {kept}: {message}");
        }
    }
}

/// A png header may claim 4 billion pixels a side in 40 bytes.
#[test]
fn size_limits_come_before_decoding() {
    let folder = pets();
    let rex = folder.path().join("dogs/rex.png");
    let mut claim = picture(ImageFormat::Png);
    claim[16..20].copy_from_slice(&100_000u32.to_be_bytes());
    let crc = crc32(&claim[12..29]);
    claim[29..33].copy_from_slice(&crc.to_be_bytes());
    fs::write(&rex, claim).unwrap();
    let message = error(&folder);
    assert!(message.contains("rex.png: 100000 x 64 pixels, more than 8192 a side"), "{message}");
    let file = fs::File::create(&rex).unwrap();
    file.set_len(LARGEST_FILE + 1).unwrap(); // sparse: takes no room
    let message = error(&folder);
    assert!(message.contains("rex.png: 67108865 bytes, more than 67108864"), "{message}");
}

/// Scaled until its one pixel is 256, a line of 8192 would be two million pixels long.
#[test]
fn a_line_is_not_scaled_to_a_picture() {
    let folder = pets();
    GrayImage::new(8192, 1).save(folder.path().join("dogs/rex.png")).unwrap();
    let asked = |size| load(folder.path(), Format { size, ..GRAY });
    let message = asked(256).unwrap_err().to_string();
    let words = "rex.png: 8192 x 1 pixels, so thin that it is 2097152 long when 256 wide";
    assert!(message.contains(words), "{message}");
    assert_eq!(asked(1).unwrap().images.size(), [3, 1, 1, 1]);
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[test]
fn random_damage_never_panics() {
    let folder = pets();
    let rex = folder.path().join("dogs/rex.png");
    let mut rng = stream(0, b"damage\0\0", 2);
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        let whole = picture(format);
        let mut refused = 0;
        for _ in 0..150 {
            let mut bytes = whole.clone();
            for _ in 0..=rng.next_u32() % 4 {
                let at = rng.next_u64() as usize % bytes.len();
                bytes[at] = rng.next_u32() as u8;
            }
            fs::write(&rex, &bytes).unwrap();
            let outcome = load(folder.path(), GRAY);
            refused += outcome.is_err() as u32;
            if let Err(error) = outcome {
                assert!(error.to_string().contains("rex.png: "), "{error}");
            }
        }
        assert!(refused > 0, "{format:?}: no damage was noticed in 150 files");
    }
}
