//! Which wheels make a libtorch on which machine, and which of their files are needed.

use anyhow::{Result, bail};
use std::path::PathBuf;

/// The version that tch 0.26 is written for: torch-sys refuses every other.
pub const VERSION: &str = "2.13.0";

/// With or without the CUDA libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

    pub fn parse(name: &str) -> Option<Self> {
        [Form::Cpu, Form::Cuda].into_iter().find(|form| form.name() == name)
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

/// One wheel: what pip is asked for, how large it is (0: unknown), and the hash it must have where known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wheel {
    pub name: &'static str,
    pub version: &'static str,
    pub bytes: u64,
    pub sha256: Option<&'static str>,
}

const fn wheel(
    name: &'static str,
    version: &'static str,
    bytes: u64,
    sha256: &'static str,
) -> Wheel {
    Wheel { name, version, bytes, sha256: Some(sha256) }
}

#[rustfmt::skip]
const TORCH_LINUX_X86_64: Wheel =
    wheel("torch", VERSION, 526_574_961, "60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7");
#[rustfmt::skip]
const TORCH_LINUX_AARCH64: Wheel =
    wheel("torch", VERSION, 427_199_369, "092790c696a760c729fd5722835f50b9d81fd7c8f141571f3f3cf4081a8f664c");
#[rustfmt::skip]
const TORCH_MAC_ARM64: Wheel =
    wheel("torch", VERSION, 111_187_938, "e76f9bcecc52b8ff711239a2f7547d5353df95878ab232f0773c1d95928b92f8");

/// PyTorch's own CPU wheel, about which its index alone knows size and hash.
pub const TORCH_CPU_INDEX: Wheel =
    Wheel { name: "torch", version: "2.13.0+cpu", bytes: 0, sha256: None };

/// libtorch_cpu of the registry's Linux wheels was built with CUDA's profiler in it.
#[rustfmt::skip]
const NEEDED_BY_CPU_X86_64: [Wheel; 2] = [
    wheel("nvidia-cuda-runtime", "13.0.96", 2_243_632, "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548"),
    wheel("nvidia-cuda-cupti", "13.0.85", 10_715_597, "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8"),
];
#[rustfmt::skip]
const NEEDED_BY_CPU_AARCH64: [Wheel; 2] = [
    wheel("nvidia-cuda-runtime", "13.0.96", 2_261_060, "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55"),
    wheel("nvidia-cuda-cupti", "13.0.85", 10_310_827, "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151"),
];

/// What torch 2.13.0 itself requires on Linux (its metadata, and cuda-toolkit 13.0.3's), without triton.
#[rustfmt::skip]
const NEEDED_BY_CUDA: [Wheel; 13] = [
    wheel("nvidia-cublas", "13.1.1.3", 423_138_758, "37936a16db8fe4ac1f065c2139360608a543a09275cb1a1af612e08cfa065436"),
    wheel("nvidia-cuda-nvrtc", "13.0.88", 90_215_200, "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575"),
    wheel("nvidia-cudnn-cu13", "9.20.0.48", 366_173_588, "0c45dd8eeb50b603f07995b1b300c62ffe6a1980482b82b3bcf94a4ca9d49304"),
    wheel("nvidia-cufft", "12.0.0.61", 214_085_489, "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3"),
    wheel("nvidia-cufile", "1.15.1.6", 1_223_672, "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44"),
    wheel("nvidia-curand", "10.4.0.35", 59_544_258, "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc"),
    wheel("nvidia-cusolver", "12.0.4.66", 200_941_980, "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112"),
    wheel("nvidia-cusparse", "12.6.3.3", 145_942_937, "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b"),
    wheel("nvidia-cusparselt-cu13", "0.8.1", 170_148_586, "786ce87568c303fadb5afcc7102d454cd3040d75f6f8626f5db460d1871f4dd0"),
    wheel("nvidia-nccl-cu13", "2.29.7", 205_976_000, "edd81538446786ec3b73972543e53bb43bcaf0bfc8ef76cb679fcc390ffe136d"),
    wheel("nvidia-nvjitlink", "13.0.88", 40_713_933, "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b"),
    wheel("nvidia-nvshmem-cu13", "3.4.5", 60_412_546, "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80"),
    wheel("nvidia-nvtx", "13.0.85", 148_047, "4936d1d6780fbe68db454f5e72a42ff64d1fd6397df9f363ae786930fd5c1cd4"),
];

