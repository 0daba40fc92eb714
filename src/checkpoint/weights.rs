use super::{CheckpointError, write};
use crate::util::device::all_finite;
use crate::util::print;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use tch::{Kind, Tensor, nn::VarStore};

/// Tensors by name, as a network or a file holds them.
pub(super) type Named = BTreeMap<String, Tensor>;

/// Writes the variables of `vs` as safetensors, atomically; `step` goes into the metadata.
pub fn save_weights(
    vs: &VarStore,
    path: impl AsRef<Path>,
    step: u64,
) -> Result<(), CheckpointError> {
    write(path.as_ref(), &to_bytes(&named(vs), step, path.as_ref())?)
}

/// Copies the tensors of a safetensors file into the variables of `vs`; returns the file's step.
///
/// # Errors
/// Strict: every tensor that is missing, unexpected, of another shape or of another dtype is listed
/// in one error, and `vs` is then untouched. So is a number that is not finite. Floats of another width are converted, which is said
/// on standard error where digits are lost.
pub fn load_weights(vs: &VarStore, path: impl AsRef<Path>) -> Result<u64, CheckpointError> {
    let file = File::read(path.as_ref())?;
    for (name, tensor) in &file.tensors {
        if !all_finite(tensor) {
            let why = format!("`{name}` has numbers that are not finite");
            return Err(CheckpointError::Damaged { path: path.as_ref().into(), why });
        }
    }
    file.copy_into(&named(vs))?;
    Ok(file.step)
}

/// Copies the weights of a smaller network into one that has grown out of it, so that it begins by
/// computing what the smaller one computes: the first convolution ignores the input channels that
/// the file does not know (`conv_in.weight` is continued by zeros, as GLIDE does to fine-tune for
/// inpainting; Nichol et al. 2021, section 4.3), and the `level_embedding` keeps its own start.
///
/// # Errors
/// As [`load_weights`], which it is for a network that has not grown.
pub fn load_weights_to_grow(vs: &VarStore, path: impl AsRef<Path>) -> Result<u64, CheckpointError> {
    let mut file = File::read(path.as_ref())?;
    let network = named(vs);
    if let (Some(small), Some(grown)) =
        (file.tensors.get_mut("conv_in.weight"), network.get("conv_in.weight"))
        && let ([out, known, ..], [_, all, ..]) = (&small.size()[..], &grown.size()[..])
        && known < all
    {
        let unknown = small.narrow(1, 0, 1).zeros_like().expand([*out, all - known, -1, -1], false);
        *small = Tensor::cat(&[&*small, &unknown], 1);
    }
    for (name, tensor) in network.iter().filter(|(name, _)| name.starts_with("level_embedding.")) {
        file.tensors.entry(name.clone()).or_insert_with(|| tensor.detach().copy());
    }
    file.copy_into(&network)?;
    Ok(file.step)
}

/// Writes the weights of the safetensors file `from` to `to` with all floats in half precision
/// (f16), which are half the bytes of f32; the step stays. [`load_weights`] reads them as any others.
///
/// # Errors
/// A weight that is no finite number in half precision: the largest is 65504.
pub fn halve_weights(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<(), CheckpointError> {
    let File { path, mut tensors, step } = File::read(from.as_ref())?;
    for (name, tensor) in tensors.iter_mut().filter(|(_, tensor)| tensor.is_floating_point()) {
        *tensor = tensor.to_kind(Kind::Half);
        if !all_finite(tensor) {
            return Err(CheckpointError::NotHalf { path: path.into(), name: name.clone() });
        }
    }
    write(to.as_ref(), &to_bytes(&tensors, step, to.as_ref())?)
}

/// The first twelve hexadecimal digits of a file's SHA-256: which weights these are.
pub fn fingerprint(path: impl AsRef<Path>) -> Result<String, CheckpointError> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(CheckpointError::io(path, "read the weights"))?;
    Ok(first_digits(&Sha256::digest(&bytes), 12))
}

/// The first hexadecimal digits of a digest.
pub(crate) fn first_digits(digest: &[u8], digits: usize) -> String {
    digest.iter().take(digits / 2).map(|byte| format!("{byte:02x}")).collect()
}

/// Writes tensors by name as safetensors, atomically.
pub fn save_tensors(
    tensors: impl IntoIterator<Item = (&'static str, Tensor)>,
    path: impl AsRef<Path>,
) -> Result<(), CheckpointError> {
    let tensors = tensors.into_iter().map(|(name, tensor)| (name.into(), tensor)).collect();
    write(path.as_ref(), &to_bytes(&tensors, 0, path.as_ref())?)
}

/// Every tensor of a safetensors file, by name.
pub fn load_tensors(path: impl AsRef<Path>) -> Result<BTreeMap<String, Tensor>, CheckpointError> {
    Ok(File::read(path.as_ref())?.tensors)
}

pub(super) fn named(vs: &VarStore) -> Named {
    vs.variables().into_iter().collect()
}

/// The bytes of a safetensors file: equal tensors and steps give equal bytes.
pub(super) fn to_bytes(
    tensors: &Named,
    step: u64,
    path: &Path,
) -> Result<Vec<u8>, CheckpointError> {
    let unwritable = |why: String| CheckpointError::Damaged { path: path.into(), why };
    let mut data = Vec::new();
    for (name, tensor) in tensors {
        let kind = tensor.kind();
        let dtype = dtype(kind).ok_or_else(|| unwritable(format!("`{name}` has kind {kind:?}")))?;
        let mut bytes = vec![0; tensor.numel() * kind.elt_size_in_bytes()];
        tensor.detach().copy_data_u8(&mut bytes, tensor.numel());
        data.push((
            name,
            dtype,
            tensor.size().iter().map(|&n| n as usize).collect::<Vec<_>>(),
            bytes,
        ));
    }
    let views: Result<Vec<_>, _> = data
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?))
        })
        .collect();
    // One entry only: the order of two would change from run to run.
    let metadata = HashMap::from([("step".to_string(), step.to_string())]);
    views
        .and_then(|views| safetensors::serialize(views, Some(metadata)))
        .map_err(|e: safetensors::SafeTensorError| unwritable(e.to_string()))
}

