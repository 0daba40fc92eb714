//! Arrays as numpy keeps them, `.npy` and `.npz`.

use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};
use zip::write::FileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

const MAGIC: &[u8] = b"\x93NUMPY";

/// The array of a `.npy` file.
pub fn read_npy(path: &Path) -> Result<Tensor> {
    let bytes = std::fs::read(path);
    let bytes = bytes.map_err(|e| anyhow::anyhow!("cannot read {}: {e}", path.display()))?;
    array(&bytes).map_err(|why| unreadable(path, &why))
}

/// A `.npz` file: named arrays, each read when it is asked for, whatever lies beside it.
pub struct Npz {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
}

impl Npz {
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path);
        let file = file.map_err(|e| anyhow::anyhow!("cannot read {}: {e}", path.display()))?;
        let archive = ZipArchive::new(BufReader::new(file)).context("it is no whole .npz file");
        let archive = archive.map_err(|why| unreadable(path, &why))?;
        Ok(Self { path: path.to_owned(), archive })
    }

    /// The names of the arrays.
    pub fn names(&self) -> Vec<String> {
        let arrays = self.archive.file_names().filter_map(|name| name.strip_suffix(".npy"));
        let mut names: Vec<String> = arrays.map(str::to_owned).collect();
        names.sort();
        names
    }

    pub fn read(&mut self, name: &str) -> Result<Tensor> {
        let read = self.member(name).and_then(|bytes| array(&bytes));
        read.map_err(|why| unreadable(&self.path, &anyhow::anyhow!("its array {name}: {why}")))
    }

    fn member(&mut self, name: &str) -> Result<Vec<u8>> {
        let mut member = self.archive.by_name(&format!("{name}.npy")).context("it is damaged")?;
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).context("it is damaged")?; // checks its sum
        Ok(bytes)
    }
}

fn unreadable(path: &Path, why: &anyhow::Error) -> anyhow::Error {
    anyhow::anyhow!("{}: {why}; save it again with numpy", path.display())
}

/// A tensor (u8, i64 or f64) as the bytes of a `.npy` file, its header as numpy spells it: some
/// readers, tch's among them, know no other spelling.
pub fn npy(tensor: &Tensor) -> Result<Vec<u8>> {
    let descr = match tensor.kind() {
        Kind::Uint8 => "|u1",
        Kind::Int64 => "<i8",
        Kind::Double => "<f8",
        kind => bail!("arrays of {kind:?} are not written"),
    };
    let shape = match &tensor.size()[..] {
        [one] => format!("{one},"), // Python's tuple of one
        sizes => sizes.iter().map(i64::to_string).collect::<Vec<_>>().join(", "),
    };
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    let before = MAGIC.len() + 4; // the magic, the version and the header's length
    let length = (before + header.len() + 1).next_multiple_of(64) - before;
    let mut bytes = [MAGIC, &[1, 0], &(length as u16).to_le_bytes()].concat();
    bytes.extend(format!("{header:<width$}\n", width = length - 1).bytes());
    let (start, count) = (bytes.len(), tensor.numel());
    bytes.resize(start + count * tensor.kind().elt_size_in_bytes(), 0);
    tensor.contiguous().copy_data_u8(&mut bytes[start..], count);
    Ok(bytes)
}

