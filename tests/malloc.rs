//! libtorch's allocations go through the malloc that `keep_pages` tunes.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::process::Command;
use tch::{Device, Kind, Tensor};

const BYTES: usize = 16 << 20;

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

/// Before `main`, and so before the test harness starts the thread in which tests run.
extern "C" fn first() {
    if std::env::var("MALLOC_TEST").is_ok_and(|malloc| malloc == "keep") {
        from_noise::util::malloc::keep_pages();
    }
}

#[used]
#[unsafe(link_section = ".init_array")]
static FIRST: extern "C" fn() = first;

/// Not a test of its own: the body of the child processes below, each with a fresh malloc.
#[test]
fn child() {
    if std::env::var("MALLOC_TEST").is_err() {
        return;
    }
    drop(Tensor::ones([1], (Kind::Float, Device::Cpu)));
    let (heap, mapped) = handed_out();
    let first = tensor();
    let (heap, mapped) = (handed_out().0 - heap, handed_out().1 - mapped);
    drop(first);
    // Six at once, as activations are. glibc reuses an aligned block only with a little space
    // beside it, so it takes some rounds to settle.
    let round = || drop((0..6).map(|_| tensor()).collect::<Vec<_>>());
    (0..20).for_each(|_| round());
    let before = faults();
    round();
    let faults = faults() - before;
    println!("measured {heap} {mapped} {faults}");
}

/// Of a 16 MB tensor: bytes from the heap, bytes from mmap; then page faults of six such.
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
    assert!(faults < 40, "{faults} page faults for memory that was just freed");
}

#[test]
fn without_keep_pages_it_would_be_mapped_and_unmapped() {
    let [heap, mapped, _] = measure("stock");
    assert!(mapped >= BYTES && heap < 1 << 20, "{heap} + {mapped} bytes");
}
