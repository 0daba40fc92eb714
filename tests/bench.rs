//! The programs in bench/, made small: each runs, and what it writes holds what it says.

use std::path::Path;
use std::process::Command;

/// Runs an example in this repository; the tables that it wrote below `out`, by the names `tables`.
fn run(name: &str, flags: &str, out: &Path, tables: &[&str]) -> Vec<Vec<csv::StringRecord>> {
    let programs = std::env::current_exe().unwrap();
    let program = programs.ancestors().nth(2).unwrap().join("examples").join(name);
    let mut command = Command::new(&program);
    command.args(flags.split_whitespace()).arg("--out").arg(out).env("OMP_NUM_THREADS", "1");
    let run = command
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}: cargo build --examples", program.display()));
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let read = |table: &&str| {
        let rows = csv::Reader::from_path(out.join(table)).unwrap().into_records();
        rows.collect::<Result<Vec<_>, _>>().unwrap()
    };
    tables.iter().map(read).collect()
}

#[test]
fn a_cpu_checked_as_a_device_agrees_with_itself() {
    let out = tempfile::tempdir().unwrap();
    let flags = "--device cpu --smoke --seconds 0.01";
    let tables = run("device-check", flags, out.path(), &["agreement.csv", "speed.csv"]);
    let error = |row: &csv::StringRecord| row[3].parse::<f64>().unwrap();
    let wanted = [
        "output, relative",
        "gradient, relative",
        "DDIM 20 steps, largest of 255",
        "DDIM 20 steps, mean of 255",
        "weights, resumed from whole run",
        "weights, two whole runs",
    ];
    for what in wanted {
        let rows: Vec<_> = tables[0].iter().filter(|row| &row[1] == what).collect();
        assert!(!rows.is_empty() && rows.iter().all(|row| error(row) == 0.0), "{what}: {rows:?}");
    }
    for precision in ["f32", "bf16"] {
        for job in ["training", "sampling"] {
            let timed = |row: &&csv::StringRecord| &row[0] == job && &row[2] == precision;
            let rates = tables[1].iter().filter(timed).map(|row| row[4].parse::<f64>().unwrap());
            assert!(rates.clone().count() >= 2 && rates.min_by(f64::total_cmp) > Some(0.0));
        }
    }
}

#[test]
fn half_precision_is_compared_with_the_whole() {
    let out = tempfile::tempdir().unwrap();
    let flags = "weights/labels/all weights/labels/ten-percent --samples 4 --device cpu";
    let rows = run("half-precision", flags, out.path(), &["half.csv"]).remove(0);
    assert_eq!(rows.len(), 2, "{rows:?}");
    // these weights are in half precision already
    assert!(rows.iter().all(|row| row.iter().next_back() == Some("0.0")), "{rows:?}");
}

#[test]
fn scenes_are_read_with_and_without_damage() {
    let out = tempfile::tempdir().unwrap();
    let rows = run("caption-scorer", "--samples 20", out.path(), &["reader.csv"]).remove(0);
    assert!(rows.len() > 4, "{rows:?}");
    for picture in ["scenes.png", "reader.png"] {
        image::open(out.path().join(picture)).unwrap();
    }
}
