//! Progress of a long loop: a bar on a terminal, a few plain lines anywhere else.
//!
//! Elsewhere means a pipe, a log file, CI, or a notebook, where a bar would be invisible or print
//! thousands of lines. Any run, however long, prints about twenty.

use crate::util::print;
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Display;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// ```
/// use from_noise::util::progress::Progress;
/// let mut progress = Progress::new("train", 500);
/// for step in 0..500 {
///     let loss = 1.0 / (1 + step) as f64;
///     progress.tick(format_args!("loss {loss:.4}")); // formatted only when shown
/// }
/// progress.finish("final loss 0.002"); // train 500/500 in 0:00 (...), final loss 0.002
/// ```
#[derive(Debug)]
pub struct Progress {
    title: String,
    total: u64,
    first: u64,
    done: u64,
    started: Instant,
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Bar { bar: ProgressBar, last: Instant },
    Lines(Pace),
}

impl Progress {
    /// A loop of `total` steps. The bar goes to stderr if that is a terminal, the lines to stdout.
    pub fn new(title: impl Into<String>, total: u64) -> Self {
        let (title, started) = (title.into(), Instant::now());
        let shown = if std::io::stderr().is_terminal() {
            let style = "{prefix} {wide_bar} {pos}/{len} {per_sec} ETA {eta} {msg}";
            let style = ProgressStyle::with_template(style).expect("a valid template");
            let bar = ProgressBar::new(total).with_style(style).with_prefix(title.clone());
            Shown::Bar { bar, last: started }
        } else {
            Shown::Lines(Pace::default())
        };
        Self { title, total, first: 0, done: 0, started, shown }
    }

    /// A bar for a resumed loop: `done` steps were finished before, and say nothing about the speed.
    pub fn starting_at(mut self, done: u64) -> Self {
        (self.first, self.done) = (done, done);
        if let Shown::Bar { bar, .. } = &self.shown {
            bar.set_position(done);
            bar.reset_eta();
        }
        self
    }

    /// Counts one step more.
    pub fn tick(&mut self, message: impl Display) {
        self.done += 1;
        let elapsed = self.started.elapsed();
        match &mut self.shown {
            Shown::Bar { bar, last } => {
                if last.elapsed() > Duration::from_millis(100) {
                    *last = Instant::now();
                    bar.set_message(message.to_string());
                }
                bar.inc(1);
            }
            Shown::Lines(pace) => {
                if self.done < self.total && pace.due(elapsed.as_secs_f64(), self.done, self.total)
                {
                    self.line(&message);
                }
            }
        }
    }

    /// The last line: steps, time, speed and `message`.
    pub fn finish(self, message: impl Display) {
        let seconds = self.started.elapsed().as_secs_f64();
        let Self { title, done, total, .. } = &self;
        let (time, speed) = (clock(seconds), self.speed(seconds));
        let text = with(format_args!("{title} {done}/{total} in {time} ({speed})"), &message);
        match &self.shown {
            Shown::Bar { bar, .. } => {
                bar.finish_and_clear();
                print::err(text);
            }
            Shown::Lines(_) => print::out(text),
        }
    }

    fn line(&self, message: &impl Display) {
        let Self { title, done, total, .. } = self;
        let seconds = self.started.elapsed().as_secs_f64();
        let left = seconds / (done - self.first).max(1) as f64 * total.saturating_sub(*done) as f64;
        let percent = 100 * done / (*total).max(1);
        let (speed, eta) = (self.speed(seconds), clock(left));
        let text = format_args!("{title} {done}/{total} {percent}% {speed}, ETA {eta}");
        print::out(with(text, message));
    }

    fn speed(&self, seconds: f64) -> String {
        let rate = (self.done - self.first) as f64 / seconds.max(1e-9);
        match rate {
            0.0 => "no steps".into(),
            ..1.0 => format!("{:.1} s/it", 1.0 / rate),
            ..100.0 => format!("{rate:.1} it/s"),
            _ => format!("{rate:.0} it/s"),
        }
    }
}

/// When to print a line: every tenth of the work, and each time the run has lasted twice as long as
/// at the line before, so that early lines come soon; never within two seconds of each other.
#[derive(Debug, Default)]
struct Pace {
    seconds: f64,
    done: u64,
}

impl Pace {
    fn due(&mut self, seconds: f64, done: u64, total: u64) -> bool {
        let long = seconds >= 2.0 * self.seconds || done >= self.done + total.div_ceil(10);
        let due = long && seconds >= self.seconds + 2.0;
        if due {
            *self = Self { seconds, done };
        }
        due
    }
}

fn with(text: impl Display, message: &impl Display) -> String {
    let message = message.to_string();
    if message.is_empty() { text.to_string() } else { format!("{text}, {message}") }
}

/// `m:ss`, or `h:mm:ss` from an hour on.
fn clock(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match s / 3600 {
        0 => format!("{}:{:02}", s / 60, s % 60),
        h => format!("{h}:{:02}:{:02}", s / 60 % 60, s % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds at which a run of `total` steps of `each` seconds prints.
    fn lines(total: u64, each: f64) -> Vec<f64> {
        let mut pace = Pace::default();
        let steps = (1..total).map(|done| (done, done as f64 * each));
        steps.filter(|&(done, at)| pace.due(at, done, total)).map(|(_, at)| at).collect()
    }

    #[test]
    fn runs_of_any_length_print_about_twenty_lines_and_the_first_soon() {
        assert!(lines(1000, 0.0015).is_empty(), "a run under two seconds needs no line");
        for (total, each) in [(1000, 0.06), (100_000, 0.01), (36_000, 1.0), (1_000_000, 0.25)] {
            let at = lines(total, each);
            assert!((5..=25).contains(&at.len()), "{} lines", at.len());
            assert!(at[0] < 3.1 && at.windows(2).all(|w| w[1] - w[0] >= 2.0));
            let longest = at.windows(2).map(|w| w[1] - w[0]).fold(0.0, f64::max);
            assert!(
                longest <= total as f64 * each / 10.0 + each + 2.0,
                "{longest} s without a line"
            );
        }
    }

    #[test]
    fn clocks_read_as_people_write_them() {
        assert_eq!(
            [0.4, 59.6, 3599.0, 3600.0, 36_061.0].map(clock),
            ["0:00", "1:00", "59:59", "1:00:00", "10:01:01"]
        );
    }
}
