use super::*;
use crate::data::stream;
use flate2::Compression;
use flate2::write::GzEncoder;
use rand::Rng;
use std::io::Write;
use tempfile::TempDir;

/// Two 2 x 3 images with the pixels 0, 1, ..., 11.
fn images() -> Vec<u8> {
    let mut file = vec![0, 0, 8, 3];
    for size in [2u32, 2, 3] {
        file.extend(size.to_be_bytes());
    }
    file.extend(0..12);
    file
}

fn labels() -> Vec<u8> {
    vec![0, 0, 8, 1, 0, 0, 0, 3, 7, 0, 9]
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn images(&self, name: &str, bytes: &[u8]) -> Result<Tensor> {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        read_images(&path)
    }

    fn labels(&self, bytes: &[u8]) -> Result<Tensor> {
        let path = self.0.path().join("labels");
        std::fs::write(&path, bytes).unwrap();
        read_labels(&path, 10)
    }
}

#[test]
fn plain_and_gzipped_files_read_alike() {
    let files = Files::new();
    let plain = files.images("images", &images()).unwrap();
    assert_eq!(plain.size(), [2, 1, 2, 3]);
    assert_eq!(Vec::<u8>::try_from(plain.flatten(0, -1)).unwrap(), (0..12).collect::<Vec<u8>>());
    assert_eq!(plain, files.images("images.gz", &gz(&images())).unwrap());
    assert_eq!(files.labels(&labels()).unwrap(), Tensor::from_slice(&[7i64, 0, 9]));
}

/// Each damage, and what the message must say beside the file's name.
#[test]
fn damage_is_named_with_expectation_and_finding() {
    let whole = images();
    let with = |at: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        bytes
    };
    let huge = [&whole[..4], &[0xff; 12], &whole[16..]].concat();
    let longer = [&whole[..], &[0]].concat();
    let cases: [(&str, Vec<u8>, &str); 11] = [
        ("empty", vec![], "an idx header of 16 bytes, found a file of 0 bytes"),
        ("header", whole[..15].to_vec(), "found a file of 15 bytes"),
        ("magic", with(1, 1), "magic number [00, 00, 08, 03], found [00, 01, 08, 03]"),
        ("type", with(2, 0x0d), "found [00, 00, 0d, 03]"),
        ("dims", with(3, 1), "found [00, 00, 08, 01]"),
        ("short", whole[..27].to_vec(), "12 bytes of data for the shape [2, 2, 3], found 11"),
        ("long", longer.clone(), "12 bytes of data for the shape [2, 2, 3], found more"),
        ("none", with(7, 0), "found the shape [0, 2, 3]"),
        ("huge", huge, "found the shape [4294967295, 4294967295, 4294967295]"),
        ("cut.gz", gz(&whole)[..30].to_vec(), "expected whole gzip data"),
        ("long.gz", gz(&longer), "found more"),
    ];
    let files = Files::new();
    for (name, bytes, saying) in cases {
        let message = files.images(name, &bytes).unwrap_err().to_string();
        assert!(message.contains(saying), "{name}: {message}");
        assert!(message.contains(&format!("/{name}: expected ")), "{name}: {message}");
        assert!(message.ends_with(FETCH_AGAIN), "{name}: {message}");
    }
}

#[test]
fn a_gzip_checksum_is_checked() {
    let mut bytes = gz(&images());
    let crc = bytes.len() - 8;
    bytes[crc] ^= 1;
    let message = Files::new().images("crc.gz", &bytes).unwrap_err().to_string();
    assert!(message.contains("expected whole gzip data"), "{message}");
}

#[test]
fn labels_out_of_range_are_refused() {
    let mut bytes = labels();
    bytes[9] = 10;
    let message = Files::new().labels(&bytes).unwrap_err().to_string();
    assert!(message.contains("labels below 10, found label 10 for sample 1"), "{message}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let message = read_images(&folder.path().join("absent")).unwrap_err().to_string();
    assert!(message.starts_with("cannot read ") && message.contains("absent"), "{message}");
}

#[test]
fn random_damage_never_panics_and_never_drops_bytes() {
    let files = Files::new();
    let mut rng = stream(0, b"damage\0\0", 1);
    for (name, whole) in [("any", images()), ("any.gz", gz(&images()))] {
        for _ in 0..400 {
            let mut bytes = whole.clone();
            for _ in 0..=rng.next_u32() % 3 {
                let at = rng.next_u64() as usize % bytes.len().max(1);
                match rng.next_u32() % 3 {
                    0 if !bytes.is_empty() => bytes[at] = rng.next_u32() as u8,
                    1 => bytes.truncate(at),
                    _ => bytes.insert(at.min(bytes.len()), rng.next_u32() as u8),
                }
            }
            let read = files.images(name, &bytes);
            if let (Ok(images), "any") = (read, name) {
                assert_eq!(images.numel(), bytes.len() - 16, "every byte is a pixel");
            }
        }
    }
}
