//! The user sees a bar while waiting at a terminal, and plain lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// Seconds between two plain lines.
const QUIET: Duration = Duration::from_secs(5);

/// Bytes done out of a total (0: unknown), with speed and time left.
pub struct Meter {
    bar: ProgressBar,
    spoke: Instant,
    said: u64,
}

impl Meter {
    pub fn new(label: &str, total: u64) -> Self {
        let template = match total {
            0 => "  {msg:28} {decimal_bytes:>9} {decimal_bytes_per_sec:>11}",
            _ => {
                "  {msg:28} {bar:30} {decimal_bytes:>9} of {decimal_total_bytes:9} \
                 {decimal_bytes_per_sec:>11} {eta:>4} left"
            }
        };
        let style = ProgressStyle::with_template(template).expect("the template is fixed");
        let bar = ProgressBar::new(total).with_message(label.to_owned()).with_style(style);
        Self { bar, spoke: Instant::now(), said: 0 }
    }

    pub fn set(&mut self, done: u64) {
        self.bar.set_position(done);
        // indicatif draws nothing where there is no terminal.
        if self.bar.is_hidden()
            && done != self.said
            && Some(done) != self.bar.length()
            && self.spoke.elapsed() >= QUIET
        {
            (self.spoke, self.said) = (Instant::now(), done);
            eprintln!("  {}: {}", self.bar.message(), self.line(self.bar.elapsed()));
        }
    }

    pub fn add(&mut self, bytes: u64) {
        self.set(self.bar.position() + bytes);
    }

    /// Ends the bar and says the last line.
    pub fn finish(self) {
        self.bar.finish_and_clear();
        let (done, took) = (size(self.bar.position()), duration(self.bar.elapsed()));
        eprintln!("  {}: {done} in {took}", self.bar.message());
    }

    fn line(&self, after: Duration) -> String {
        let (done, total) = (self.bar.position(), self.bar.length().unwrap_or(0));
        let speed = done as f64 / after.as_secs_f64().max(1e-9);
        let rest = total.saturating_sub(done);
        let (done, per_second) = (size(done), size(speed as u64));
        if rest == 0 || speed < 1.0 {
            return format!("{done}, {per_second}/s");
        }
        let left = duration(Duration::from_secs_f64(rest as f64 / speed));
        format!("{done} of {}, {per_second}/s, {left} left", size(total))
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
        let mut meter = Meter::new("torch", 4_000_000);
        meter.set(2_000_000);
        let line = meter.line(Duration::from_secs(2));
        assert_eq!(line, "2 MB of 4 MB, 1 MB/s, 2.0 s left");
    }
}