/// Named tensors as the bytes of a `.npz` file: a zip archive of `.npy` files, not compressed and
/// without the time, so that the same arrays give the same bytes.
pub fn npz(arrays: &[(&str, &Tensor)]) -> Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, tensor) in arrays {
        let options = FileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default());
        let bytes = npy(tensor)?;
        archive.start_file(format!("{name}.npy"), options.large_file(bytes.len() >> 31 > 0))?;
        archive.write_all(&bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// What the header of a `.npy` file says, and the bytes behind it.
struct Parts<'a> {
    /// numpy's name of the type, `<f8`; a list of fields for records.
    descr: &'a str,
    fortran: bool,
    shape: Vec<i64>,
    data: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (version, rest) = rest.split_first_chunk::<2>()?;
        let (length, rest) = match version[0] {
            1 => {
                let (length, rest) = rest.split_first_chunk()?;
                (u16::from_le_bytes(*length) as usize, rest)
            }
            _ => {
                let (length, rest) = rest.split_first_chunk()?;
                (u32::from_le_bytes(*length) as usize, rest)
            }
        };
        let (header, data) = rest.split_at_checked(length)?;
        let header = std::str::from_utf8(header).ok()?;
        let field = |name: &str| {
            let (_, text) = header.split_once(&format!("'{name}'"))?;
            Some(text.trim_start().strip_prefix(':')?.trim_start())
        };
        let descr = field("descr")?;
        let descr = descr
            .strip_prefix('\'')
            .map_or(Some(descr), |text| text.split_once('\'').map(|(descr, _)| descr))?;
        let (shape, _) = field("shape")?.strip_prefix('(')?.split_once(')')?;
        let sizes = shape.split(',').map(|size| size.trim().trim_end_matches('L')); // Python 2's 10L
        let sizes = sizes.filter(|size| !size.is_empty());
        let shape = sizes.map(|size| i64::try_from(size.parse::<u64>().ok()?).ok());
        let shape = shape.collect::<Option<_>>()?;
        Some(Self { descr, fortran: field("fortran_order")?.starts_with("True"), shape, data })
    }
}

/// The array in the bytes of a `.npy` file, its kind as wide as numpy's or wider.
fn array(bytes: &[u8]) -> Result<Tensor> {
    let Parts { descr, fortran, mut shape, data } =
        Parts::of(bytes).context("it is no whole .npy file")?;
    let (order, kind) = descr.split_at_checked(1).unwrap_or_default();
    let stored = match kind {
        "b1" | "u1" => Kind::Uint8,
        "i1" => Kind::Int8,
        "i2" | "u2" => Kind::Int16,
        "i4" | "u4" => Kind::Int,
        "i8" | "u8" => Kind::Int64,
        "f2" => Kind::Half,
        "f4" => Kind::Float,
        "f8" => Kind::Double,
        _ => bail!("it holds {}, not numbers that are read", content(descr)),
    };
    let dims = shape.len();
    ensure!(dims <= 32, "it has {dims} dimensions, where at most 32 are read");
    let size = stored.elt_size_in_bytes();
    let bytes_of = |least: i64| {
        let mut sizes = shape.iter().map(|&size| size.max(least));
        sizes.try_fold(size as i64, |product, size| product.checked_mul(size))
    };
    // An empty array's other sizes must fit too: its strides are their products.
    let length = bytes_of(1).and_then(|_| bytes_of(0));
    let there = length.is_some_and(|length| length as u64 <= data.len() as u64);
    ensure!(there, "an array of {shape:?} of {descr} is announced, but not there: it is cut short");
    let mut data = data[..length.unwrap_or(0) as usize].to_vec();
    if order == ">" {
        data.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    if fortran {
        shape.reverse();
    }
    let found = Tensor::f_from_data_size(&data, &shape, stored)?;
    let found = match kind {
        "b1" => found.ne(0),
        "u2" => found.to_kind(Kind::Int).bitwise_and(0xffff),
        "u4" => found.to_kind(Kind::Int64).bitwise_and(0xffff_ffff_i64),
        "u8" => {
            let fits = found.numel() == 0 || found.min().int64_value(&[]) >= 0;
            ensure!(fits, "it holds whole numbers above 2^63");
            found
        }
        _ => found,
    };
    if !fortran {
        return Ok(found);
    }
    let axes: Vec<i64> = (0..shape.len() as i64).rev().collect();
    Ok(found.permute(axes).contiguous())
}

/// What arrays of this type hold, in words.
fn content(descr: &str) -> String {
    match descr.trim_start_matches(['<', '>', '|', '=']).chars().next() {
        Some('O') => "Python objects (pickled)".into(),
        Some('U' | 'S' | 'a') => "text".into(),
        Some('c') => "complex numbers".into(),
        Some('M' | 'm') => "dates or times".into(),
        Some('[') => "records".into(),
        _ => format!("{descr:?}"),
    }
}
