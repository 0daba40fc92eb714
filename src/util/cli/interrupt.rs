//! Signals that ask a command to end: Ctrl-C, SIGTERM of a cluster or a container, SIGHUP of a
//! terminal that is closed.

use crate::util::print;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The first signal that came while work was held; 0 before.
static ASKED: AtomicI32 = AtomicI32::new(0);
/// How many [`HeldInterrupts`] live.
static HELD: AtomicUsize = AtomicUsize::new(0);
static LISTENING: Mutex<bool> = Mutex::new(false);

/// While it lives, a signal does not end the process: [`interrupted`] turns true, and the loop that
/// holds this stops, saves, and ends with [`stop_if_interrupted`]. A second Ctrl-C ends the process
/// at once; a second SIGTERM or SIGHUP does not, since shells and service managers send two.
#[derive(Debug)]
pub struct HeldInterrupts(());

/// Holds interrupts for a loop that saves. SIGHUP stays ignored where it was from the start, as
/// under `nohup`. The others are taken even then: a script's background jobs ignore SIGINT, and a
/// training there should save when it is sent one.
pub fn hold_interrupts() -> io::Result<HeldInterrupts> {
    let mut listening = LISTENING.lock().unwrap_or_else(PoisonError::into_inner);
    if !*listening {
        let signals = [SIGINT, SIGTERM, SIGHUP].into_iter();
        let signals = signals.filter(|signal| *signal != SIGHUP || !is_ignored(SIGHUP));
        let mut signals = Signals::new(signals)?;
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || signals.forever().for_each(received))?;
        *listening = true;
    }
    HELD.fetch_add(1, Ordering::SeqCst);
    Ok(HeldInterrupts(()))
}

impl Drop for HeldInterrupts {
    fn drop(&mut self) {
        HELD.fetch_sub(1, Ordering::SeqCst);
    }
}

fn received(signal: i32) {
    let first = ASKED.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst).is_ok();
    let at_once = HELD.load(Ordering::SeqCst) == 0 || (!first && signal == SIGINT);
    if at_once {
        let _ = emulate_default_handler(signal);
    } else if first {
        print::err("stopping after this step; press Ctrl-C again to stop at once");
    }
}

fn is_ignored(signal: i32) -> bool {
    // SAFETY: sigaction without a new action only fills in the old one, for which zeros are valid.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

/// Whether a signal asks to end.
pub fn interrupted() -> bool {
    ASKED.load(Ordering::SeqCst) != 0
}

/// Ends an interrupted training, once it is saved, and says how to go on. The exit status is that
/// of the signal: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP.
pub fn stop_if_interrupted() {
    let program = std::env::args().next().map(PathBuf::from).unwrap_or_default();
    let name = program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let typed = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let again = super::again(&name, typed.filter(|word| word != "--resume"));
    stop_saying(format_args!("all is saved: go on with\n  {again} --resume"));
}

/// As [`stop_if_interrupted`], with other words.
pub(super) fn stop_saying(advice: impl std::fmt::Display) {
    if interrupted() {
        print::err(format_args!("interrupted; {advice}"));
        std::process::exit(128 + ASKED.load(Ordering::SeqCst));
    }
}
