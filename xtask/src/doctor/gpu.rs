//! The NVIDIA driver, and whether the installed libtorch can use it.

use super::checks::{advice, says};
use super::finding::Finding;
use crate::repo::{Origin, Repo};
use crate::setup::{load, needs};

/// The CUDA version of libtorch 2.13.0's wheels.
const CUDA: (u32, u32) = (13, 0);

pub fn all(repo: &Repo) -> Vec<Finding> {
    if cfg!(target_os = "macos") {
        return Vec::new();
    }
    let torch = match repo.origin() {
        Origin::Own(dir) => dir,
        _ => repo.torch(),
    };
    let (mut cpu, cuda) = load::libraries(&torch);
    let driver = needs::nvidia_driver();
    let mut all = vec![verdict(driver, !cuda.is_empty())];
    if driver {
        all.extend(says("nvidia-smi", &[]).map(|text| driver_version(&text)));
    }
    if !cuda.is_empty() {
        cpu.extend(cuda);
        all.push(match load::trial(&cpu, repo.user_library_path().as_deref()) {
            Ok(()) => Finding::ok("CUDA", "libtorch_cuda and all it needs load"),
            Err(reason) => {
                Finding::fail("CUDA", reason.clone(), advice(&reason, "`cargo setup --cuda`"))
            }
        });
    }
    all
}

fn verdict(driver: bool, cuda: bool) -> Finding {
    match (driver, cuda) {
        (true, true) => Finding::ok("GPU", "there is an NVIDIA driver, and libtorch has CUDA"),
        (true, false) => Finding::warn(
            "GPU",
            "there is an NVIDIA driver, but libtorch is the CPU form",
            "`cargo setup --cuda`",
        ),
        (false, true) => Finding::warn(
            "GPU",
            "libtorch has CUDA, but there is no NVIDIA driver: everything runs on the CPU",
            "install the NVIDIA driver (on a machine without such a GPU nothing is wrong)",
        ),
        (false, false) => Finding::ok("GPU", "no NVIDIA driver: everything runs on the CPU"),
    }
}

/// nvidia-smi's head line says the newest CUDA version that the driver supports.
fn driver_version(smi: &str) -> Finding {
    let number = smi.split("CUDA Version:").nth(1).and_then(|rest| rest.split_whitespace().next());
    let parsed = number.and_then(|text| {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    });
    match parsed {
        Some(found) if found >= CUDA => {
            Finding::ok("driver", format!("goes up to CUDA {}.{}", found.0, found.1))
        }
        Some(found) => Finding::fail(
            "driver",
            format!(
                "goes up to CUDA {}.{}, and libtorch needs {}.{}",
                found.0, found.1, CUDA.0, CUDA.1
            ),
            "update the NVIDIA driver",
        ),
        None => {
            Finding::warn("driver", "nvidia-smi does not say its CUDA version", "run `nvidia-smi`")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_driver_must_reach_cuda_13() {
        let smi = |version: &str| {
            format!("| NVIDIA-SMI 580.1   Driver Version: 580.1   CUDA Version: {version}     |\n")
        };
        assert_eq!(driver_version(&smi("13.0")).verdict, Verdict::Ok);
        assert_eq!(driver_version(&smi("13.2")).verdict, Verdict::Ok);
        let old = driver_version(&smi("12.8"));
        assert_eq!(old.verdict, Verdict::Fail);
        assert!(old.detail.contains("12.8") && old.detail.contains("13.0"));
        assert_eq!(driver_version("N/A").verdict, Verdict::Warn);
    }

    #[test]
    fn a_driver_without_cuda_libraries_is_pointed_out() {
        assert_eq!(verdict(true, false).fix, "`cargo setup --cuda`");
        assert_eq!(verdict(false, false).verdict, Verdict::Ok);
        assert_eq!(verdict(true, true).verdict, Verdict::Ok);
        assert_eq!(verdict(false, true).verdict, Verdict::Warn);
    }
}
