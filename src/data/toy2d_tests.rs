use super::*;
use tch::Kind;

const N: usize = 40_000;

fn all() -> &'static [Toy] {
    Toy::value_variants()
}

fn points(toy: Toy, n: usize, seed: u64) -> Vec<[f64; 2]> {
    let flat: Vec<f32> = Vec::try_from(toy.sample(n, seed).flatten(0, 1)).unwrap();
    flat.chunks(2).map(|p| [p[0] as f64, p[1] as f64]).collect()
}

/// The table in the documentation of [`Toy`].
fn stated(toy: Toy) -> ([f64; 2], [f64; 2]) {
    match toy {
        Toy::SwissRoll => ([0.1415, 0.0150], [0.4694, 0.4926]),
        Toy::Moons => ([0.0, 0.0], [0.5781, 0.3308]),
        Toy::Spiral => ([0.0, 0.0], [0.5093, 0.4924]),
        Toy::Checkerboard => ([0.0, 0.0], [0.5774, 0.5774]),
        Toy::Ring8 => ([0.0, 0.0], [0.5679, 0.5679]),
        Toy::Grid25 => ([0.0, 0.0], [0.5671, 0.5671]),
        Toy::TwoModes => ([0.12, 0.0], [0.7669, 0.2247]),
    }
}

#[test]
fn samples_have_the_stated_mean_and_scale() {
    for &toy in all() {
        let (mean, std) = stated(toy);
        let xs = toy.sample(N, 1).to_kind(Kind::Double);
        assert_eq!(xs.size(), [N as i64, 2]);
        for axis in 0..2 {
            let x = xs.select(1, axis as i64);
            let (m, s) = (x.mean(Kind::Double).double_value(&[]), x.std(true).double_value(&[]));
            let error = std[axis] / (N as f64).sqrt(); // one standard error of the mean
            assert!((m - mean[axis]).abs() < 4.0 * error, "{toy} mean {m} on axis {axis}");
            assert!((s - std[axis]).abs() < 4.0 * error, "{toy} std {s} on axis {axis}");
        }
    }
}

#[test]
fn the_stated_moments_are_the_mixtures_own() {
    for &toy in all() {
        let Some(parts) = toy.mixture() else { continue };
        let (mean, std) = stated(toy);
        let total: f64 = parts.weights.iter().sum();
        assert!((total - 1.0).abs() < 1e-12, "{toy} weights sum to {total}");
        assert_eq!(parts.means_tensor().size(), [parts.weights.len() as i64, 2]);
        for axis in 0..2 {
            let moment = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
                let terms = parts.weights.iter().zip(&parts.means).zip(&parts.stds);
                terms.map(|((w, m), s)| w * f(m[axis], *s)).sum()
            };
            let first = moment(&|m, _| m);
            let second = moment(&|m, s| m * m + s * s);
            assert!((first - mean[axis]).abs() < 6e-5, "{toy}: {first}");
            let spread = (second - first * first).sqrt();
            assert!((spread - std[axis]).abs() < 6e-5, "{toy}: {spread}");
        }
    }
}

