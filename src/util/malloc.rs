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
//! | glibc after [`keep_pages`] | 1.15 (0.97 to 1.24) | 0.99 | 637, falling |
//! | the same, with libtorch's huge pages | 1.16 (1.04 to 1.33) | 1.10 | 150 |
//! | jemalloc 5.3, preloaded, keeping its pages | 1.23 (1.10 to 1.35) | 0.95 | 0 |
//! | mimalloc 2.0, preloaded | 1.01 (0.77 to 1.17) | 0.95 | 21,445 |
//!
//! Glibc is told to keep its pages: most of the gain with no further dependency and no C to
//! compile on a fresh machine. For the rest, preload jemalloc as the benchmark does: a preloaded
//! malloc takes the place of this one. The price: memory once used stays with the process until it
//! ends, so a program's size is its peak.
//!
//! Blocks above 32 MB are still mapped and unmapped. Kept as well, they could grow the heap ninefold
//! (a loop that makes and frees one 100 MB tensor settled at 964 MB): small free chunks beside an
//! aligned block wait in glibc's per-thread cache and keep its neighbours from merging.

/// Tells malloc to keep what is freed. Call it first in `main`: threads that already allocate keep
/// their own, untuned part of the heap.
///
/// Does nothing where malloc is not glibc's (macOS, Windows, musl).
pub fn keep_pages() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt changes numbers inside glibc's malloc, under malloc's own lock.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20); // heap blocks up to the largest it allows
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1); // the heap never shrinks
        libc::mallopt(libc::M_TOP_PAD, 64 << 20); // and grows in large steps
        libc::mallopt(libc::M_ARENA_MAX, 1); // a block freed by one thread serves all of them
    }
}
