//! Lines for whoever reads them: a reader who is gone stops nothing.
//!
//! `println!` panics when standard output is a closed pipe, as behind `| head -1`, and takes an
//! hour's work with it. What a command prints goes through [`say!`](crate::say) and [`err`] instead:
//! the lines are lost, the work goes on, and its files are written.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

/// `println!` that does not mind a closed pipe.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::util::print::out(format_args!($($text)*)) };
}

static LOST: OnceLock<io::Error> = OnceLock::new();

/// A line on standard output, at once: notebooks and CI read a pipe.
pub fn out(line: impl Display) {
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush())
        && !nobody_reads(&error)
    {
        let _ = LOST.set(error);
    }
}

/// A line on standard error.
pub fn err(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Why lines were lost although somebody reads them: a full disk, say. None if all is well.
pub fn lost() -> Option<&'static io::Error> {
    LOST.get()
}

/// The pipe is closed, or the terminal is.
fn nobody_reads(error: &io::Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe || error.raw_os_error() == Some(libc::EIO)
}
