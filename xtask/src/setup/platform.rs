//! A platform tells which wheels make its libtorch, and which of their files are needed.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The version that tch 0.26 is written for: torch-sys refuses every other.
pub const VERSION: &str = "2.13.0";

/// With or without the CUDA libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    Cpu,
    Cuda,
}

impl Form {
    pub fn name(self) -> &'static str {
        match self {
            Form::Cpu => "cpu",
            Form::Cuda => "cuda",
        }
    }

    /// Bytes on disk once unpacked, generously.
    pub fn unpacked_bytes(self) -> u64 {
        match self {
            Form::Cpu => 500_000_000,
            Form::Cuda => 4_000_000_000,
        }
    }
}

/// What xtask/wheels.toml says of this kind of machine.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Platform {
    #[serde(default)]
    pub untried: bool,
    pub tags: Vec<String>,
    pub pytorch_cpu: Option<Wheel>,
    cpu: Vec<Wheel>,
    #[serde(default)]
    cuda: Vec<Wheel>,
}

/// One wheel: what pip is asked for, and where known how large it is (0: unknown), its hash, and
/// the index that alone has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wheel {
    pub name: String,
    pub version: String,
    #[serde(default)]
    pub bytes: u64,
    pub sha256: Option<String>,
    pub index: Option<String>,
}

impl Platform {
    pub fn here() -> Result<Self> {
        Self::named(std::env::consts::OS, std::env::consts::ARCH)
    }

    fn named(os: &str, arch: &str) -> Result<Self> {
        let mut all: HashMap<String, Self> = toml::from_str(include_str!("../../wheels.toml"))?;
        match (all.remove(&format!("{os}-{arch}")), os, arch) {
            (Some(platform), ..) => Ok(platform),
            (None, "macos", "x86_64") => bail!(
                "there is no libtorch {VERSION} for Intel Macs; use a Linux machine or container"
            ),
            _ => bail!(
                "no wheel of libtorch {VERSION} is known for {os} on {arch}; \
                 build it yourself and give it to `cargo setup --from-torch DIR`"
            ),
        }
    }

    pub fn has_cuda(&self) -> bool {
        !self.cuda.is_empty()
    }

    /// The registry's wheels that make this form.
    pub fn wheels(&self, form: Form) -> Vec<Wheel> {
        match form {
            Form::Cpu => self.cpu.clone(),
            Form::Cuda => [&self.cpu[..], &self.cuda].concat(),
        }
    }
}

