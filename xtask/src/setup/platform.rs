//! Which wheels make a libtorch on which machine, and which of their files are needed.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::PathBuf;

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    LinuxX86_64,
    LinuxAarch64,
    MacArm64,
}

impl Platform {
    pub fn here() -> Result<Self> {
        Self::named(std::env::consts::OS, std::env::consts::ARCH)
    }

    fn named(os: &str, arch: &str) -> Result<Self> {
        match (os, arch) {
            ("linux", "x86_64") => Ok(Platform::LinuxX86_64),
            ("linux", "aarch64") => Ok(Platform::LinuxAarch64),
            ("macos", "aarch64") => Ok(Platform::MacArm64),
            ("macos", "x86_64") => bail!(
                "there is no libtorch {VERSION} for Intel Macs; use a Linux machine or container"
            ),
            (os, arch) => bail!(
                "no wheel of libtorch {VERSION} is known for {os} on {arch}; \
                 build it yourself and give it to `cargo setup --from-torch DIR`"
            ),
        }
    }

    pub fn is_mac(self) -> bool {
        self == Platform::MacArm64
    }

    /// Every platform tag, for pip, whose wheels run here. pip does not widen a given tag by itself.
    pub fn pip_tags(self) -> Vec<String> {
        let (arch, legacy): (_, &[&str]) = match self {
            Platform::MacArm64 => {
                return (11..=14).map(|v| format!("macosx_{v}_0_arm64")).collect();
            }
            Platform::LinuxX86_64 => ("x86_64", &["manylinux2014", "manylinux2010", "manylinux1"]),
            Platform::LinuxAarch64 => ("aarch64", &["manylinux2014"]),
        };
        let dated = (5..=28).rev().map(|minor| format!("manylinux_2_{minor}_{arch}"));
        dated.chain(legacy.iter().map(|tag| format!("{tag}_{arch}"))).collect()
    }
}

/// One wheel: what pip is asked for, and where known how large it is (0: unknown) and its hash.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wheel {
    pub name: String,
    pub version: String,
    #[serde(default)]
    pub bytes: u64,
    pub sha256: Option<String>,
}

/// The lists in xtask/wheels.toml, by name.
fn list(name: &str) -> Result<Vec<Wheel>> {
    let mut lists: HashMap<String, Vec<Wheel>> = toml::from_str(include_str!("../../wheels.toml"))?;
    lists.remove(name).with_context(|| format!("xtask/wheels.toml has no {name}"))
}

/// PyTorch's own CPU wheel.
pub fn pytorch_cpu_wheel() -> Result<Wheel> {
    list("pytorch-cpu")?.pop().context("xtask/wheels.toml has no wheel of PyTorch's own")
}

/// The registry's wheels that make `form` on `platform`.
pub fn registry_wheels(platform: Platform, form: Form) -> Result<Vec<Wheel>> {
    let mut wheels = list(match platform {
        Platform::LinuxX86_64 => "linux-x86_64",
        Platform::LinuxAarch64 => "linux-aarch64",
        Platform::MacArm64 => "macos-aarch64",
    })?;
    if form == Form::Cuda && !platform.is_mac() {
        let mut cuda = list("cuda")?;
        if platform != Platform::LinuxX86_64 {
            cuda.iter_mut().for_each(|wheel| wheel.sha256 = None);
        }
        wheels.extend(cuda);
    }
    Ok(wheels)
}

/// Where an entry of a wheel goes below `.libtorch/`; `None` for what a C++ program does not need.
///
/// libtorch_cuda.so stands aside in `torch/cuda`: were it in `torch/lib`, torch-sys would link it
/// into every binary, and none would start on a machine without all of CUDA. It is loaded at run
/// time instead, and the two libraries that libtorch_cpu opens by name stay in `torch/lib`.
pub fn place(entry: &str, platform: Platform, form: Form) -> Option<PathBuf> {
    let whole = ["torch/include/", "torch.libs/", "torch/.dylibs/"];
    if entry == "torch/version.py" || whole.iter().any(|folder| entry.starts_with(folder)) {
        return Some(entry.into());
    }
    if let Some(name) = entry.strip_prefix("torch/lib/") {
        return place_torch(name, platform, form);
    }
    let name = entry.strip_prefix("nvidia/")?.split("/lib/").nth(1)?;
    let needed = match form {
        Form::Cpu => name.starts_with("libcudart.so") || name.starts_with("libcupti.so"),
        Form::Cuda => name.contains(".so"),
    };
    needed.then(|| entry.into())
}

