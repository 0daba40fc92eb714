//! What a reader sees: lines, dots, arrows and images stand where their numbers say.

use from_noise::plot::{Curves, Density, Figure, Gif, Grid, Scatter, Trajectories};
use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder, DynamicImage, Rgb, RgbImage, imageops};
use std::io::Cursor;
use tch::{Device, Kind, Tensor};

type Point = (f64, f64);

const WHITE: [u8; 3] = [255; 3];
const BLUE: [u8; 3] = [0, 114, 178];
const MAGENTA: [u8; 3] = [255, 0, 255];
/// The colour of the lines at the left and the bottom of a plot.
const AXIS: [u8; 3] = [120; 3];

/// The colour at a place of a plot that shows `x` and `y`; its axes say where they are.
fn prober(figure: &Figure, x: Point, y: Point) -> impl Fn(f64, f64) -> [u8; 3] + use<> {
    let image = figure.image().clone();
    let axes: Vec<(u32, u32)> =
        image.enumerate_pixels().filter(|dot| dot.2.0 == AXIS).map(|dot| (dot.0, dot.1)).collect();
    let most = |pick: fn(&(u32, u32)) -> u32| {
        let count = |line: u32| axes.iter().filter(|dot| pick(dot) == line).count();
        (0..image.width().max(image.height())).max_by_key(|line| count(*line)).unwrap()
    };
    let (left, bottom) = (most(|dot| dot.0), most(|dot| dot.1));
    let right = axes.iter().filter(|dot| dot.1 == bottom).map(|dot| dot.0).max().unwrap();
    let top = axes.iter().filter(|dot| dot.0 == left).map(|dot| dot.1).min().unwrap();
    let place = |part: f64, from: u32, to: u32| {
        (f64::from(from) + part * (f64::from(to) - f64::from(from))).round() as u32
    };
    move |at_x, at_y| {
        let across = place((at_x - x.0) / (x.1 - x.0), left, right);
        let up = place((at_y - y.0) / (y.1 - y.0), bottom, top);
        image.get_pixel(across, up).0
    }
}

fn brightness(colour: [u8; 3]) -> u32 {
    colour.iter().map(|channel| u32::from(*channel)).sum()
}

fn rows(values: &[f64]) -> Tensor {
    Tensor::from_slice(values).view([-1, 2])
}

fn zeros(size: &[i64]) -> Tensor {
    Tensor::zeros(size, (Kind::Float, Device::Cpu))
}

mod curves {
    use super::*;

    fn plot() -> Curves {
        Curves::new("", "", "").y_range(-1.0, 3.0)
    }

    fn probe(plot: &Curves) -> impl Fn(f64, f64) -> [u8; 3] + use<> {
        prober(&plot.draw(), (0.0, 10.0), (-1.0, 3.0))
    }

    #[test]
    fn a_line_passes_through_its_points_and_nowhere_else() {
        let at = probe(&plot().line("", &[(0.0, -1.0), (4.0, 2.2), (10.0, 2.2)]));
        assert_eq!([at(1.0, -0.2), at(3.0, 1.4), at(7.0, 2.2)], [BLUE; 3]);
        assert!([at(1.0, 1.4), at(7.0, 1.7), at(3.0, -0.2)].iter().all(|seen| *seen != BLUE));
    }

    #[test]
    fn a_line_that_leaves_the_plot_is_cut_and_not_bent() {
        let figure = plot().line("", &[(0.0, 1.0), (5.0, 5.0), (10.0, 1.0)]).draw();
        let at = prober(&figure, (0.0, 10.0), (-1.0, 3.0));
        assert_eq!([at(1.25, 2.0), at(2.4, 2.92), at(8.75, 2.0)], [BLUE; 3]);
        let blue = figure.image().enumerate_pixels().filter(|dot| dot.2.0 == BLUE);
        let highest = blue.map(|dot| dot.1).min().unwrap();
        assert!((22..28).contains(&highest), "the plot begins at 24, the line at {highest}");
    }

