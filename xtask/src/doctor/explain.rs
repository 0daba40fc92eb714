//! Known error messages of a tch set-up, each with its cause and its fix here.

/// A message is recognised if every part of one of `patterns` occurs in it, in any letter case.
#[derive(Debug)]
pub struct Symptom {
    pub patterns: &'static [&'static [&'static str]],
    pub cause: &'static str,
    pub fix: &'static str,
}

/// The symptoms that `text` shows, the most telling first.
pub fn explain(text: &str) -> Vec<&'static Symptom> {
    let text = text.to_lowercase();
    let shows = |symptom: &&Symptom| {
        symptom
            .patterns
            .iter()
            .any(|parts| parts.iter().all(|part| text.contains(&part.to_lowercase())))
    };
    SYMPTOMS.iter().filter(shows).collect()
}

static SYMPTOMS: &[Symptom] = &[
    Symptom {
        patterns: &[
            &["libtorch_cpu.so: cannot open shared object"],
            &["libtorch.so: cannot open shared object"],
            &["libc10.so: cannot open shared object"],
            &["library not loaded", "libtorch"],
            &["library not loaded", "libc10"],
        ],
        cause: "The program does not know where libtorch is: only binaries, tests and examples of \
                this package get its path (rpath), not those of a crate that depends on it, and \
                .libtorch may have moved since the build.",
        fix: "run it through `cargo run`/`cargo chapter NN` in this repository; in a crate of your \
              own copy build.rs and depend on torch-sys directly; after moving the repository \
              `cargo clean -p torch-sys -p from-noise`",
    },
    Symptom {
        patterns: &[
            &["libcudart.so", "cannot open shared object"],
            &["libcupti.so", "cannot open shared object"],
        ],
        cause: "Even the CPU libraries of the registry's wheel need CUDA's run time and profiler, \
                and .libtorch/nvidia lacks them or is not beside .libtorch/torch.",
        fix: "`rm -r .libtorch && cargo setup`",
    },
    Symptom {
        patterns: &[
            &["libcublas", "cannot open shared object"],
            &["libcudnn", "cannot open shared object"],
            &["libnccl", "cannot open shared object"],
            &["libcusparse", "cannot open shared object"],
            &["libcufft", "cannot open shared object"],
            &["libcurand", "cannot open shared object"],
            &["libnvrtc", "cannot open shared object"],
            &["libnvshmem", "cannot open shared object"],
            &["libc10_cuda", "cannot open shared object"],
            &["libtorch_cuda.so: cannot open shared object"],
        ],
        cause: "CUDA's libraries are not installed with this libtorch.",
        fix: "`cargo setup --cuda`, or stay on the CPU with `--device cpu`",
    },
    Symptom {
        patterns: &[
            &["cuda_if_available"],
            &["not linked with support for cuda"],
            &["cannot initialize cuda without"],
            &["torch not compiled with cuda"],
            &["from the 'cuda' backend"],
        ],
        cause: "The linker drops libtorch_cuda (--as-needed), so tch finds no GPU unless the \
                library is loaded before the first question about CUDA. from-noise does that in \
                device::pick.",
        fix: "use `--device cuda` (or from_noise::util::device::pick) instead of \
              Device::cuda_if_available, and `cargo setup --cuda` if the CPU form is installed",
    },
    Symptom {
        patterns: &[
            &["cuda driver version is insufficient"],
            &["driver on your system is too old"],
            &["cuda_error_system_driver_mismatch"],
        ],
        cause: "libtorch 2.13.0's wheels are built for CUDA 13.0 and the NVIDIA driver is older.",
        fix: "update the NVIDIA driver until `nvidia-smi` says CUDA 13.0 or more",
    },
    Symptom {
        patterns: &[&["no kernel image is available"]],
        cause: "This GPU is too old for the CUDA 13 build of libtorch.",
        fix: "`--device cpu`, or a libtorch 2.13.0 built for the GPU with `cargo setup --from-torch DIR`",
    },
    Symptom {
        patterns: &[&["cuda out of memory"], &["cuda error: out of memory"]],
        cause: "The GPU's memory is full.",
        fix: "a smaller batch or `--preset cpu`, and `nvidia-smi` to see who else uses the GPU",
    },
    Symptom {
        patterns: &[&["this tch version expects pytorch"]],
        cause: "LIBTORCH (or the Python of LIBTORCH_USE_PYTORCH) is not libtorch 2.13.0, the only \
                version that tch 0.26 fits.",
        fix: "unset LIBTORCH and LIBTORCH_USE_PYTORCH, then `cargo setup`; the escape hatch \
              LIBTORCH_BYPASS_VERSION_CHECK=1 is yours to answer for",
    },
    Symptom {
        patterns: &[
            &["cannot find a libtorch install"],
            &["torch/csrc/autograd/engine.h"],
            &["torch/torch.h: no such file"],
            &["fatal error: aten/", "no such file"],
            &["torch-sys", "file not found", "torch/"],
        ],
        cause: "torch-sys was compiled before libtorch was there, or outside this repository, where \
                .cargo/config.toml (which names .libtorch) is not read.",
        fix: "`cargo setup` in the repository, and cargo (rust-analyzer too) started inside it",
    },
    Symptom {
        patterns: &[
            &["cannot find -ltorch"],
            &["unable to find library -ltorch"],
            &["cannot find -lc10"],
            &["unable to find library -lc10"],
            &["library 'torch"],
            &["could not find native static library `tch`"],
        ],
        cause: "torch-sys remembers a folder that has no libtorch any more: a removed virtual \
                environment of LIBTORCH_USE_PYTORCH, a moved repository, an old LIBTORCH.",
        fix: "unset LIBTORCH and LIBTORCH_USE_PYTORCH, `cargo setup`, `cargo clean -p torch-sys`",
    },
    Symptom {
        patterns: &[&["cannot find -lgomp"], &["unable to find library -lgomp"]],
        cause: "torch-sys links OpenMP's run time, which comes with g++.",
        fix: "`cargo setup` puts libgomp beside libtorch; with a libtorch of your own install g++",
    },
    Symptom {
        patterns: &[&["undefined", "__cxx11"]],
        cause: "Two C++ ABIs meet: libtorch 2.13.0 uses the new one and torch-sys was told to use \
                the old.",
        fix: "unset LIBTORCH_CXX11_ABI, then `cargo clean -p torch-sys`",
    },
    Symptom {
        patterns: &[
            &["undefined symbol", "c10"],
            &["undefined symbol", "at::"],
            &["symbol lookup error", "torch"],
            &["undefined symbol: _zn2at"],
            &["undefined symbol: _zn5torch"],
        ],
        cause: "The program found another version's libtorch at run time.",
        fix: "take that libtorch out of LD_LIBRARY_PATH (`cargo xtask doctor` says which folder)",
    },
    Symptom {
        patterns: &[&["version `glibcxx_", "not found"], &["version `cxxabi_", "not found"]],
        cause: "An old libstdc++ comes first, usually a conda environment's.",
        fix: "`conda deactivate`, or take its lib folder out of LD_LIBRARY_PATH",
    },
    Symptom {
        patterns: &[&["version `glibc_", "not found"]],
        cause: "libtorch's wheels need glibc 2.28 or newer (Debian 10, Ubuntu 18.10, RHEL 8).",
        fix: "a newer system or container",
    },
    Symptom {
        patterns: &[
            &["env variable libtorch changed"],
            &["rebuilds torch-sys"],
            &["recompiles torch-sys"],
            &["dirty torch-sys"],
        ],
        cause: "torch-sys is compiled again whenever LIBTORCH differs from the last build, for \
                example between a shell that exports it and rust-analyzer.",
        fix: "do not export LIBTORCH: .cargo/config.toml sets it for cargo and rust-analyzer alike \
              (`cargo setup --from-torch DIR` for a libtorch of your own)",
    },
    Symptom {
        patterns: &[&["rust-analyzer", "torch-sys"], &["failed to run build scripts", "torch-sys"]],
        cause: "rust-analyzer runs torch-sys's build script with the editor's environment.",
        fix: "`cargo setup`, unset LIBTORCH for the editor, open the repository's root folder, \
              restart rust-analyzer",
    },
    Symptom {
        patterns: &[
            &["killed signal terminated program cc1plus"],
            &["cc1plus", "out of memory"],
            &["virtual memory exhausted"],
            &["torch-sys", "sigkill"],
            &["internal compiler error: killed"],
        ],
        cause: "The C++ half of tch is one large file: compiling it takes about 1.5 GB of memory \
                and one or two minutes of one core.",
        fix: "close other programs, or `CARGO_BUILD_JOBS=1 cargo build`",
    },
    Symptom {
        patterns: &[
            &["failed to find tool \"c++\""],
            &["failed to find tool \"g++\""],
            &["failed to find tool \"clang++\""],
            &["c++", "command not found"],
            &["failed to execute command", "c++"],
        ],
        cause: "There is no C++ compiler, and torch-sys is partly C++17.",
        fix: "install g++ (Debian, Ubuntu), gcc-c++ (Fedora) or run `xcode-select --install` (macOS)",
    },
    Symptom {
        patterns: &[&["linker `cc` not found"]],
        cause: "Rust itself needs a C compiler to link.",
        fix: "install build-essential (Debian, Ubuntu), gcc-c++ (Fedora) or run `xcode-select --install` (macOS)",
    },
    Symptom {
        patterns: &[
            &["no module named pip"],
            &["pip: command not found"],
            &["pip3: command not found"],
        ],
        cause: "pip, which fetches libtorch, is missing.",
        fix: "install python3-pip (Debian, Ubuntu, Fedora), or `brew install python` (macOS)",
    },
    Symptom {
        patterns: &[
            &["requires rustc"],
            &["is not supported by the following package"],
            &["edition2024"],
        ],
        cause: "This Rust is too old.",
        fix: "`rustup update stable`",
    },
    Symptom {
        patterns: &[&["no space left on device"]],
        cause: "The disk is full: libtorch takes half a gigabyte, a build one or two.",
        fix: "make room; `cargo clean` removes builds, `.libtorch/downloads` may be deleted",
    },
    Symptom {
        patterns: &[&["mps", "float64"], &["mps", "double"]],
        cause: "Apple's GPU has no 64-bit floats.",
        fix: "keep f64 tensors (scores, statistics) on the CPU, or `--device cpu`",
    },
    Symptom {
        patterns: &[&["symbol(s) not found for architecture"], &["incompatible architecture"]],
        cause: "An Intel libtorch or an Intel Rust (Rosetta) meets an Apple Silicon one.",
        fix: "`rustup default stable-aarch64-apple-darwin`, `cargo clean -p torch-sys`, `cargo setup`; \
              DYLD_LIBRARY_PATH is not needed",
    },
    Symptom {
        patterns: &[&["0xc0000135"], &["torch.lib"], &["c10.dll"], &["torch_cpu.dll"]],
        cause: "Windows is not among the systems this is built for.",
        fix: "use WSL2, where everything works as on Linux",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A message as it was seen, and a word of the fix it must lead to.
    const SEEN: &[(&str, &str)] = &[
        (
            "target/debug/ch01-forward: error while loading shared libraries: libtorch_cpu.so: cannot open shared object file: No such file or directory",
            "copy build.rs",
        ),
        ("dyld[4242]: Library not loaded: @rpath/libtorch_cpu.dylib", "copy build.rs"),
        (
            "libcudart.so.13: cannot open shared object file: No such file or directory",
            "rm -r .libtorch",
        ),
        (
            "libcublas.so.13: cannot open shared object file: No such file or directory",
            "cargo setup --cuda",
        ),
        ("Device::cuda_if_available() returns Cpu", "device::pick"),
        ("PyTorch is not linked with support for cuda devices", "device::pick"),
        ("CUDA driver version is insufficient for CUDA runtime version", "nvidia-smi"),
        ("CUDA error: no kernel image is available for execution on the device", "--device cpu"),
        ("CUDA out of memory. Tried to allocate 20.00 MiB", "smaller batch"),
        (
            "Error: this tch version expects PyTorch 2.13.0, got 2.12.0, this check can be bypassed",
            "cargo setup",
        ),
        ("Cannot find a libtorch install, you can either:", "started inside it"),
        (
            "libtch/torch_api.cpp:1:9: fatal error: torch/csrc/autograd/engine.h: No such file or directory",
            "started inside it",
        ),
        ("rust-lld: error: unable to find library -ltorch_cpu", "cargo clean -p torch-sys"),
        ("/usr/bin/ld: cannot find -ltorch: No such file or directory", "cargo clean -p torch-sys"),
        ("rust-lld: error: unable to find library -lgomp", "g++"),
        (
            "undefined reference to `c10::Error::Error(c10::SourceLocation, std::__cxx11::basic_string<char>)'",
            "LIBTORCH_CXX11_ABI",
        ),
        (
            "symbol lookup error: ./ch01: undefined symbol: _ZN2at4_ops3add4callE, libtorch_cpu.so",
            "LD_LIBRARY_PATH",
        ),
        ("/lib/libstdc++.so.6: version `GLIBCXX_3.4.30' not found", "conda deactivate"),
        ("/lib64/libc.so.6: version `GLIBC_2.28' not found", "newer system"),
        ("Dirty torch-sys v0.26.0: the env variable LIBTORCH changed", "do not export LIBTORCH"),
        ("rust-analyzer failed to run build scripts: torch-sys", "restart rust-analyzer"),
        ("c++: fatal error: Killed signal terminated program cc1plus", "CARGO_BUILD_JOBS=1"),
        ("failed to find tool \"c++\": No such file or directory (os error 2)", "g++"),
        ("error: linker `cc` not found", "build-essential"),
        ("/usr/bin/python3: No module named pip", "python3-pip"),
        (
            "error: rustc 1.80.0 is not supported by the following package: from-noise requires rustc 1.95",
            "rustup update",
        ),
        ("No space left on device (os error 28)", "make room"),
        (
            "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64",
            "--device cpu",
        ),
        ("ld: symbol(s) not found for architecture arm64", "aarch64-apple-darwin"),
        ("exit code: 0xc0000135, STATUS_DLL_NOT_FOUND", "WSL2"),
    ];

    #[test]
    fn every_known_message_leads_to_its_fix() {
        for (message, word) in SEEN {
            let found = explain(message);
            let first =
                found.first().unwrap_or_else(|| panic!("nothing is known about {message:?}"));
            assert!(first.fix.contains(word), "{message:?} leads to {:?}", first.fix);
        }
    }

    #[test]
    fn every_row_is_reached_by_a_message_seen() {
        for symptom in SYMPTOMS {
            let reached = SEEN
                .iter()
                .any(|(message, _)| explain(message).iter().any(|s| std::ptr::eq(*s, symptom)));
            assert!(reached, "no message in SEEN shows: {}", symptom.cause);
        }
    }

    #[test]
    fn an_unknown_message_is_not_guessed_at() {
        for message in ["", "error[E0308]: mismatched types", "thread 'main' panicked", "torch"] {
            assert!(explain(message).is_empty(), "{message}");
        }
    }
}