/// Where an entry of a wheel goes below `.libtorch/`; `None` for what a C++ program does not need.
///
/// libtorch_cuda.so stands aside in `torch/cuda`: were it in `torch/lib`, torch-sys would link it
/// into every binary, and none would start on a machine without all of CUDA. It is loaded at run
/// time instead, and the two libraries that libtorch_cpu opens by name stay in `torch/lib`.
/// libtorch.so only names the others, libtorch_cuda among them: a linker script replaces it.
pub fn place(entry: &str, form: Form) -> Option<PathBuf> {
    let whole = ["torch/include/", "torch.libs/", "torch/.dylibs/"];
    if whole.iter().any(|folder| entry.starts_with(folder)) {
        return Some(entry.into());
    }
    let (folder, name) = entry.rsplit_once('/')?;
    let (stem, cuda) = (name.split('.').next()?, form == Form::Cuda);
    let library = name.contains(".so") || name.ends_with(".dylib");
    let needed = match (folder, stem) {
        ("torch/lib", "libtorch_cuda" | "libc10_cuda" | "libtorch_nvshmem") => {
            return cuda.then(|| Path::new("torch/cuda").join(name));
        }
        ("torch/lib", "libtorch_python" | "libshm" | "libtorch_global_deps") => false,
        ("torch/lib", _) => {
            let of_cuda = ["cuda", "nvrtc", "nvshmem"].iter().any(|part| stem.contains(part));
            name != "libtorch.so" && (cuda || !of_cuda)
        }
        _ => {
            let nvidia = folder.starts_with("nvidia/") && folder.ends_with("/lib");
            nvidia && (cuda || matches!(stem, "libcudart" | "libcupti"))
        }
    };
    (library && needed).then(|| entry.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_takes_what_its_programs_need_and_hides_cuda_from_the_linker() {
        const SAME: &str = "the same place";
        const NONE: &str = "";
        // entry, its place in the CPU form, its place in the CUDA form
        for (entry, cpu, cuda) in [
            ("torch/include/ATen/ATen.h", SAME, SAME),
            ("torch/lib/libtorch_cpu.so", SAME, SAME),
            ("torch/lib/libc10.so", SAME, SAME),
            ("torch/lib/libgomp.so.1", SAME, SAME),
            ("nvidia/cu13/lib/libcudart.so.13", SAME, SAME),
            ("nvidia/cu13/lib/libcupti.so.13", SAME, SAME),
            ("torch/__init__.py", NONE, NONE),
            ("torch/lib/libtorch.so", NONE, NONE),
            ("torch/lib/libtorch_python.so", NONE, NONE),
            ("torch/lib/libshm/core.h", NONE, NONE),
            ("nvidia/cu13/lib/libcudadevrt.a", NONE, NONE),
            ("nvidia/cu13/lib/libcudart_static.a", NONE, NONE),
            ("nvidia/cu13/include/cuda.h", NONE, NONE),
            ("nvidia/cu13/lib/libnvperf_host.so", NONE, SAME),
            ("nvidia/cudnn/lib/libcudnn.so.9", NONE, SAME),
            ("torch/lib/libtorch_cuda_linalg.so", NONE, SAME),
            ("torch/lib/libcaffe2_nvrtc.so", NONE, SAME),
            ("torch/lib/libtorch_cuda.so", NONE, "torch/cuda/libtorch_cuda.so"),
            ("torch/lib/libc10_cuda.so", NONE, "torch/cuda/libc10_cuda.so"),
            ("torch/lib/libtorch_nvshmem.so", NONE, "torch/cuda/libtorch_nvshmem.so"),
        ] {
            for (form, expected) in [(Form::Cpu, cpu), (Form::Cuda, cuda)] {
                let expected = if expected == SAME { entry } else { expected };
                let found = place(entry, form).unwrap_or_default();
                assert_eq!(found, PathBuf::from(expected), "{entry} {form:?}");
            }
        }
        for (entry, kept) in [("libtorch", true), ("libomp", true), ("libtorch_python", false)] {
            let entry = format!("torch/lib/{entry}.dylib");
            assert_eq!(place(&entry, Form::Cpu).is_some(), kept, "{entry}");
        }
    }

    #[test]
    fn machines_without_a_wheel_are_told_so() {
        for (os, arch, reason) in
            [("macos", "x86_64", "Intel"), ("linux", "riscv64", "--from-torch DIR")]
        {
            let error = Platform::named(os, arch).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn wheels_are_pinned() {
        for (os, arch, form, wheels, pinned) in [
            ("linux", "x86_64", Form::Cpu, 3, 3),
            ("linux", "x86_64", Form::Cuda, 16, 16),
            ("linux", "aarch64", Form::Cuda, 16, 3),
            ("macos", "aarch64", Form::Cpu, 1, 1),
        ] {
            let platform = Platform::named(os, arch).unwrap();
            let all = platform.wheels(form);
            let hashes = all.iter().filter_map(|wheel| wheel.sha256.as_ref());
            assert_eq!((all[0].name.as_str(), all[0].version.as_str()), ("torch", VERSION));
            assert_eq!(all.len(), wheels, "{os} {arch}");
            assert_eq!(hashes.filter(|hash| hash.len() == 64).count(), pinned, "{os} {arch}");
            let cpu = platform.pytorch_cpu.map(|wheel| wheel.version);
            assert_eq!(cpu, (os == "linux").then(|| format!("{VERSION}+cpu")));
        }
    }
}