    #[test]
    fn a_dashed_line_is_there_about_half_of_the_time() {
        let at = probe(&plot().dashed("", &[(0.0, 0.3), (10.0, 1.3)]));
        let places = (0..500).map(|k| f64::from(k) / 50.0);
        let inked = places.filter(|x| at(*x, 0.3 + x / 10.0) == BLUE).count();
        assert!((200..450).contains(&inked), "{inked} of 500");
    }

    #[test]
    fn a_gap_is_left_where_nothing_can_be_drawn() {
        let heights = [1.3, 1.3, f64::NAN, 1.3, 1.3, f64::INFINITY, 1.3, f64::NAN, 0.0];
        let xs = [0.0, 4.0, 5.0, 6.0, 7.0, 7.5, 8.0, 9.0, 10.0];
        let points: Vec<Point> = xs.into_iter().zip(heights).collect();
        let at = probe(&plot().line("", &points));
        let seen = [1.0, 4.6, 5.4, 6.4, 7.4, 8.0, 8.5].map(|x| at(x, 1.3) == BLUE);
        assert_eq!(seen, [true, false, false, true, false, true, false], "a lone point is a dot");
    }

    #[test]
    fn on_a_logarithmic_axis_a_power_is_straight_and_zero_is_a_gap() {
        let powers: Vec<Point> =
            (0..=40).map(|k| 10f64.powf(0.1 * f64::from(k))).map(|x| (x, 1.0 / x)).collect();
        let line = Curves::new("", "", "").log_x().log_y().y_range(1e-5, 10.0).line("", &powers);
        let at = prober(&line.draw(), (0.0, 4.0), (-5.0, 1.0));
        assert!([0.55, 1.95, 3.45].iter().all(|e| at(*e, -e)[0] < 100));
        let nothing = Curves::new("", "", "").log_x().log_y();
        let nothing = nothing.line("", &[(0.0, 1.0), (1.0, 0.0), (2.0, -3.0)]).draw();
        assert!(nothing.image().pixels().all(|pixel| pixel.0 != BLUE));
    }

    #[test]
    fn a_reversed_axis_runs_down_from_left_to_right() {
        let falls = Curves::new("", "", "").line("", &[(0.0, 0.0), (1000.0, 2.0)]).reverse_x();
        let at = prober(&falls.y_range(-1.0, 3.0).draw(), (1000.0, 0.0), (-1.0, 3.0));
        assert_eq!([at(250.0, 0.5), at(750.0, 1.5)], [BLUE; 2]);
        assert_eq!([at(250.0, 1.5), at(750.0, 0.5)], [WHITE; 2]);
    }

    #[test]
    fn bars_stand_on_the_axis_with_room_between_them() {
        let bars = [(0.0, 4.0), (1.0, 2.0), (2.0, 3.0)];
        let figure = Curves::new("", "", "").bars("", &bars).draw();
        let at = prober(&figure, (-0.5, 2.5), (0.0, 4.2));
        let inked = |x: f64, y: f64| at(x, y)[0] < 100;
        assert!(inked(0.0, 0.1) && inked(0.3, 3.7) && inked(1.3, 1.7) && inked(2.0, 2.7));
        assert!(!inked(0.5, 0.7) && !inked(1.0, 2.3) && !inked(1.5, 0.7));
        let log = Curves::new("", "", "").bars("", &[(0.0, 1e-3), (1.0, 1e-2)]).log_y();
        let at = prober(&log.y_range(1e-4, 1e-1).draw(), (-0.5, 1.5), (-4.0, -1.0));
        assert!(at(1.0, -3.8)[0] < 100 && at(1.0, -2.2)[0] < 100 && at(0.1, -2.3)[0] > 200);
    }

    #[test]
    fn panels_agree_on_the_colours_of_names() {
        let flat = |y: f64| [(0.0, y), (10.0, y)];
        let both = probe(&plot().line("a", &flat(0.0)).line("b", &flat(1.0)));
        let names = ["a", "b"];
        let one = plot().colours_of(&names).line("c", &flat(2.0)).line("b", &flat(1.0));
        let one = probe(&one.line("a", &flat(0.0)));
        let alone = probe(&plot().colours_of(&names).line("b", &flat(1.0)));
        assert_eq!(alone(5.0, 1.0), both(5.0, 1.0));
        assert_eq!([one(5.0, 0.0), one(5.0, 1.0)], [both(5.0, 0.0), both(5.0, 1.0)]);
        assert!(![both(5.0, 0.0), both(5.0, 1.0), WHITE].contains(&one(5.0, 2.0)));
    }

