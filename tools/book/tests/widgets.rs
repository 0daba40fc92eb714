//! What the page's scripts compute and show, against the crate's numbers.

use rquickjs::{Context, Function, Runtime};
use std::path::Path;

/// Base64, read as browsers do.
const ATOB: &str = r#"
    const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const values = Object.fromEntries([...letters].map((letter, i) => [letter, i]));
    function atob(text) {
        let bits = 0, count = 0, bytes = "";
        for (const letter of text.replace(/=+$/, "")) {
            bits = (bits << 6 | values[letter]) & 0xffff;
            if ((count += 6) >= 8) bytes += String.fromCharCode(bits >> (count -= 8) & 255);
        }
        return bytes;
    }
"#;

/// A function of `maths`, called with JSON for its arguments; the result as JSON.
fn call(function: &str, arguments: &str) -> serde_json::Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let scripts = ["unet.js", "widgets.js"].map(|name| root.join("book/theme").join(name));
    let context = Context::full(&Runtime::new().unwrap()).unwrap();
    let text: String = context.with(|js| {
        js.eval::<(), _>(ATOB).unwrap(); // what browsers have
        scripts.iter().for_each(|path| js.eval_file::<(), _>(path).unwrap());
        let call = format!("(args) => JSON.stringify(Array.from({function}(...JSON.parse(args))))");
        js.eval::<Function, _>(call).unwrap().call((arguments,)).unwrap()
    });
    serde_json::from_str(&text).unwrap()
}

/// The data of a chapter's page, as its widgets get them.
fn page(chapter: &str) -> serde_json::Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("results").join(chapter).join("page.json"));
    serde_json::from_str(&page.unwrap()).unwrap()
}

fn numbers(value: &serde_json::Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn schedules_are_the_crate_s() {
    let page = page("ch01-forward");
    let schedules = page["alpha_bar"].as_array().unwrap();
    assert_eq!(schedules.len(), 5);
    for schedule in schedules {
        let (name, expected) = (&schedule[0], numbers(&schedule[1]));
        let found = numbers(&call(&format!("maths.schedules[{name}]"), "[1000, {}]"));
        assert_eq!(found.len(), 1001);
        for (i, expected) in expected.iter().enumerate() {
            let error = (found[50 * i] - expected).abs() / expected;
            assert!(error < 1e-9, "{name} at t = {}: off by {error:e}", 50 * i);
        }
    }
}

#[test]
fn noise_is_standard_normal_and_repeats() {
    let draw = |seed: u32| numbers(&call("maths.normals", &format!("[20000, {seed}]")));
    let x = draw(1);
    assert_eq!(x, draw(1));
    assert_ne!(x, draw(2));
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    let variance = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
    assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04, "{mean} {variance}");
    let next: f64 = x.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / x.len() as f64;
    assert!(next.abs() < 0.03, "neighbours are related: {next}");
}