fn place_torch(name: &str, platform: Platform, form: Form) -> Option<PathBuf> {
    let stem = name.split('.').next()?;
    let library = !name.contains('/') && (name.contains(".so") || name.ends_with(".dylib"));
    let python = matches!(stem, "libtorch_python" | "libshm" | "libtorch_global_deps");
    // libtorch.so itself only names the others, libtorch_cuda among them: a linker script replaces it.
    if !library || python || (stem == "libtorch" && !platform.is_mac()) {
        return None;
    }
    let is_cuda = ["cuda", "nvrtc", "nvshmem"].iter().any(|part| stem.contains(part));
    match (stem, form) {
        ("libtorch_cuda" | "libc10_cuda" | "libtorch_nvshmem", Form::Cuda) => {
            Some(PathBuf::from("torch/cuda").join(name))
        }
        (_, Form::Cpu) if is_cuda => None,
        _ => Some(PathBuf::from("torch/lib").join(name)),
    }
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
            ("torch/version.py", SAME, SAME),
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
                let found = place(entry, Platform::LinuxX86_64, form).unwrap_or_default();
                assert_eq!(found, PathBuf::from(expected), "{entry} {form:?}");
            }
        }
        for (entry, kept) in [("libtorch", true), ("libomp", true), ("libtorch_python", false)] {
            let entry = format!("torch/lib/{entry}.dylib");
            assert_eq!(place(&entry, Platform::MacArm64, Form::Cpu).is_some(), kept, "{entry}");
        }
    }

    #[test]
    fn machines_without_a_wheel_are_told_so() {
        let error = |os, arch| Platform::named(os, arch).unwrap_err().to_string();
        assert_eq!(Platform::named("linux", "x86_64").unwrap(), Platform::LinuxX86_64);
        assert!(error("macos", "x86_64").contains("Intel"));
        assert!(error("linux", "riscv64").contains("--from-torch"));
    }

    #[test]
    fn every_x86_64_wheel_is_pinned() {
        for (platform, form, wheels, pinned) in [
            (Platform::LinuxX86_64, Form::Cpu, 3, 3),
            (Platform::LinuxX86_64, Form::Cuda, 16, 16),
            (Platform::LinuxAarch64, Form::Cuda, 16, 3),
            (Platform::MacArm64, Form::Cpu, 1, 1),
        ] {
            let all = registry_wheels(platform, form).unwrap();
            let hashes = all.iter().filter_map(|wheel| wheel.sha256.as_ref());
            assert_eq!((all[0].name.as_str(), all[0].version.as_str()), ("torch", VERSION));
            assert_eq!(all.len(), wheels, "{platform:?} {form:?}");
            assert_eq!(
                hashes.filter(|hash| hash.len() == 64).count(),
                pinned,
                "{platform:?} {form:?}"
            );
        }
        assert_eq!(pytorch_cpu_wheel().unwrap().version, format!("{VERSION}+cpu"));
    }

    #[test]
    fn pip_is_offered_every_tag_the_wheels_carry() {
        for (platform, tag) in [
            (Platform::LinuxX86_64, "manylinux_2_28_x86_64"),
            (Platform::LinuxX86_64, "manylinux_2_17_x86_64"),
            (Platform::LinuxX86_64, "manylinux1_x86_64"),
            (Platform::MacArm64, "macosx_14_0_arm64"),
        ] {
            assert!(platform.pip_tags().iter().any(|have| have == tag), "{tag}");
        }
    }
}