    #[test]
    fn a_band_lies_between_its_edges_and_under_the_curve_of_its_colour() {
        let broken = [(0.0, 0.3, 1.7), (8.0, 0.3, 1.7), (9.0, f64::NAN, 1.7), (10.0, 0.3, 1.7)];
        let at = probe(&plot().line("a", &[(0.0, 1.2), (10.0, 1.2)]).band("a", &broken));
        let inside = at(5.3, 0.8);
        assert!(inside[0] < 230 && inside[2] > 230, "{inside:?} is a pale blue");
        assert_eq!([at(0.7, 0.8), at(7.8, 0.8)], [inside; 2]);
        assert_eq!([at(5.3, 2.3), at(9.3, 0.8), at(5.3, 1.2)], [WHITE, WHITE, BLUE]);
        let log = Curves::new("", "", "").band("", &[(0.0, 0.0, 1.0), (10.0, -1.0, 1.0)]).log_y();
        let at = prober(&log.y_range(1e-3, 1e1).draw(), (0.0, 10.0), (-3.0, 1.0));
        assert_eq!([at(5.3, -2.8), at(5.3, -0.2), at(5.3, 0.3)], [inside, inside, WHITE]);
    }

    #[test]
    fn a_level_crosses_the_plot_with_its_name_where_no_line_runs() {
        let line = || plot().line("", &[(0.0, -0.5), (5.0, -0.5), (10.0, 1.4)]);
        let at = probe(&line().hline(1.3, ""));
        let inked = (0..500).filter(|k| at(f64::from(*k) / 50.0, 1.3)[0] < 128).count();
        assert!((150..350).contains(&inked), "{inked} of 500 in a dashed line");
        let letters = |plot: Curves| {
            let at = probe(&plot);
            let dark = move |x: f64| (2..20).any(|k| at(x, 1.3 + 0.02 * f64::from(k))[0] < 128);
            [0.5, 9.5].map(|from| (-20..20).filter(|k| dark(from + 0.02 * f64::from(*k))).count())
        };
        assert_eq!(letters(line().hline(1.3, ""))[0], 0);
        assert!(letters(line().hline(1.3, "a level"))[0] > 10, "at the left, above the line");
        let crossed =
            plot().line("", &[(0.0, 1.4), (2.0, 1.4), (10.0, -1.0)]).hline(1.3, "a level");
        assert!(letters(crossed)[1] > 10, "at the right, where the line is not");
    }

    #[test]
    fn names_stand_beside_their_lines_only_where_they_do_not_overlap() {
        let lines = |ends: &[Point]| {
            let add =
                |plot: Curves, end: &Point| plot.line(format!("to {}", end.1), &[(0.0, 0.0), *end]);
            ends.iter().fold(plot().line("all", &[(0.0, -1.0), (10.0, -1.0)]), add).draw()
        };
        let darker_blue = [0, 93, 145]; // letters beside a line have its colour
        let beside = |figure: Figure| figure.image().pixels().any(|dot| dot.0 == darker_blue);
        assert!(beside(lines(&[(10.0, 0.0), (10.0, 2.0), (10.0, 1.0)])));
        assert!(!beside(lines(&[(10.0, 0.0), (10.0, 0.1)])), "two lines end together");
        assert!(!beside(lines(&[(10.0, 0.0), (5.0, 2.0)])), "a line ends before the plot does");
        let many: Vec<Point> = (0..6).map(|k| (10.0, 0.5 * f64::from(k))).collect();
        assert!(!beside(lines(&many)), "seven names are a list");
    }

