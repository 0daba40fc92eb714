//! Arrays as numpy keeps them, `.npy` and `.npz`.

use anyhow::{Context, Result, bail, ensure};
use npyz::{DType, Deserialize, NpyFile, Order};
use std::io::{Cursor, Read, Write};
use std::path::Path;
use tch::kind::Element;
use tch::{Kind, Tensor};
use zip::write::FileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// And version 1.0.
const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

/// The array of a `.npy` file.
pub fn read_npy(path: &Path) -> Result<Tensor> {
    array(&read(path)?).map_err(|why| unreadable(path, &why))
}

/// The arrays of a `.npz` file, by name, in their order there.
pub fn read_npz(path: &Path) -> Result<Vec<(String, Tensor)>> {
    members(read(path)?).map_err(|why| unreadable(path, &why))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| anyhow::anyhow!("cannot read {}: {e}", path.display()))
}

fn unreadable(path: &Path, why: &anyhow::Error) -> anyhow::Error {
    anyhow::anyhow!("{}: {why}; save it again with numpy", path.display())
}

/// A tensor (u8 or f64) as the bytes of a `.npy` file, its header as numpy spells it: some readers,
/// tch's among them, know no other spelling.
pub fn npy(tensor: &Tensor) -> Result<Vec<u8>> {
    let descr = match tensor.kind() {
        Kind::Uint8 => "|u1",
        Kind::Double => "<f8",
        kind => bail!("arrays of {kind:?} are not written"),
    };
    let shape = match &tensor.size()[..] {
        [one] => format!("{one},"), // Python's tuple of one
        sizes => sizes.iter().map(i64::to_string).collect::<Vec<_>>().join(", "),
    };
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    let before = MAGIC.len() + 2; // the magic and the header's length
    let length = (before + header.len() + 1).next_multiple_of(64) - before;
    let mut bytes = [MAGIC, &(length as u16).to_le_bytes()].concat();
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

/// The array in the bytes of a `.npy` file.
fn array(bytes: &[u8]) -> Result<Tensor> {
    let file = NpyFile::new(bytes).context("it is no whole .npy file")?;
    let DType::Plain(kind) = file.dtype() else { bail!("it holds records, not numbers") };
    let (shape, announced) = (file.shape().to_vec(), file.len());
    let size = kind.num_bytes().unwrap_or(0) as u64;
    let fits = size > 0 && announced.checked_mul(size).is_some_and(|n| n <= bytes.len() as u64);
    ensure!(fits, "an array of {shape:?} of {kind} is announced, but not there: it is cut short");
    let sizes: Vec<i64> = shape.iter().map(|n| *n as i64).collect();
    let fortran = file.order() == Order::Fortran;
    let flat = match kind.to_string().trim_start_matches(['<', '|', '=']) {
        "u1" => numbers::<u8>(file),
        "i1" => numbers::<i8>(file),
        "b1" => numbers::<bool>(file),
        "i2" => numbers::<i16>(file),
        "i4" => numbers::<i32>(file),
        "i8" => numbers::<i64>(file),
        "f2" => numbers::<half::f16>(file),
        "f4" => numbers::<f32>(file),
        "f8" => numbers::<f64>(file),
        _ => bail!("arrays of {kind} are not read"),
    }?;
    if !fortran {
        return Ok(flat.view(&sizes[..]));
    }
    let reversed: Vec<i64> = sizes.iter().rev().copied().collect();
    let axes: Vec<i64> = (0..sizes.len() as i64).rev().collect();
    Ok(flat.view(&reversed[..]).permute(axes).contiguous())
}

fn numbers<T: Deserialize + Element>(file: NpyFile<&[u8]>) -> Result<Tensor> {
    Ok(Tensor::from_slice(&file.into_vec::<T>().context("it is cut short")?))
}

/// The members of a zip archive that are `.npy` files.
fn members(bytes: Vec<u8>) -> Result<Vec<(String, Tensor)>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).context("it is no whole .npz file")?;
    let mut found = Vec::new();
    for i in 0..archive.len() {
        let mut member = archive.by_index(i).context("it is damaged")?;
        let name = member.name().to_owned();
        let mut bytes = Vec::new();
        let read = member.read_to_end(&mut bytes); // checks its sum
        read.with_context(|| format!("its member {name} is damaged"))?;
        if let Some(stem) = npyz::npz::array_name_from_file_name(&name) {
            found.push((stem.to_owned(), array(&bytes)?));
        }
    }
    Ok(found)
}
