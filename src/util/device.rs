//! Where to compute: `--device auto|cpu|cuda|cuda:N|mps`.
//!
//! CUDA is not linked but loaded when a device is picked: `libtorch.so` names every CUDA library,
//! so a program linked to it would not start on a machine without them, and a linker told to drop
//! what is unused drops CUDA everywhere. libtorch looks for CUDA once, at the first question, so
//! nothing else in this crate asks.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use tch::{Device, Kind, Tensor};
use thiserror::Error;

/// The CUDA version that the libraries of libtorch 2.13.0 are built for, as `major * 1000 + minor * 10`.
const CUDA: i32 = 13_000;

/// What `--device` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// The first CUDA device if there is one, else the CPU.
    #[default]
    Auto,
    Cpu,
    /// The CUDA device of that number, counted from 0.
    Cuda(usize),
    /// Apple's GPU: 32-bit floats only.
    Mps,
}

/// Why the device asked for cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeviceError {
    #[error("the device {0:?} is not one of auto, cpu, cuda, cuda:N or mps")]
    Unknown(String),
    #[error("CUDA cannot be used: this libtorch is the CPU form; `cargo setup --cuda` adds CUDA")]
    CpuForm,
    #[error("CUDA cannot be used: {library} is missing; `cargo setup --cuda` installs it")]
    MissingLibrary { library: String },
    #[error("CUDA cannot be used: {reason}; `cargo xtask doctor` explains")]
    Unloadable { reason: String },
    #[error("CUDA cannot be used: its libraries are there and load, but there is no NVIDIA driver")]
    NoDriver,
    #[error(
        "CUDA cannot be used: the NVIDIA driver goes up to CUDA {}, and {} is needed: update the driver",
        version(*.found), version(CUDA)
    )]
    OldDriver { found: i32 },
    #[error("CUDA cannot be used: the NVIDIA driver finds no GPU{hint}")]
    NoGpu { hint: String },
    #[error(
        "there is no device cuda:{asked}: this machine has {count} CUDA device(s), from cuda:0"
    )]
    NoSuchGpu { asked: usize, count: usize },
    #[error("the device mps is Apple's GPU, and this machine has none that libtorch can use")]
    NoMps,
}

impl FromStr for Choice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown(text.to_owned());
        match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(Choice::Auto),
            "cpu" => Ok(Choice::Cpu),
            "cuda" => Ok(Choice::Cuda(0)),
            "mps" => Ok(Choice::Mps),
            other => {
                let index = other.strip_prefix("cuda:").ok_or_else(unknown)?;
                // `parse` alone would take "+1".
                if !index.bytes().all(|c| c.is_ascii_digit()) {
                    return Err(unknown());
                }
                index.parse().map(Choice::Cuda).map_err(|_| unknown())
            }
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Auto => write!(f, "auto"),
            Choice::Cpu => write!(f, "cpu"),
            Choice::Cuda(index) => write!(f, "cuda:{index}"),
            Choice::Mps => write!(f, "mps"),
        }
    }
}

/// The device that `choice` means on this machine.
///
/// # Errors
/// `Auto` and `Cpu` always succeed; a device asked for by name that cannot be had is an error that
/// says what is missing.
pub fn pick(choice: Choice) -> Result<Device, DeviceError> {
    match choice {
        Choice::Cpu => Ok(Device::Cpu),
        Choice::Mps if tch::utils::has_mps() => Ok(Device::Mps),
        Choice::Mps => Err(DeviceError::NoMps),
        // Without a driver there is nothing to find, and loading CUDA's gigabytes takes seconds.
        Choice::Auto if load::cuda_driver_version().is_none() => Ok(Device::Cpu),
        Choice::Auto => Ok(cuda(0).unwrap_or(Device::Cpu)),
        Choice::Cuda(index) => cuda(index),
    }
}

/// The widest float that `device` computes in: f64, but f32 on Apple's GPU, which knows no f64.
pub fn widest_float(device: Device) -> Kind {
    if device == Device::Mps { Kind::Float } else { Kind::Double }
}

/// `x` in f64 on the CPU, the one place where every machine has f64. The order matters: a device
/// may not know the kind.
pub fn on_cpu(x: &Tensor) -> Tensor {
    x.to_device(Device::Cpu).to_kind(Kind::Double)
}

/// Whether all numbers of a tensor are finite; a GPU is waited for.
pub fn all_finite(x: &Tensor) -> bool {
    x.isfinite().all().int64_value(&[]) == 1
}

fn cuda(index: usize) -> Result<Device, DeviceError> {
    load_cuda()?;
    let count = usize::try_from(tch::Cuda::device_count()).unwrap_or(0);
    // cuDNN tries its algorithms once for each shape and keeps the fastest; a run has few shapes.
    tch::Cuda::cudnn_set_benchmark(true);
    choose_gpu(index, count, load::cuda_driver_version)
}