    #[test]
    fn numbers_stand_in_the_middle_of_their_ticks() {
        let image = plot().line("", &[(0.0, 0.0), (8.0, 0.0)]).draw().image().clone();
        let inked = |x: u32, y: u32| image.get_pixel(x, y).0[0] < 160;
        let axis =
            (0..640).rev().find(|y| (0..1160).filter(|x| inked(*x, *y)).count() > 900).unwrap();
        let left = (0..1160).find(|x| (0..640).filter(|y| inked(*x, *y)).count() > 500).unwrap();
        let number: Vec<u32> = (axis + 7..640)
            .flat_map(|y| (left - 20..left + 20).filter(move |x| inked(*x, y)))
            .collect();
        let (first, last) = (number.iter().min().unwrap(), number.iter().max().unwrap());
        assert!((first + last).abs_diff(2 * left) <= 4, "{first} {last} {left}");
        let heights =
            (0..left - 7).flat_map(|x| (axis - 20..axis + 20).filter(move |y| inked(x, *y)));
        let heights: Vec<u32> = heights.collect();
        let (top, bottom) = (heights.iter().min().unwrap(), heights.iter().max().unwrap());
        assert!((top + bottom).abs_diff(2 * axis) <= 4, "{top} {bottom} {axis}");
    }

    #[test]
    fn a_line_with_a_band_stands_in_the_legend_as_the_line() {
        let band = [(0.0, 0.0, 0.4), (5.0, 0.0, 0.4)];
        let named = plot().band("a", &band).line("a", &[(0.0, 0.2), (5.0, 0.2)]);
        let image = named.line("", &[(10.0, 3.0)]).draw().image().clone();
        let blue = |x: u32| (0..image.height()).any(|y| image.get_pixel(x, y).0 == BLUE);
        assert!((image.width() - 100..image.width()).any(blue), "a strong colour at the right");
    }

    #[test]
    fn a_panel_without_legend_draws_the_same_and_names_nothing() {
        let named = || plot().line("a name", &[(0.0, 2.2), (10.0, 2.2)]);
        let [wide, narrow] = [named().without_legend(), named()]
            .map(|plot| plot.draw().image().pixels().filter(|dot| dot.0 == BLUE).count());
        assert!(wide > narrow + 100, "{wide} {narrow}: the name's room is the line's");
    }

    #[test]
    fn nothing_a_single_point_and_nonsense_are_drawn() {
        Curves::new("empty", "x", "y").log_x().log_y().draw();
        plot().line("one", &[(3.0, 1.0)]).draw();
        Curves::new("", "", "").line("flat", &[(0.0, 7.0), (1.0, 7.0)]).log_y().draw();
        let far = [(0.0, f64::MAX), (1.0, -f64::MAX), (2.0, 1e200)];
        Curves::new("", "", "").points("far", &far).line("far", &far).draw();
        Curves::new("", "", "").y_range(f64::NAN, 1.0).hline(f64::NAN, "").hline(1e9, "").draw();
        Curves::new("", "", "").y_range(-1.0, 1.0).log_y().bars("", &[(0.0, f64::NAN)]).draw();
    }

    #[test]
    fn a_long_legend_makes_the_figure_taller() {
        let many = |n: usize| {
            (0..n).fold(plot(), |plot, k| plot.line(format!("run {k}"), &[(0.0, 1.0)])).draw()
        };
        assert_eq!(many(9).size(), (1160, 640));
        assert!(many(40).size().1 > 1100);
    }
}

mod plane {
    use super::*;

    const UNIT: Point = (-1.0, 1.0);

    #[test]
    fn points_are_where_they_are_and_add_up() {
        let places = [vec![0.4, -0.3], [-0.4, 0.6].repeat(40), vec![7.0, 0.0, f64::NAN, 0.0]];
        let at =
            prober(&Scatter::new("", 1.0).points("", &rows(&places.concat())).draw(), UNIT, UNIT);
        let red = |x: f64, y: f64| at(x, y)[0];
        assert!(red(0.4, -0.3) < 100 && red(-0.4, 0.6) < red(0.4, -0.3));
        assert_eq!([red(-0.4, -0.3), red(0.4, 0.6), red(-0.3, 0.4)], [255; 3]);
        let columns = Tensor::from_slice(&[0.4f32, 0.5, -0.3, 0.5]).view([2, 2]).tr();
        let at = prober(&Scatter::new("", 1.0).points("", &columns).draw(), UNIT, UNIT);
        assert!(at(0.4, -0.3)[0] < 100 && at(0.5, 0.5)[0] < 100, "any layout and kind");
        Scatter::new("", 1.0).draw();
    }