/// The shapes, in words that do not repeat the formulas.
#[test]
fn the_mixtures_have_their_shapes() {
    let means = |toy: Toy| toy.mixture().unwrap().means;
    let radius = |[x, y]: [f64; 2]| x.hypot(y);
    let near = |[a, b]: [f64; 2], c: [f64; 2]| radius([a - c[0], b - c[1]]) < 0.02;

    let roll = means(Toy::SwissRoll);
    assert!(near(roll[0], [0.0, -1.0 / 3.0]) && near(roll[255], [0.0, 1.0]), "its two ends");
    assert!(roll.is_sorted_by_key(|&p| radius(p)), "it only unrolls");
    let turned: f64 = roll.windows(2).map(|p| turn(p[0], p[1])).sum();
    assert!((turned / (2.0 * PI) - 1.5).abs() < 0.01, "one and a half turns, not {turned}");

    for [x, y] in means(Toy::Moons) {
        let to_upper = radius([x + 1.0 / 3.0, y + 1.0 / 6.0]);
        let to_lower = radius([x - 1.0 / 3.0, y - 1.0 / 6.0]);
        let upper = (to_upper - 2.0 / 3.0).abs() < 1e-9 && y > -1.0 / 6.0;
        let lower = (to_lower - 2.0 / 3.0).abs() < 1e-9 && y < 1.0 / 6.0;
        assert!(upper != lower, "({x}, {y}) lies on one of the half circles");
    }

    let arms = means(Toy::Spiral);
    assert!(arms.chunks(2).all(|p| near(p[0], p[1].map(|x| -x))), "each arm mirrors the other");
    let arm: Vec<[f64; 2]> = arms.into_iter().step_by(2).collect();
    let turned: f64 = arm.windows(2).map(|p| turn(p[0], p[1])).sum();
    assert!((turned / (2.0 * PI) - 1.5).abs() < 0.1 && near(arm[127], [-1.0, 0.0]), "{turned}");

    let ring = means(Toy::Ring8);
    assert!(ring.iter().all(|&p| (radius(p) - 0.8).abs() < 1e-12), "all on the circle");
    assert!(ring.windows(2).all(|p| (turn(p[0], p[1]) - PI / 4.0).abs() < 1e-12), "evenly");

    let cell = |x: f64| (x / 0.4).round() as i32;
    let mut grid: Vec<_> =
        means(Toy::Grid25).into_iter().map(|[x, y]| (cell(x), cell(y))).collect();
    grid.sort_unstable();
    let cells: Vec<(i32, i32)> = (0..25).map(|k| (k / 5 - 2, k % 5 - 2)).collect();
    assert_eq!(grid, cells);
}

/// The angle from `a` to `b` about the origin, counter-clockwise.
fn turn(a: [f64; 2], b: [f64; 2]) -> f64 {
    (b[1].atan2(b[0]) - a[1].atan2(a[0])).rem_euclid(2.0 * PI)
}

/// The mass of each cell of a grid over the data, in closed form.
struct Grid {
    edges: Vec<f64>,
}

impl Grid {
    /// Cells of 0.1 over `[-1.5, 1.5]^2`; the checkerboard's squares end on their edges.
    fn new() -> Self {
        Self { edges: (-15..=15).map(|k| k as f64 / 10.0).collect() }
    }

    fn cells(&self) -> usize {
        self.edges.len() - 1
    }

    fn counts(&self, points: &[[f64; 2]]) -> Vec<f64> {
        let n = self.cells();
        let mut counts = vec![0.0; n * n];
        for p in points {
            let [column, row] = p.map(|x| ((x + 1.5) * 10.0).floor());
            if (0.0..n as f64).contains(&column) && (0.0..n as f64).contains(&row) {
                counts[row as usize * n + column as usize] += 1.0;
            }
        }
        counts
    }

    fn mixture_mass(&self, parts: &Components) -> Vec<f64> {
        let n = self.cells();
        let edges = Tensor::from_slice(&self.edges);
        let mut mass = Tensor::zeros([n as i64, n as i64], (Kind::Double, tch::Device::Cpu));
        for ((w, mean), std) in parts.weights.iter().zip(&parts.means).zip(&parts.stds) {
            let [across, up] = mean.map(|m| {
                let z: Tensor = (&edges - m) / (std * 2f64.sqrt());
                z.erf().diff::<Tensor>(1, 0, None, None) / 2.0 // [n + 1] -> [n]
            });
            mass += *w * up.outer(&across); // [row, column]
        }
        Vec::try_from(mass.flatten(0, 1)).unwrap()
    }