fn choose_gpu(
    index: usize,
    count: usize,
    driver: impl Fn() -> Option<i32>,
) -> Result<Device, DeviceError> {
    if index < count {
        return Ok(Device::Cuda(index));
    }
    if count > 0 {
        return Err(DeviceError::NoSuchGpu { asked: index, count });
    }
    Err(match driver() {
        None => DeviceError::NoDriver,
        Some(found) if found < CUDA => DeviceError::OldDriver { found },
        Some(_) => {
            let hidden = std::env::var("CUDA_VISIBLE_DEVICES").ok();
            let hint = hidden.map(|value| format!(" (CUDA_VISIBLE_DEVICES is {value:?})"));
            DeviceError::NoGpu { hint: hint.unwrap_or_default() }
        }
    })
}

/// What the maker calls a GPU, as nvidia-smi says it (`NVIDIA H100 80GB HBM3`); `cpu` for the CPU,
/// and `cuda(0)` where nobody says more.
pub fn name(device: Device) -> String {
    ask_card(device, "name").unwrap_or_else(|| format!("{device:?}").to_lowercase())
}

/// One of nvidia-smi's values about a GPU, without its unit (`memory.used`); none where there is no
/// nvidia-smi, and for the CPU.
pub fn ask_card(device: Device, what: &str) -> Option<String> {
    let Device::Cuda(index) = device else { return None };
    let query = format!("--query-gpu={what}");
    let index = index.to_string();
    let args = [query.as_str(), "--format=csv,noheader,nounits", "-i", &index];
    let out = Command::new("nvidia-smi").args(args).output().ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    out.status.success().then(|| text.trim().to_owned())
}

/// Loads libtorch_cuda and all it needs into this process, and returns the name it was found by.
///
/// It must run before the first question about CUDA, which [`pick`] sees to; calling it again is
/// free.
///
/// # Errors
/// Says which library is missing, or that this libtorch has no CUDA at all.
pub fn load_cuda() -> Result<PathBuf, DeviceError> {
    let candidates = candidates(option_env!("FROM_NOISE_LIBTORCH_LIB"));
    let mut failure = DeviceError::CpuForm;
    for name in candidates {
        match load::global(&name) {
            Ok(()) => return Ok(name),
            Err(reason) => failure = first_telling(failure, &name, &reason),
        }
    }
    Err(failure)
}

/// Where libtorch_cuda may be: beside libtorch, aside in `cuda/` (where `cargo setup` keeps it out
/// of the linker's sight), or wherever the system looks.
fn candidates(lib: Option<&str>) -> Vec<PathBuf> {
    const NAME: &str = "libtorch_cuda.so";
    let mut all = Vec::new();
    if let Some(lib) = lib.map(Path::new) {
        all.push(lib.join(NAME));
        all.extend(lib.parent().map(|torch| torch.join("cuda").join(NAME)));
    }
    all.push(NAME.into());
    all
}

/// The absence of libtorch_cuda itself says little; the first other reason is the one to report.
fn first_telling(known: DeviceError, name: &Path, reason: &str) -> DeviceError {
    if known != DeviceError::CpuForm {
        return known;
    }
    match missing_library(reason) {
        Some(library) if Path::new(library) == name => DeviceError::CpuForm,
        Some(library) => DeviceError::MissingLibrary { library: library.to_owned() },
        None => DeviceError::Unloadable { reason: reason.to_owned() },
    }
}

/// The file that dlopen did not find: the loader says `NAME: cannot open shared object file: ...`.
fn missing_library(reason: &str) -> Option<&str> {
    let (library, _) = reason.split_once(": cannot open shared object file")?;
    Some(library.rsplit(": ").next().unwrap_or(library))
}