    #[test]
    #[should_panic(expected = "a scatter plot wants points of shape [N, 2], got [4, 3]")]
    fn points_of_another_shape_are_named() {
        let _ = Scatter::new("", 1.0).points("", &zeros(&[4, 3]));
    }

    #[test]
    #[should_panic(expected = "wants a limit above zero, got 0")]
    fn an_empty_square_is_refused() {
        Scatter::new("", 0.0);
    }

    #[test]
    fn a_grids_first_row_is_the_lowest_and_its_first_column_the_leftmost() {
        let values = Tensor::from_slice(&[0.0, 1.0, 2.0, 3.0]).view([2, 2]);
        let at = prober(&Density::of_grid("", 1.0, &values).draw(), UNIT, UNIT);
        let seen = [at(-0.9, -0.9), at(0.0, -0.9), at(0.9, -0.9), at(-0.9, 0.9), at(0.9, 0.9)];
        assert!(seen.map(brightness).is_sorted_by(|a, b| a < b), "{seen:?}");
    }

    #[test]
    fn a_range_makes_two_densities_comparable() {
        let middle = |value: f64, range: Point| {
            let values = Tensor::from_slice(&[value, 0.0]).view([1, 2]);
            let figure = Density::of_grid("", 1.0, &values).range(range.0, range.1).draw();
            prober(&figure, UNIT, UNIT)(-0.9, 0.1)
        };
        assert_eq!(middle(1.0, (0.0, 2.0)), middle(2.0, (0.0, 4.0)));
        assert!(brightness(middle(1.0, (0.0, 1.0))) > brightness(middle(1.0, (0.0, 2.0))));
    }

    #[test]
    fn flat_and_broken_fields_are_drawn() {
        for value in [0.0, 5.0, f64::NAN, f64::INFINITY] {
            let values = Tensor::from_slice(&[value; 9]).view([3, 3]);
            let at = prober(&Density::of_grid("", 1.0, &values).draw(), UNIT, UNIT);
            assert_eq!(at(0.1, 0.1) == MAGENTA, !value.is_finite(), "{value}");
        }
        Density::of_grid("", 1.0, &zeros(&[0, 3])).draw();
    }

    #[test]
    #[should_panic(expected = "[2, 3, 4]")]
    fn a_shape_that_is_no_grid_is_named() {
        Density::of_grid("", 1.0, &zeros(&[2, 3, 4]));
    }

    #[test]
    fn a_trajectory_is_light_at_its_start_and_dark_at_its_end() {
        let steps: Vec<_> = (0..=40).map(|k| rows(&[-0.8 + 0.04 * f64::from(k), 0.5])).collect();
        let at = prober(&Trajectories::new("", 1.0).steps(&steps).draw(), UNIT, UNIT);
        let light = |x: f64, y: f64| brightness(at(x, y));
        let (start, end) = (light(-0.6, 0.5), light(0.6, 0.5));
        assert!(start > end + 60 && start < 700, "the line goes dark: {start} {end}");
        assert!(light(0.8, 0.5) < 150, "the end is marked");
        assert!(light(-0.6, -0.5) > 700, "there is no line where no points are");
    }

    #[test]
    fn short_broken_and_empty_trajectories_are_drawn() {
        let start = rows(&[0.0, 0.0]);
        let broken = [rows(&[0.0, f64::NAN]), rows(&[9.0, 0.0]), rows(&[0.0, 0.0])];
        Trajectories::new("", 1.0).steps(&[]).draw();
        Trajectories::new("", 1.0).steps(&[start]).steps(&broken).draw();
    }