    fn checkerboard_mass(&self) -> Vec<f64> {
        let n = self.cells();
        let centre = |k: usize| (self.edges[k] + self.edges[k + 1]) / 2.0;
        let dark = |x: f64, y: f64| {
            let inside = x.abs() < 1.0 && y.abs() < 1.0;
            inside && ((2.0 * x).floor() + (2.0 * y).floor()) % 2.0 == 0.0
        };
        let mass = |k: usize| {
            if dark(centre(k % n), centre(k / n)) { 0.01 / 2.0 } else { 0.0 }
        };
        (0..n * n).map(mass).collect()
    }
}

/// Pearson's statistic against the density; cells too thin for it are pooled.
#[test]
fn histograms_match_the_density() {
    let grid = Grid::new();
    for &toy in all() {
        let mass = match toy.mixture() {
            Some(parts) => grid.mixture_mass(&parts),
            None => grid.checkerboard_mass(),
        };
        let counts = grid.counts(&points(toy, N, 2));
        let (mut chi2, mut cells) = (0.0, 0.0);
        let (mut thin, mut thin_seen) = (0.0, 0.0);
        for (p, seen) in mass.iter().zip(&counts) {
            let expected = p * N as f64;
            if expected < 5.0 {
                (thin, thin_seen) = (thin + expected, thin_seen + seen);
                continue;
            }
            chi2 += (seen - expected).powi(2) / expected;
            cells += 1.0;
        }
        let slack = 4.0 * f64::sqrt(2.0 * cells); // four standard deviations of chi^2
        assert!((chi2 - cells).abs() < slack, "{toy}: chi^2 {chi2:.1} over {cells} cells");
        assert!(
            f64::abs(thin_seen - thin) < 4.0 * f64::sqrt(thin) + 1.0,
            "{toy}: {thin_seen} points where {thin:.1} belong"
        );
    }
}

#[test]
fn the_checkerboard_never_leaves_its_squares() {
    for [x, y] in points(Toy::Checkerboard, N, 3) {
        assert!(x.abs() <= 1.0 && y.abs() <= 1.0);
        let square = (x * 2.0).floor() + (y * 2.0).floor();
        assert_eq!(square.rem_euclid(2.0), 0.0, "({x}, {y}) lies on a light square");
    }
}

#[test]
fn a_point_depends_on_seed_and_number_alone() {
    for &toy in all() {
        let long = toy.sample(50, 4);
        assert_eq!(long, toy.sample(50, 4));
        assert_eq!(long.narrow(0, 0, 7), toy.sample(7, 4));
        assert_eq!(long.narrow(0, 20, 30), toy.sample_from(20, 30, 4));
        assert_ne!(long, toy.sample(50, 5), "another seed, other points");
        assert_ne!(long.narrow(0, 0, 25), long.narrow(0, 25, 25));
    }
}

/// A change here changes every number made from toy data: it must be deliberate.
#[test]
fn the_first_points_are_pinned() {
    let near = |toy, pinned: [[f64; 2]; 2]| {
        for (p, q) in points(toy, 2, 0).iter().flatten().zip(pinned.iter().flatten()) {
            assert!((p - q).abs() < 1e-6, "{toy}: {p} was {q}"); // cos differs between platforms
        }
    };
    near(Toy::SwissRoll, [[-0.569_308_8, -0.394_886_9], [0.300_295_7, 0.477_252_3]]);
    near(Toy::Checkerboard, [[0.823_565_8, 0.831_795_3], [-0.017_024_2, 0.885_503_8]]);
}

#[test]
fn names_are_the_same_everywhere() {
    for &toy in all() {
        let name = toy.to_string();
        assert_eq!(name.parse(), Ok(toy));
        assert_eq!(serde_json::to_string(&toy).unwrap(), format!("\"{name}\""));
    }
    let message = "doughnut".parse::<Toy>().unwrap_err().to_string();
    assert!(message.contains("\"doughnut\"") && message.contains("swiss-roll, moons"), "{message}");
}
