//! libtorch's allocations go through the malloc that `keep_pages` tunes.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::process::Command;
use tch::{Device, Kind, Tensor};

const BYTES: usize = 100 << 20;

fn faults() -> i64 {
    // SAFETY: a zeroed rusage is valid, and getrusage only writes into it.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage.ru_minflt
    }
}

/// Bytes that malloc has handed out from its heap, and from mmap.
fn handed_out() -> (usize, usize) {
    // SAFETY: mallinfo2 only reads malloc's counters.
    let info = unsafe { libc::mallinfo2() };
    (info.uordblks, info.hblkhd)
}

fn tensor() -> Tensor {
    Tensor::ones([(BYTES / 4) as i64], (Kind::Float, Device::Cpu))
}

/// Not a test of its own: the body of the child processes below, each with a fresh malloc.
#[test]
fn child() {
    match std::env::var("MALLOC_TEST").as_deref() {
        Ok("keep") => from_noise::malloc::keep_pages(),
        Ok("stock") => {}
        _ => return,
    }
    drop(Tensor::ones([1], (Kind::Float, Device::Cpu)));
    let (heap, mapped) = handed_out();
    let first = tensor();
    let (heap, mapped) = (handed_out().0 - heap, handed_out().1 - mapped);
    drop(first);
    let before = faults();
    let second = tensor();
    let faults = faults() - before;
    drop(second);
    println!("measured {heap} {mapped} {faults}");
}

/// Of a 100 MB tensor: bytes from the heap, bytes from mmap; page faults of the second one.
fn measure(malloc: &str) -> [usize; 3] {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child", "--exact", "--nocapture"]).env("MALLOC_TEST", malloc);
    // Whatever malloc the surroundings ask for, this test is about glibc's own.
    command.env_remove("LD_PRELOAD").env_remove("GLIBC_TUNABLES");
    let out = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let line = out.lines().find_map(|line| line.split_once("measured ")).expect("a measurement").1;
    let numbers: Vec<usize> = line.split(' ').map(|word| word.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

#[test]
fn libtorch_gets_its_memory_from_the_heap_and_gets_the_same_pages_again() {
    let [heap, mapped, faults] = measure("keep");
    assert!((BYTES..BYTES + (1 << 20)).contains(&heap) && mapped == 0, "{heap} + {mapped} bytes");
    assert!(faults < 100, "{faults} page faults for memory that was just freed");
}

#[test]
fn without_keep_pages_every_large_tensor_is_mapped_anew() {
    let [heap, mapped, faults] = measure("stock");
    assert!(mapped >= BYTES && heap < 1 << 20, "{heap} + {mapped} bytes");
    // 25,600 pages of 4 KB, or 50 of 2 MB where huge pages are given unasked.
    assert!(faults >= 50, "{faults} page faults");
}