    #[test]
    #[should_panic(expected = "step 0 of a trajectory has 3 points, step 1 has 2")]
    fn particles_cannot_vanish() {
        let _ = Trajectories::new("", 1.0).steps(&[zeros(&[3, 2]), zeros(&[2, 2])]);
    }

    #[test]
    fn points_lie_on_a_density_and_its_key_stands_beside_it() {
        let dark = zeros(&[4, 4]);
        let map = || Density::of_grid("", 1.0, &dark).range(0.0, 1.0);
        let at = prober(&map().points(&rows(&[0.4, -0.3])).draw(), UNIT, UNIT);
        assert!(brightness(at(0.4, -0.3)) > brightness(at(-0.4, -0.3)) + 200);
        let beside = map().key().draw();
        let wider = beside.size().0 - map().draw().size().0;
        let image = beside.image();
        let right = imageops::crop_imm(image, image.width() - wider, 0, wider, image.height());
        let right = right.to_image();
        let colours = |wanted: fn(&[u8; 3]) -> bool| right.pixels().any(|dot| wanted(&dot.0));
        assert!(colours(|[r, g, b]| *r > 200 && *g > 200 && *b < 100), "the brightest colour");
        assert!(colours(|[r, g, b]| *r < 110 && *g < 60 && (90..150).contains(b)), "the darkest");
    }
}

mod images {
    use super::*;

    /// The notation of the book must not come out as empty boxes.
    #[test]
    fn every_symbol_of_the_book_has_a_glyph() {
        let symbols =
            "αβγδεηθλμνσφωΣΔΘΩᾱ√∇∑∏∫∞≈≠≤≥±×·→−–—…‖∝∼∈ℝℓ°²³⁰¹⁴⁵⁶⁷⁸⁹⁻₀₁₂₃₄₅₆₇₈₉₊₋ₜₛₙ\u{302}\u{303}";
        let image = zeros(&[1, 1, 40, 40]);
        let bold =
            |letter: char| Grid::new(&image, 1).title(letter.to_string()).draw().image().clone();
        let plain = |letter: char| Grid::new(&image, 1).column_labels(&[letter]).draw();
        let box_of = '\u{10fffd}'; // no font has it
        for letter in symbols.chars().chain('!'..='~') {
            assert_ne!(bold(letter), bold(box_of), "no bold {letter:?}");
            assert_ne!(plain(letter).image(), plain(box_of).image(), "no {letter:?}");
        }
    }

    #[test]
    fn an_accent_stands_over_its_letter_and_takes_no_room() {
        let image = zeros(&[1, 1, 40, 40]);
        let label = |text: &str| Grid::new(&image, 1).row_labels(&[text]).draw();
        let (plain, hat) = (label("x"), label("x\u{302}"));
        assert_eq!(plain.size(), hat.size());
        assert_ne!(plain.image(), hat.image());
    }

    /// Pixels between two images of a grid, and between two pictures of a row or column.
    const GAP: u32 = 3;
    const SPACE: u32 = 20;

    fn plain(width: u32, height: u32, shade: u8) -> Figure {
        Figure::new(RgbImage::from_pixel(width, height, Rgb([shade; 3])), format!("shade {shade}"))
    }

