//! Keeps freed memory, because libtorch asks for the same large blocks at every training step.
//!
//! libtorch's CPU tensors are allocated by C++ through malloc, which a Rust `#[global_allocator]`
//! does not reach. glibc gives large freed blocks back to the system, so every step maps, clears
//! and unmaps its activations anew, one page fault for every 4 KB.
//!
//! Measured on a training step of a 1 M parameter convolutional network, batch 64 at 28 x 28, two
//! cores, 7 rounds in turn, speed relative to stock glibc (`cargo run --example malloc`, numbers in
//! `results/malloc.csv`):
//!
//! | malloc | speed: median (range) | peak memory | page faults a step |
//! |---|---|---|---|
//! | stock glibc | 1 | 1 | 17,894 |
//! | glibc after [`keep_pages`] | 1.14 (1.07 to 1.37) | 0.99 | 637, falling |
//! | the same, with libtorch's huge pages | 1.13 (1.03 to 1.39) | 1.06 | 190 |
//! | jemalloc 5.3, preloaded, keeping its pages | 1.18 (0.96 to 1.38) | 0.95 | 0 |
//! | mimalloc 2.0, preloaded | 0.91 (0.72 to 1.01) | 0.94 | 29,274 |
//!
//! So glibc is told to keep its pages: faster in every round, no further dependency, no C to
//! compile; jemalloc's small lead is inside the noise. The price: memory once used stays with the
//! process until it ends, so a program's size is its peak.

/// Tells malloc to keep what is freed. Call it first in `main`, before any tensor.
///
/// Does nothing where malloc is not glibc's (macOS, Windows, musl).
pub fn keep_pages() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt changes numbers inside glibc's malloc, under malloc's own lock.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0); // large blocks come from the heap, not from mmap
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1); // the heap never shrinks
        libc::mallopt(libc::M_TOP_PAD, 64 << 20); // and grows in large steps
        libc::mallopt(libc::M_ARENA_MAX, 1); // a block freed by one thread serves all of them
    }
}