/// The registry's wheels that make `form` on `platform`.
pub fn registry_wheels(platform: Platform, form: Form) -> Vec<Wheel> {
    let mut wheels = match platform {
        Platform::MacArm64 => vec![TORCH_MAC_ARM64],
        Platform::LinuxX86_64 => [&[TORCH_LINUX_X86_64][..], &NEEDED_BY_CPU_X86_64].concat(),
        Platform::LinuxAarch64 => [&[TORCH_LINUX_AARCH64][..], &NEEDED_BY_CPU_AARCH64].concat(),
    };
    if form == Form::Cuda && !platform.is_mac() {
        // The hashes are those of the x86-64 files; elsewhere each file is held against its RECORD.
        let pinned = platform == Platform::LinuxX86_64;
        let unpinned = |wheel: Wheel| Wheel { sha256: wheel.sha256.filter(|_| pinned), ..wheel };
        wheels.extend(NEEDED_BY_CUDA.map(unpinned));
    }
    wheels
}

/// Bytes on disk once unpacked, generously.
pub fn unpacked_bytes(form: Form) -> u64 {
    match form {
        Form::Cpu => 500_000_000,
        Form::Cuda => 4_000_000_000,
    }
}

/// Where an entry of a wheel goes below `.libtorch/`; `None` for what a C++ program does not need.
///
/// libtorch_cuda.so stands aside in `torch/cuda`: were it in `torch/lib`, torch-sys would link it
/// into every binary, and none would start on a machine without all of CUDA. It is loaded at run
/// time instead, and the two libraries that libtorch_cpu opens by name stay in `torch/lib`.
pub fn place(entry: &str, platform: Platform, form: Form) -> Option<PathBuf> {
    let path = PathBuf::from(entry);
    if entry == "torch/version.py" || entry.starts_with("torch/include/") {
        return Some(path);
    }
    if entry.starts_with("torch.libs/") || entry.starts_with("torch/.dylibs/") {
        return Some(path);
    }
    if let Some(name) = entry.strip_prefix("torch/lib/") {
        return place_torch(name, platform, form);
    }
    let name = entry.strip_prefix("nvidia/")?.split("/lib/").nth(1)?;
    let needed = match form {
        Form::Cpu => name.starts_with("libcudart.so") || name.starts_with("libcupti.so"),
        Form::Cuda => name.contains(".so"),
    };
    needed.then_some(path)
}

fn place_torch(name: &str, platform: Platform, form: Form) -> Option<PathBuf> {
    let stem = name.split('.').next()?;
    let library = !name.contains('/') && (name.contains(".so") || name.ends_with(".dylib"));
    let python = matches!(stem, "libtorch_python" | "libshm" | "libtorch_global_deps");
    // libtorch.so itself only names the others, libtorch_cuda among them: a linker script replaces it.
    if !library || python || (stem == "libtorch" && !platform.is_mac()) {
        return None;
    }
    match (stem, form) {
        ("libtorch_cuda" | "libc10_cuda" | "libtorch_nvshmem", Form::Cuda) => {
            Some(PathBuf::from("torch/cuda").join(name))
        }
        (stem, Form::Cpu) if is_cuda(stem) => None,
        _ => Some(PathBuf::from("torch/lib").join(name)),
    }
}