    #[test]
    fn a_saved_picture_reads_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/shade.png");
        let figure = Figure::new(RgbImage::from_fn(9, 5, |x, y| Rgb([x as u8, y as u8, 200])), "");
        figure.save(&path).unwrap();
        assert_eq!(&image::open(&path).unwrap().to_rgb8(), figure.image());
        let wrong = path.join("below a file.png");
        let refusal = figure.save(&wrong).unwrap_err().to_string();
        assert!(refusal.contains(&wrong.display().to_string()), "{refusal}");
    }

    #[test]
    fn rows_and_columns_keep_every_pixel_in_its_place() {
        let figures = [plain(10, 30, 1), plain(20, 12, 2), plain(5, 5, 3)];
        let shades = |figure: &Figure, places: [(u32, u32); 5]| {
            places.map(|(x, y)| figure.image().get_pixel(x, y).0[0])
        };
        let row = Figure::row(&figures);
        assert_eq!(row.size(), (35 + 2 * SPACE, 30));
        let places = [(9, 29), (10, 0), (10 + SPACE, 0), (10 + SPACE, 12), (30 + 2 * SPACE, 4)];
        assert_eq!(shades(&row, places), [1, 255, 2, 255, 3]);
        let column = Figure::column(&figures);
        assert_eq!(column.size(), (20, 47 + 2 * SPACE));
        let places = [(9, 29), (0, 30), (19, 30 + SPACE), (19, 42 + SPACE), (4, 42 + 2 * SPACE)];
        assert_eq!(shades(&column, places), [1, 255, 2, 255, 3]);
        assert_eq!(Figure::tiled(&figures, 2).size(), (30 + SPACE, 35 + SPACE));
        assert_eq!(row.alt(), "shade 1; shade 2; shade 3");
        assert_eq!(Figure::row(&[]).size(), (1, 1));
    }

    fn grid(images: &Tensor, columns: usize, scale: u32) -> Figure {
        Grid::new(images, columns).scale(scale).draw()
    }

    fn flat(values: &[f32], channels: i64) -> Tensor {
        let n = values.len() as i64 / channels;
        Tensor::from_slice(values).view([n, channels, 1, 1]).expand([n, channels, 4, 5], false)
    }

    /// The colour in the middle of cell (row, column) of 4 x 5 images at scale 2.
    fn cell(figure: &Figure, row: u32, column: u32) -> [u8; 3] {
        figure.image().get_pixel(column * (10 + GAP) + 5, row * (8 + GAP) + 4).0
    }

    #[test]
    fn image_k_stands_at_row_k_div_columns() {
        let figure = grid(&flat(&[-1.0, -0.5, 0.0, 0.5, 1.0], 1), 3, 2);
        assert_eq!(figure.size(), (3 * 10 + 2 * GAP, 2 * 8 + GAP));
        let places = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)];
        let greys = places.map(|(row, column)| cell(&figure, row, column)[0]);
        assert_eq!(greys, [0, 64, 128, 191, 255, 255], "a missing image is paper");
        assert_eq!(figure.image().get_pixel(11, 4).0, WHITE, "a gap is paper");
    }

    #[test]
    fn pixels_keep_their_place_and_channels_their_order() {
        let ramp = Tensor::from_slice(&[-1.0, 1.0, 0.0, -1.0, 0.0, 1.0]).view([1, 1, 2, 3]);
        let figure = grid(&ramp, 1, 4);
        let places = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)];
        let seen = places.map(|(x, y)| figure.image().get_pixel(4 * x + 3, 4 * y).0[0]);
        assert_eq!(seen, [0, 255, 128, 0, 128, 255]);
        assert_eq!(cell(&grid(&flat(&[1.0, 0.0, -1.0], 3), 1, 2), 0, 0), [255, 128, 0]);
    }

    #[test]
    fn values_out_of_range_are_clamped_and_what_is_no_number_is_loud() {
        let figure = grid(&flat(&[-7.0, 7.0, f32::NAN, f32::INFINITY], 1), 4, 2);
        let seen = [0, 1, 2, 3].map(|column| cell(&figure, 0, column));
        assert_eq!(seen, [[0; 3], WHITE, MAGENTA, MAGENTA]);
    }

    #[test]
    fn labels_make_room_and_leave_the_images_alone() {
        let images = flat(&[-1.0, 0.0, 1.0, -1.0], 1);
        let bare = grid(&images, 2, 2);
        let named = Grid::new(&images, 2).title("t").row_labels(&["a", "b"]);
        let named = named.column_labels(&[0, 250]).draw();
        let (width, height) = bare.size();
        let (left, top) = (named.size().0 - width, named.size().1 - height);
        let part = imageops::crop_imm(named.image(), left, top, width, height).to_image();
        assert!(left > 0 && top > 0);
        assert_eq!(&part, bare.image());
        assert!(named.alt().ends_with("; rows: a, b; columns: 0, 250"), "{}", named.alt());
    }

    #[test]
    fn no_images_make_a_picture_all_the_same() {
        assert!(!grid(&zeros(&[0, 1, 8, 8]), 4, 2).png().is_empty());
    }

    #[test]
    #[should_panic(expected = "[2, 4, 4, 5]")]
    fn a_shape_that_is_no_image_is_named() {
        grid(&flat(&[0.0; 8], 4), 1, 1);
    }
}

