//! Weights that others published, by the names that they gave their tensors.

use super::weights::{File, Named, named};
use super::{CheckpointError, load_tensors};
use pytorch_reader::{DType, PytorchError, PytorchReader};
use std::path::Path;
use tch::{Kind, Tensor, nn::VarStore};

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
    let found = match path.extension().is_some_and(|ending| ending == "safetensors") {
        true => load_tensors(path)?,
        false => state_dict(path)?,
    };
    let mut tensors = Named::new();
    for (theirs, tensor) in found {
        let Some(ours) = name(&theirs) else { continue };
        if tensors.insert(ours.clone(), tensor).is_some() {
            let why = format!("two of its tensors are `{ours}` here, one of them `{theirs}`");
            return Err(CheckpointError::Damaged { path: path.into(), why });
        }
    }
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
    let tensor = |(name, stored): (String, pytorch_reader::Tensor)| {
        let dtype = stored.dtype();
        let kind = kind(dtype).ok_or_else(|| damaged(format!("`{name}` has dtype {dtype:?}")))?;
        let bytes = stored.read().map_err(|error| damaged(error.to_string()))?;
        let shape: Vec<i64> = stored.shape().iter().map(|&n| n as i64).collect();
        let tensor = Tensor::f_from_data_size(&bytes, &shape, kind);
        Ok((name, tensor.map_err(|error| damaged(error.to_string()))?))
    };
    reader.into_tensors().into_iter().map(tensor).collect()
}

fn kind(dtype: DType) -> Option<Kind> {
    Some(match dtype {
        DType::F64 => Kind::Double,
        DType::F32 => Kind::Float,
        DType::F16 => Kind::Half,
        DType::BF16 => Kind::BFloat16,
        DType::I64 => Kind::Int64,
        DType::I32 => Kind::Int,
        DType::I16 => Kind::Int16,
        DType::I8 => Kind::Int8,
        DType::U8 => Kind::Uint8,
        DType::Bool => Kind::Bool,
        DType::U64 | DType::U32 | DType::U16 => return None,
    })
}