fn is_cuda(stem: &str) -> bool {
    stem.contains("cuda") || stem.contains("nvrtc") || stem.contains("nvshmem")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(entry: &str, form: Form) -> Option<String> {
        place(entry, Platform::LinuxX86_64, form).map(|path| path.display().to_string())
    }

    #[test]
    fn the_cpu_form_takes_what_a_cpu_program_needs() {
        for entry in [
            "torch/version.py",
            "torch/include/ATen/ATen.h",
            "torch/lib/libtorch_cpu.so",
            "torch/lib/libc10.so",
            "torch/lib/libgomp.so.1",
            "nvidia/cu13/lib/libcudart.so.13",
            "nvidia/cu13/lib/libcupti.so.13",
        ] {
            assert_eq!(placed(entry, Form::Cpu).as_deref(), Some(entry));
        }
        for entry in [
            "torch/__init__.py",
            "torch/lib/libtorch.so",
            "torch/lib/libtorch_cuda.so",
            "torch/lib/libtorch_cuda_linalg.so",
            "torch/lib/libc10_cuda.so",
            "torch/lib/libcaffe2_nvrtc.so",
            "torch/lib/libtorch_nvshmem.so",
            "torch/lib/libtorch_python.so",
            "torch/lib/libshm/core.h",
            "nvidia/cu13/lib/libcudadevrt.a",
            "nvidia/cu13/lib/libnvperf_host.so",
            "nvidia/cu13/include/cuda.h",
        ] {
            assert_eq!(placed(entry, Form::Cpu), None, "{entry}");
        }
    }

    #[test]
    fn the_cuda_form_keeps_libtorch_cuda_out_of_the_linkers_sight() {
        let cuda = |entry| placed(entry, Form::Cuda).unwrap();
        assert_eq!(cuda("torch/lib/libtorch_cuda.so"), "torch/cuda/libtorch_cuda.so");
        assert_eq!(cuda("torch/lib/libc10_cuda.so"), "torch/cuda/libc10_cuda.so");
        assert_eq!(cuda("torch/lib/libtorch_nvshmem.so"), "torch/cuda/libtorch_nvshmem.so");
        assert_eq!(cuda("torch/lib/libtorch_cuda_linalg.so"), "torch/lib/libtorch_cuda_linalg.so");
        assert_eq!(cuda("torch/lib/libtorch_cpu.so"), "torch/lib/libtorch_cpu.so");
        assert_eq!(cuda("nvidia/cudnn/lib/libcudnn.so.9"), "nvidia/cudnn/lib/libcudnn.so.9");
        assert_eq!(placed("nvidia/cu13/lib/libcudart_static.a", Form::Cuda), None);
        assert_eq!(placed("torch/lib/libtorch.so", Form::Cuda), None);
    }

    #[test]
    fn the_mac_keeps_its_own_libtorch() {
        let mac = |entry| place(entry, Platform::MacArm64, Form::Cpu);
        assert!(mac("torch/lib/libtorch.dylib").is_some());
        assert!(mac("torch/lib/libomp.dylib").is_some());
        assert!(mac("torch/lib/libtorch_python.dylib").is_none());
    }

    #[test]
    fn machines_without_a_wheel_are_told_so() {
        assert_eq!(Platform::named("linux", "x86_64").unwrap(), Platform::LinuxX86_64);
        assert!(Platform::named("macos", "x86_64").unwrap_err().to_string().contains("Intel"));
        assert!(
            Platform::named("linux", "riscv64").unwrap_err().to_string().contains("--from-torch")
        );
    }

    #[test]
    fn every_x86_64_wheel_is_pinned() {
        for form in [Form::Cpu, Form::Cuda] {
            let wheels = registry_wheels(Platform::LinuxX86_64, form);
            assert!(wheels.iter().all(|wheel| wheel.sha256.is_some_and(|hash| hash.len() == 64)));
        }
        assert_eq!(registry_wheels(Platform::LinuxX86_64, Form::Cuda).len(), 16);
        let aarch64 = registry_wheels(Platform::LinuxAarch64, Form::Cuda);
        assert_eq!(aarch64.iter().filter(|wheel| wheel.sha256.is_some()).count(), 3);
    }

    #[test]
    fn pip_is_offered_every_tag_the_wheels_carry() {
        let tags = Platform::LinuxX86_64.pip_tags();
        for tag in ["manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux1_x86_64"] {
            assert!(tags.iter().any(|have| have == tag), "{tag}");
        }
        assert!(Platform::MacArm64.pip_tags().contains(&"macosx_14_0_arm64".to_owned()));
    }
}