mod gifs {
    use super::*;

    fn decoded(gif: &Gif) -> Vec<(RgbImage, u32)> {
        let frames = GifDecoder::new(Cursor::new(gif.encode())).unwrap().into_frames();
        let read = |frame: image::Frame| {
            let delay = frame.delay().numer_denom_ms();
            (DynamicImage::ImageRgba8(frame.into_buffer()).to_rgb8(), delay.0 / delay.1)
        };
        frames.map(|frame| read(frame.unwrap())).collect()
    }

    fn square(at: u32) -> Figure {
        let inside = |x: u32, y: u32| x / 4 == at && y / 4 == 1;
        let colour = |x, y| if inside(x, y) { [200, 30, 40] } else { WHITE };
        Figure::new(RgbImage::from_fn(40, 20, |x, y| Rgb(colour(x, y))), "a square")
    }

    #[test]
    fn every_frame_comes_back_with_its_time() {
        let figures: Vec<Figure> = [0, 3, 3, 9, 5].map(square).to_vec();
        let frames = decoded(&Gif::new(&figures, 80).hold(1500));
        assert_eq!(frames.iter().map(|frame| frame.1).collect::<Vec<_>>(), [80, 80, 80, 80, 1500]);
        for (figure, (image, _)) in figures.iter().zip(&frames) {
            assert_eq!(figure.image(), image, "few colours are kept exactly");
        }
    }

    #[test]
    fn many_colours_stay_close_and_paper_stays_white() {
        let colourful: fn(u32, u32) -> [u8; 3] = |x, y| [(x * 4) as u8, (y * 5) as u8, 128];
        let grey: fn(u32, u32) -> [u8; 3] = |_, y| [(y * 5) as u8; 3];
        for (shade, colours) in [(colourful, 255), (grey, 16)] {
            let colour = |x, y| if x < 20 { WHITE } else { shade(x, y) };
            let figure = Figure::new(RgbImage::from_fn(60, 50, |x, y| Rgb(colour(x, y))), "");
            let gif = Gif::new(std::slice::from_ref(&figure), 100).colours(colours);
            let (image, _) = decoded(&gif).remove(0);
            let errors = figure.image().iter().zip(image.iter()).map(|(a, b)| a.abs_diff(*b));
            let mean = errors.clone().map(f64::from).sum::<f64>() / errors.len() as f64;
            assert!(mean < 4.0, "{mean} on average with {colours} colours");
            assert!(errors.max() < Some(40));
            assert_eq!(image.get_pixel(5, 5).0, WHITE);
        }
    }

    #[test]
    fn halved_frames_keep_their_picture() {
        let frames = decoded(&Gif::new(&[square(2), square(3)], 50).halved());
        assert_eq!(frames[0].0.dimensions(), (20, 10));
        assert_eq!(frames[1].0.get_pixel(7, 3).0, [200, 30, 40]);
    }

    #[test]
    fn what_stays_costs_nothing() {
        let still = Gif::new(&vec![square(2); 30], 50).encode().len();
        let one = Gif::new(&[square(2)], 50).encode().len();
        assert!(still < one + 30 * 80, "30 equal frames: {still} bytes, one: {one}");
    }

    #[test]
    fn smaller_frames_stand_on_paper() {
        let small = Figure::new(RgbImage::new(10, 30), "");
        let frames = decoded(&Gif::new(&[square(0), small], 50));
        assert!(frames.iter().all(|frame| frame.0.dimensions() == (40, 30)));
        let shade = |x, y| frames[1].0.get_pixel(x, y).0[0];
        assert_eq!([shade(9, 29), shade(10, 0)], [0, 255]);
    }

    #[test]
    #[should_panic(expected = "at least one frame")]
    fn no_frames_are_no_gif() {
        Gif::new(&[], 50);
    }
}
