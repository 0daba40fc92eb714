//! The few files that a wheel lacks and a build of torch-sys wants.

use anyhow::Result;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Completes `torch`: the version for torch-sys, libtorch.so as a linker script (the real one
/// drags in libtorch_cuda), libgomp under the name that `-lgomp` looks for, and the libraries that
/// CUDA opens by name beside libtorch_cuda.
pub fn finish(torch: &Path, version: &str) -> Result<()> {
    std::fs::write(torch.join("build-version"), format!("{version}\n"))?;
    let lib = torch.join("lib");
    if cfg!(target_os = "macos") {
        return Ok(());
    }
    std::fs::write(lib.join("libtorch.so"), "INPUT(libtorch_cpu.so libc10.so)\n")?;
    if lib.join("libgomp.so.1").exists() && !lib.join("libgomp.so").exists() {
        symlink("libgomp.so.1", lib.join("libgomp.so"))?;
    }
    for name in ["libtorch_cuda_linalg.so", "libcaffe2_nvrtc.so"] {
        let beside = torch.join("cuda").join(name);
        if lib.join(name).exists() && torch.join("cuda").is_dir() && !beside.exists() {
            symlink(Path::new("../lib").join(name), beside)?;
        }
    }
    Ok(())
}
