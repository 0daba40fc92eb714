//! The user sees a bar while waiting at a terminal, and plain lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Seconds between two plain lines.
const QUIET: Duration = Duration::from_secs(5);

/// Bytes done out of a total (0: unknown), with speed and time left.
pub struct Meter {
    label: String,
    total: u64,
    done: u64,
    started: Instant,
    spoke: Instant,
    said: u64,
    bar: Option<ProgressBar>,
}

impl Meter {
    pub fn new(label: &str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total).with_message(label.to_owned());
            let style = if total == 0 {
                "  {msg:28} {decimal_bytes:>9} {decimal_bytes_per_sec:>11}"
            } else {
                "  {msg:28} {bar:30} {decimal_bytes:>9} of {decimal_total_bytes:9} {decimal_bytes_per_sec:>11} {eta:>4} left"
            };
            bar.set_style(ProgressStyle::with_template(style).expect("the template is fixed"));
            bar
        });
        let now = Instant::now();
        Self { label: label.to_owned(), total, done: 0, started: now, spoke: now, said: 0, bar }
    }

    pub fn set(&mut self, done: u64) {
        self.done = if self.total == 0 { done } else { done.min(self.total) };
        let news = self.done != self.said && self.done != self.total;
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
        } else if news && self.spoke.elapsed() >= QUIET {
            (self.spoke, self.said) = (Instant::now(), self.done);
            eprintln!("  {}: {}", self.label, self.line());
        }
    }

    pub fn add(&mut self, bytes: u64) {
        self.set(self.done + bytes);
    }

    /// Ends the bar or says the last line.
    pub fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let took = duration(self.started.elapsed());
        eprintln!("  {}: {} in {took}", self.label, size(self.done));
    }

    fn line(&self) -> String {
        let (done, total) = (size(self.done), size(self.total));
        let speed = self.done as f64 / self.started.elapsed().as_secs_f64().max(1e-9);
        match (self.total, speed) {
            (0, _) => return format!("{done}, {}/s", size(speed as u64)),
            (_, ..1.0) => return format!("{done} of {total}"),
            _ => {}
        }
        let left = Duration::from_secs_f64((self.total - self.done) as f64 / speed);
        format!("{done} of {total}, {}/s, {} left", size(speed as u64), duration(left))
    }
}

/// Bytes in decimal units, as download pages give them.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// A span of time in the unit a person would use.
pub fn duration(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    match seconds {
        ..10.0 => format!("{seconds:.1} s"),
        ..120.0 => format!("{seconds:.0} s"),
        _ => format!("{} min {:02.0} s", (seconds / 60.0).floor(), (seconds % 60.0).floor()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_read_well() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(526_574_961), "526 MB");
        assert_eq!(size(2_310_000_000), "2.3 GB");
        assert_eq!(duration(Duration::from_millis(1_240)), "1.2 s");
        assert_eq!(duration(Duration::from_secs(61)), "61 s");
        assert_eq!(duration(Duration::from_secs(185)), "3 min 05 s");
    }

    #[test]
    fn a_line_names_what_is_left() {
        let mut meter = Meter::new("torch", 4_000_000);
        meter.started = Instant::now() - Duration::from_secs(2);
        meter.done = 2_000_000;
        assert!(meter.line().starts_with("2 MB of 4 MB, "), "{}", meter.line());
        assert!(meter.line().ends_with(" left"));
    }
}