fn version(number: i32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

#[cfg(unix)]
mod load {
    use std::ffi::{CStr, CString, c_int, c_void};
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    /// dlopen with its symbols visible to libtorch, as if the library had been linked.
    pub fn global(name: &Path) -> Result<(), String> {
        open(name, libc::RTLD_NOW | libc::RTLD_GLOBAL).map(drop)
    }

    fn open(name: &Path, flags: c_int) -> Result<*mut c_void, String> {
        let name = CString::new(name.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
        // SAFETY: the initialisers of CUDA's own libraries run, as they would at program start;
        // dlerror gives a C string that stays until this thread's next dl call.
        unsafe {
            let handle = libc::dlopen(name.as_ptr(), flags);
            if !handle.is_null() {
                return Ok(handle);
            }
            let reason = libc::dlerror();
            if reason.is_null() {
                return Err("dlopen failed without a reason".into());
            }
            Err(CStr::from_ptr(reason).to_string_lossy().into_owned())
        }
    }

    /// The newest CUDA version that the installed driver supports, if there is a driver.
    pub fn cuda_driver_version() -> Option<i32> {
        let driver = open(Path::new("libcuda.so.1"), libc::RTLD_LAZY).ok()?;
        // SAFETY: CUDA's driver API declares `CUresult cuDriverGetVersion(int *version)`.
        unsafe {
            let function = libc::dlsym(driver, c"cuDriverGetVersion".as_ptr());
            if function.is_null() {
                return None;
            }
            let get: unsafe extern "C" fn(*mut c_int) -> c_int = std::mem::transmute(function);
            let mut version = 0;
            (get(&mut version) == 0).then_some(version)
        }
    }
}

#[cfg(not(unix))]
mod load {
    use std::path::Path;

    pub fn global(_: &Path) -> Result<(), String> {
        Ok(()) // Windows loads what the program was linked with.
    }

    pub fn cuda_driver_version() -> Option<i32> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_and_written_alike() {
        for (text, choice) in [
            ("auto", Choice::Auto),
            ("cpu", Choice::Cpu),
            ("CPU", Choice::Cpu),
            ("cuda", Choice::Cuda(0)),
            ("cuda:0", Choice::Cuda(0)),
            ("cuda:11", Choice::Cuda(11)),
            ("mps", Choice::Mps),
        ] {
            assert_eq!(text.parse(), Ok(choice), "{text}");
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_allowed_list() {
        for text in [
            "",
            "gpu",
            "cuda:",
            "cuda:-1",
            "cuda:+1",
            "cuda:x",
            "cuda0",
            "cpu:0",
            "cuda:99999999999999999999",
        ] {
            let error = text.parse::<Choice>().unwrap_err();
            assert_eq!(error, DeviceError::Unknown(text.to_owned()));
            assert!(error.to_string().contains("auto, cpu, cuda, cuda:N or mps"));
        }
    }

    #[test]
    fn libtorch_cuda_is_looked_for_beside_libtorch_aside_and_by_name() {
        let found = candidates(Some("/x/.libtorch/torch/lib"));
        let expected = [
            "/x/.libtorch/torch/lib/libtorch_cuda.so",
            "/x/.libtorch/torch/cuda/libtorch_cuda.so",
            "libtorch_cuda.so",
        ];
        assert_eq!(found, expected.map(PathBuf::from));
        assert_eq!(candidates(None), [PathBuf::from("libtorch_cuda.so")]);
    }

    #[test]
    fn the_library_that_is_missing_is_named() {
        let name = Path::new("/x/cuda/libtorch_cuda.so");
        let because = |reason: &str| first_telling(DeviceError::CpuForm, name, reason);
        let absent = "cannot open shared object file: No such file or directory";
        assert_eq!(because(&format!("/x/cuda/libtorch_cuda.so: {absent}")), DeviceError::CpuForm);
        let error = because(&format!("libcublas.so.13: {absent}"));
        assert_eq!(error, DeviceError::MissingLibrary { library: "libcublas.so.13".into() });
        assert!(error.to_string().contains("libcublas.so.13 is missing"), "{error}");
        let wrapped =
            because(&format!("error while loading shared libraries: libnccl.so.2: {absent}"));
        assert_eq!(wrapped, DeviceError::MissingLibrary { library: "libnccl.so.2".into() });
        let other = because("/x/cuda/libtorch_cuda.so: undefined symbol: foo");
        assert!(matches!(&other, DeviceError::Unloadable { reason } if reason.contains("foo")));
        // What a later candidate says does not hide the first telling reason.
        assert_eq!(first_telling(error.clone(), name, "undefined symbol: bar"), error);
    }

    #[test]
    fn a_gpu_is_chosen_only_where_there_is_one() {
        let driver = |version| move || version;
        assert_eq!(choose_gpu(1, 2, driver(None)), Ok(Device::Cuda(1)));
        let error = choose_gpu(2, 2, driver(Some(13_000))).unwrap_err();
        assert_eq!(error, DeviceError::NoSuchGpu { asked: 2, count: 2 });
        assert!(error.to_string().contains("cuda:2") && error.to_string().contains("has 2"));
        assert_eq!(choose_gpu(0, 0, driver(None)), Err(DeviceError::NoDriver));
        let error = choose_gpu(0, 0, driver(Some(12_080))).unwrap_err();
        assert_eq!(error, DeviceError::OldDriver { found: 12_080 });
        assert!(error.to_string().contains("CUDA 12.8, and 13.0 is needed"), "{error}");
        assert!(matches!(choose_gpu(0, 0, driver(Some(13_000))), Err(DeviceError::NoGpu { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn the_loader_says_which_file_it_misses() {
        let reason = load::global(Path::new("libno_such_thing.so.7")).unwrap_err();
        assert_eq!(missing_library(&reason), Some("libno_such_thing.so.7"), "{reason}");
    }

    #[test]
    fn the_cpu_is_always_there_and_auto_never_fails() {
        assert_eq!(pick(Choice::Cpu), Ok(Device::Cpu));
        assert_eq!(name(Device::Cpu), "cpu");
        let auto = pick(Choice::Auto).unwrap();
        assert_eq!(auto, if tch::Cuda::is_available() { Device::Cuda(0) } else { Device::Cpu });
    }

    #[test]
    fn what_cannot_be_had_is_an_error_not_a_fallback() {
        if !tch::utils::has_mps() {
            assert_eq!(pick(Choice::Mps), Err(DeviceError::NoMps));
        }
        let error = pick(Choice::Cuda(999)).unwrap_err().to_string();
        assert!(error.contains("CUDA cannot be used") || error.contains("cuda:999"), "{error}");
    }
}