/// A safetensors file in memory, checked to be whole.
#[derive(Debug)]
pub(super) struct File<'a> {
    path: &'a Path,
    tensors: Named,
    pub(super) step: u64,
}

impl<'a> File<'a> {
    /// Tensors of a file of another form.
    pub(super) fn of(path: &'a Path, tensors: Named) -> Self {
        Self { path, tensors, step: 0 }
    }

    pub(super) fn read(path: &'a Path) -> Result<Self, CheckpointError> {
        let damaged = |why: String| CheckpointError::Damaged { path: path.into(), why };
        let bytes = fs::read(path).map_err(CheckpointError::io(path, "read the weights"))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
        // Published weights carry no step.
        let step = header
            .metadata()
            .as_ref()
            .and_then(|m| m.get("step"))
            .map_or(Ok(0), |step| step.parse());
        let step = step.map_err(|e| damaged(format!("step in the metadata: {e}")))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
        let mut tensors = Named::new();
        for (name, view) in file.iter() {
            let found = tensor(name, view.dtype(), view.shape(), view.data());
            tensors.insert(name.to_string(), found.map_err(damaged)?);
        }
        Ok(Self { path, tensors, step })
    }

    /// Lists every way in which the file and the network disagree.
    pub(super) fn check(&self, network: &Named) -> Result<(), CheckpointError> {
        let names: BTreeSet<&String> = self.tensors.keys().chain(network.keys()).collect();
        let mut lines: Vec<String> = names
            .into_iter()
            .filter_map(|name| match (self.tensors.get(name), network.get(name)) {
                (None, Some(net)) => {
                    Some(format!("  missing from the file: {name} {:?}", net.size()))
                }
                (Some(file), None) => Some(format!("  only in the file: {name} {:?}", file.size())),
                (Some(file), Some(net)) if file.size() != net.size() => Some(format!(
                    "  wrong shape: {name} is {:?} in the file, {:?} here",
                    file.size(),
                    net.size()
                )),
                (Some(file), Some(net)) if !converts(file.kind(), net.kind()) => Some(format!(
                    "  wrong dtype: {name} is {:?} in the file, {:?} here",
                    file.kind(),
                    net.kind()
                )),
                _ => None,
            })
            .collect();
        if lines.is_empty() {
            return Ok(());
        }
        let more = lines.len().saturating_sub(20);
        if more > 0 {
            lines.truncate(20);
            lines.push(format!("  ... and {more} more"));
        }
        Err(CheckpointError::Mismatch { path: self.path.into(), list: lines.join("\n") })
    }

    /// Copies all tensors, after [`Self::check`].
    pub(super) fn copy_into(&self, network: &Named) -> Result<(), CheckpointError> {
        self.check(network)?;
        let kinds = |(name, tensor): (&String, &Tensor)| (self.tensors[name].kind(), tensor.kind());
        let loses = |(file, net): &(Kind, Kind)| file != net && !holds(*net, *file);
        if let Some((file, net)) = network.iter().map(kinds).find(loses) {
            let path = self.path.display();
            print::err(format_args!("{path}: {file:?} weights are converted to {net:?}"));
        }
        let _guard = tch::no_grad_guard();
        network.iter().for_each(|(name, tensor)| tensor.shallow_clone().copy_(&self.tensors[name]));
        Ok(())
    }
}

/// Whether tensors of one kind can be read as another: the same, or both floats.
fn converts(from: Kind, to: Kind) -> bool {
    let float = |kind| matches!(kind, Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16);
    from == to || (float(from) && float(to))
}

/// Whether every number of the kind `from` is one of the kind `to`.
fn holds(to: Kind, from: Kind) -> bool {
    to == from
        || matches!((to, from), (Kind::Float, Kind::Half | Kind::BFloat16) | (Kind::Double, _))
}

const DTYPES: [(Kind, Dtype); 9] = [
    (Kind::Float, Dtype::F32),
    (Kind::Double, Dtype::F64),
    (Kind::BFloat16, Dtype::BF16),
    (Kind::Half, Dtype::F16),
    (Kind::Int64, Dtype::I64),
    (Kind::Int, Dtype::I32),
    (Kind::Int8, Dtype::I8),
    (Kind::Uint8, Dtype::U8),
    (Kind::Bool, Dtype::BOOL),
];

fn dtype(kind: Kind) -> Option<Dtype> {
    DTYPES.iter().find(|(k, _)| *k == kind).map(|(_, d)| *d)
}

/// A tensor of its bytes, or why there is none.
pub(super) fn tensor(
    name: &str,
    dtype: Dtype,
    shape: &[usize],
    bytes: &[u8],
) -> Result<Tensor, String> {
    let kind = kind(dtype).ok_or_else(|| format!("`{name}` has dtype {dtype:?}"))?;
    let shape: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
    Tensor::f_from_data_size(bytes, &shape, kind).map_err(|e| e.to_string())
}

fn kind(dtype: Dtype) -> Option<Kind> {
    DTYPES.iter().find(|(_, d)| *d == dtype).map(|(k, _)| *k)
}