#[test]
fn the_page_s_network_answers_as_the_crate_s() {
    let data = page("ch03-toy");
    let checks = data["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 100);
    let answer = "((data) => { const net = maths.mlp(data); \
         return data.checks.flatMap(([x, t]) => Array.from(net.eps(x, net.told(t)))); })";
    let found = numbers(&call(answer, &format!("[{data}]")));
    for (i, check) in checks.iter().enumerate() {
        for (k, expected) in numbers(&check[2]).into_iter().enumerate() {
            let gap = (found[2 * i + k] - expected).abs();
            assert!(gap < 1e-4 * expected.abs().max(1.0), "point {i}: off by {gap:e}");
        }
    }
}

/// At eta = 0 and eta = 1 by hand: alpha = 0.6, sigma = 0.8 to alpha = 0.8, sigma = 0.6.
#[test]
fn the_page_s_step_is_ddim() {
    let step = |eta: f64| {
        let arguments = format!("[[1.4], [1.0], 0.36, 0.64, {eta}, [0.5]]");
        numbers(&call("maths.ddim", &arguments))[0]
    };
    // x0 = (1.4 - 0.8) / 0.6 = 1
    assert!((step(0.0) - (0.8 + 0.6)).abs() < 1e-12);
    let fresh: f64 = 0.36 / 0.64 * (1.0 - 0.36 / 0.64);
    let expected = 0.8 + (0.36 - fresh).sqrt() + fresh.sqrt() * 0.5;
    assert!((step(1.0) - expected).abs() < 1e-12);
}

/// No label is heard at scale 0, so there all classes show the same picture, and nowhere else.
#[test]
fn the_page_s_samples_follow_their_class_from_scale_0_on() {
    let data = page("ch10-classifier-free");
    let (scales, samples) = (numbers(&data["scales"]), data["samples"].as_f64().unwrap());
    let classes = data["pictures"].as_array().unwrap();
    assert_eq!((classes.len(), scales[0]), (10, 0.0));
    for (i, scale) in scales.iter().enumerate() {
        let shown = classes.iter().map(|pictures| pictures[i].as_str().unwrap());
        let shown = shown.collect::<std::collections::BTreeSet<_>>();
        assert_eq!(shown.len(), if *scale == 0.0 { 1 } else { 10 }, "scale {scale}");
        let right: f64 = (0..10).map(|class| data["right"][class][i].as_f64().unwrap()).sum();
        let share = right / (10.0 * samples);
        assert!(if *scale < 1.0 { share < 0.9 } else { share > 0.8 }, "scale {scale}: {share}");
    }
}

/// The small network of chapter 12, and three steps in which it fills a hole.
#[test]
fn the_page_s_u_net_answers_and_fills_as_the_crate_s() {
    let data = page("ch12-inpainting");
    let check = &data["check"];
    let near = |found: &[f64], expected: &serde_json::Value| {
        let expected = numbers(expected);
        assert_eq!(found.len(), expected.len());
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let gap = (found - expected).abs();
            assert!(gap < 1e-4 * expected.abs().max(1.0), "pixel {i}: off by {gap:e}");
        }
    };
    let answers = "((data) => { const net = unet(data.network, data.weights), { x, t } = data.check; \
         const known = Float64Array.from(data.digits[0], (p) => p / 127.5 - 1); \
         const mask = known.map((_, i) => i < 14 * 28 ? 1 : 0); \
         const way = { by: \"projection\", steps: 3, jump: 1, times: 1 }; \
         const draw = (n) => Float64Array.from(x); \
         const fill = maths.inpaint(net, known, mask, data.alpha_bar, way, draw); \
         let next; do next = fill.next(); while (!next.done); \
         const input = [...x, ...known.map((v, i) => v * mask[i]), ...mask]; \
         return [...net(input, t), ...next.value]; })";
    let found = numbers(&call(answers, &format!("[{data}]")));
    let (eps, filled) = found.split_at(found.len() / 2);
    near(eps, &check["eps"]);
    near(filled, &check["filled"]);
}

/// Lugmayr et al. 2022: 250 steps, jumps of 10, 10 times; and a hole that a network which always
/// answers 0 leaves as it is.
#[test]
fn the_page_goes_back_as_repaint_does_and_keeps_what_is_known() {
    let visits = numbers(&call("maths.visits", r#"[250, {"jump": 10, "times": 10}]"#));
    assert_eq!((visits.len(), visits[0], visits[4570]), (4571, 0.0, 250.0));
    assert_eq!(visits[18..23], [18.0, 19.0, 18.0, 17.0, 16.0]);
    let fill = "((way) => { let seed = 1; \
         const net = (x) => x.slice(0, 4).map(() => 0), known = Float64Array.of(0.5, -0.25, 1, -1); \
         const fill = maths.inpaint(net, known, [1, 0, 1, 0], maths.schedules.linear(1000, {}), \
             way, (n) => maths.normals(n, seed++)); \
         let calls = 0, next; \
         for (next = fill.next(); !next.done; next = fill.next()) calls++; \
         return [calls, ...next.value]; })";
    let found = numbers(&call(fill, r#"[{"by": "RePaint", "steps": 20, "jump": 4, "times": 3}]"#));
    assert_eq!((found[0], found[1], found[3]), (52.0, 0.5, 1.0));
    assert!(found[2].abs() <= 1.0 && found[4].abs() <= 1.0, "{found:?}");
}
