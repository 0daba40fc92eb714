//! Weights that others published, by the names that they gave their tensors.

use super::weights::{File, Named, named, tensor};
use super::{CheckpointError, load_tensors};
use pytorch_reader::{DType, PytorchError, PytorchReader};
use safetensors::Dtype;
use std::path::Path;
use tch::nn::VarStore;

/// Copies the tensors of a published file into the variables of `vs`: of a safetensors file, or of
/// what `torch.save` wrote of a state dict (`.pt`, `.pth`, `.bin`; nothing in it is executed).
/// `name` says what a tensor of the file is called here; none for one that is not used.
///
/// # Errors
/// As strict as [`load_weights`](super::load_weights): every tensor that is missing, unexpected, of
/// another shape or of another dtype is listed, and `vs` is then untouched. So is a file that is
/// damaged, or no checkpoint; a zip whose inner folder (the file's first name) has exactly 21
/// characters is taken for damaged, too, by zip 9.4: save it under another name.
pub fn load_published(
    vs: &VarStore,
    path: impl AsRef<Path>,
    name: impl Fn(&str) -> Option<String>,
) -> Result<(), CheckpointError> {
    let path = path.as_ref();
    let mut tensors = Named::new();
    for (theirs, tensor) in read_published(path)? {
        let Some(ours) = name(&theirs) else { continue };
        if tensors.insert(ours.clone(), tensor).is_some() {
            let why = format!("two of its tensors are `{ours}` here, one of them `{theirs}`");
            return Err(CheckpointError::Damaged { path: path.into(), why });
        }
    }
    copy_published(vs, path, tensors)
}

/// The tensors of a published file by their names there.
pub(crate) fn read_published(path: &Path) -> Result<Named, CheckpointError> {
    match path.extension().is_some_and(|ending| ending == "safetensors") {
        true => load_tensors(path),
        false => state_dict(path),
    }
}

/// Copies what was read from `path` and has our names; strict.
pub(crate) fn copy_published(
    vs: &VarStore,
    path: &Path,
    tensors: Named,
) -> Result<(), CheckpointError> {
    File::of(path, tensors).copy_into(&named(vs))
}

/// The tensors of a state dict that `torch.save` wrote.
fn state_dict(path: &Path) -> Result<Named, CheckpointError> {
    let damaged = |why: String| CheckpointError::Damaged { path: path.into(), why };
    let reader = PytorchReader::new(path).map_err(|error| match error {
        PytorchError::Io(source) => CheckpointError::io(path, "read the weights")(source),
        other => damaged(other.to_string()),
    })?;
    if reader.is_empty() {
        return Err(damaged("it holds no tensors".into()));
    }
    let read = |(name, stored): (String, pytorch_reader::Tensor)| {
        let bytes = stored.read().map_err(|error| damaged(error.to_string()))?;
        let found = tensor(&name, dtype(stored.dtype()), stored.shape(), &bytes);
        Ok((name, found.map_err(damaged)?))
    };
    reader.into_tensors().into_iter().map(read).collect()
}

/// The same type in safetensors' words.
fn dtype(dtype: DType) -> Dtype {
    match dtype {
        DType::F64 => Dtype::F64,
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I64 => Dtype::I64,
        DType::I32 => Dtype::I32,
        DType::I16 => Dtype::I16,
        DType::I8 => Dtype::I8,
        DType::U64 => Dtype::U64,
        DType::U32 => Dtype::U32,
        DType::U16 => Dtype::U16,
        DType::U8 => Dtype::U8,
        DType::Bool => Dtype::BOOL,
    }
}
