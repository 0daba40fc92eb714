//! Where randomness comes from: an argument, never a hidden global.
//!
//! Samplers take a [`Noise`] source. In production it is [`Seeded`], in quick experiments
//! [`gaussian`], in tests a recorded tape. Training draws from libtorch's generator, which the
//! trainer seeds anew every step, so that a resumed run sees the same noise as an unbroken one.

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::{Kind, Tensor};

/// A source of standard normal noise, shaped like its argument.
pub type Noise<'a> = &'a mut dyn FnMut(&Tensor) -> Tensor;

/// Standard normal noise from libtorch's own generator; see [`Seeded`] for reproducible numbers.
pub fn gaussian(like: &Tensor) -> Tensor {
    like.randn_like()
}

/// One 64-bit seed out of (seed, index, step): SplitMix64's finaliser over each in turn, so that
/// neighbouring arguments give unrelated streams.
pub fn mix(seed: u64, index: u64, step: u64) -> u64 {
    [seed, index, step].iter().fold(0x9e37_79b9_7f4a_7c15, |state: u64, &word| {
        let mut z = (state ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// Noise that depends only on (seed, image index, draw): the batch size never changes an image.
///
/// Image `i` of a batch takes its numbers from its own ChaCha12 stream, whose output is the same
/// on every platform and device.
///
/// ```
/// use from_noise::noise::Seeded;
/// use tch::{Device, Kind, Tensor};
/// let zeros = |n| Tensor::zeros([n, 3], (Kind::Float, Device::Cpu));
/// let four = Seeded::new(7, 0).draw(&zeros(4));
/// let last = Seeded::new(7, 3).draw(&zeros(1));
/// assert_eq!(four.narrow(0, 3, 1), last);
/// ```
#[derive(Debug, Clone)]
pub struct Seeded {
    seed: u64,
    first_image: u64,
    draws: u64,
}

impl Seeded {
    /// Noise for the images `first_image, first_image + 1, ...` of the run `seed`.
    pub fn new(seed: u64, first_image: u64) -> Self {
        Self { seed, first_image, draws: 0 }
    }

    /// The next draw, shaped, placed and typed like `like` (`[B, ...]`).
    pub fn draw(&mut self, like: &Tensor) -> Tensor {
        let batch = like.size().first().copied().unwrap_or(1).max(1) as usize;
        let per_image = (like.numel() / batch).max(1);
        let mut values = vec![0.0; like.numel()];
        let (seed, draw) = (self.seed, self.draws);
        let fill = |first: u64, values: &mut [f64]| {
            for (image, values) in (first..).zip(values.chunks_mut(per_image)) {
                let mut rng = ChaCha12Rng::seed_from_u64(mix(seed, image, draw));
                values.fill_with(|| StandardNormal.sample(&mut rng));
            }
        };
        let images = batch.div_ceil(threads_for(like.numel())); // for each thread
        if images == batch {
            fill(self.first_image, &mut values);
        } else {
            std::thread::scope(|scope| {
                for (i, part) in values.chunks_mut(images * per_image).enumerate() {
                    let first = self.first_image + (i * images) as u64;
                    scope.spawn(move || fill(first, part));
                }
            });
        }
        self.draws += 1;
        let kind = like.kind();
        Tensor::from_slice(&values).view(&like.size()[..]).to_kind(kind).to_device(like.device())
    }

    /// The starting point `x_T ~ N(0, I)` of shape `[n, ...]` in f32 on the CPU; draw number 0.
    pub fn start(&mut self, shape: &[i64]) -> Tensor {
        self.draw(&Tensor::empty(shape, (Kind::Float, tch::Device::Cpu)))
    }
}

/// How many threads draw so many numbers: a network on a GPU is faster than one of them.
fn threads_for(numbers: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    cores.min(numbers / 50_000).max(1)
}

/// A recorded tape of noise, played back once: the independent variable of tests.
#[derive(Debug)]
pub struct Tape {
    draws: Vec<Tensor>,
    played: usize,
}

impl Tape {
    pub fn new(draws: Vec<Tensor>) -> Self {
        Self { draws, played: 0 }
    }

    /// How many draws have been consumed.
    pub fn played(&self) -> usize {
        self.played
    }

    /// The next recorded tensor.
    ///
    /// # Panics
    /// When the tape has ended, or its tensor is not shaped like `like`.
    pub fn draw(&mut self, like: &Tensor) -> Tensor {
        let z = self.draws.get(self.played);
        let z = z.unwrap_or_else(|| panic!("the noise tape holds {} draws", self.draws.len()));
        assert_eq!(z.size(), like.size(), "noise tape and sample differ in shape");
        self.played += 1;
        z.shallow_clone()
    }
}

/// Expectations over two independent standard normals without any noise: pairs `(a, b)` and their
/// weights, 3 x 3 nodes of Gauss-Hermite quadrature. Exact for polynomials up to degree 5 in each,
/// so for every squared error of a linear denoiser.
///
/// # Shapes
/// `a: [9, 1]`, `b: [9, 1]`, weights: `[9]`, all f64.
pub fn quadrature() -> (Tensor, Tensor, Tensor) {
    let root = 3f64.sqrt();
    let node = Tensor::from_slice(&[-root, 0.0, root]).view([3, 1]);
    let weight = Tensor::from_slice(&[1.0 / 6.0, 2.0 / 3.0, 1.0 / 6.0]);
    let column = |x: Tensor| x.contiguous().view([9, 1]);
    let (a, b) = (node.expand([3, 3], false), node.tr().expand([3, 3], false));
    (column(a), column(b), weight.outer(&weight).view([9]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn neighbouring_seeds_give_unrelated_streams() {
        let mut all: Vec<u64> = Vec::new();
        for a in 0..8 {
            for b in 0..8 {
                all.extend((0..8).map(|c| mix(a, b, c)));
            }
        }
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 512, "mix must not collide on small arguments");
    }

    #[test]
    fn many_threads_draw_what_one_draws() {
        let zeros = |n| Tensor::zeros([n, 5000], (Kind::Float, Device::Cpu));
        assert!(
            threads_for(41 * 5000) > 1 || std::thread::available_parallelism().unwrap().get() == 1
        );
        let all = Seeded::new(3, 7).draw(&zeros(41));
        for image in 0..41 {
            let alone = Seeded::new(3, 7 + image as u64).draw(&zeros(1));
            assert_eq!(all.narrow(0, image, 1), alone, "image {image}");
        }
    }

    #[test]
    fn quadrature_has_the_moments_of_two_independent_normals() {
        let (a, b, weight) = quadrature();
        for (i, j, expected) in [(0, 0, 1.0), (1, 1, 0.0), (2, 0, 1.0), (2, 2, 1.0), (4, 2, 3.0)] {
            let power = |x: &Tensor, n: i64| x.pow_tensor_scalar(n).view([9]);
            let mean = (power(&a, i) * power(&b, j) * &weight).sum(Kind::Double);
            assert!((mean.double_value(&[]) - expected).abs() < 1e-14, "a^{i} b^{j}");
        }
    }

    #[test]
    fn seeded_noise_is_standard_normal_and_changes_with_every_argument() {
        let like = Tensor::empty([20_000, 1], (Kind::Double, Device::Cpu));
        let mut noise = Seeded::new(1, 0);
        let (first, second) = (noise.draw(&like), noise.draw(&like));
        for z in [&first, &second] {
            let (mean, std) = (z.mean(Kind::Double), z.std(true));
            assert!(mean.double_value(&[]).abs() < 4.0 / 20_000f64.sqrt());
            assert!((std.double_value(&[]) - 1.0).abs() < 4.0 / 40_000f64.sqrt());
        }
        assert_ne!(first, second, "a second draw must be new");
        assert_ne!(first, Seeded::new(2, 0).draw(&like), "another seed must be new");
        let shifted = Seeded::new(1, 5).draw(&like);
        assert_eq!(first.narrow(0, 5, 100), shifted.narrow(0, 0, 100));
    }
}
