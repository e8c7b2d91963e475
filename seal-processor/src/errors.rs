//! One readable line for whatever goes wrong, panics included.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Mutex, PoisonError};

use anyhow::{anyhow, Error, Result};

/// A longer message helps nobody, and has to travel through a workflow's history.
const LONGEST: usize = 4096;
const CUT: &str = " …";

struct Panic {
    message: String,
    location: String,
}

/// Where the latest panic was is known to the hook only, and on the panicking thread, which may be one of a pool.
static LATEST: Mutex<Option<Panic>> = Mutex::new(None);

/// From now on a panic's location is remembered, for `caught`. It is still printed, too.
pub fn note_panics() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        note(info);
        print(info);
    }));
}

/// Runs `work`; a panic in it becomes an error.
pub fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    panic::catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|payload| Err(anyhow!("panic: {}", described(payload.as_ref()))))
}

/// The whole chain of causes in one line of bounded length.
pub fn one_line(error: &Error) -> String {
    let mut line = format!("{error:#}")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    if line.len() > LONGEST {
        let mut end = LONGEST - CUT.len();
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line.truncate(end);
        line.push_str(CUT);
    }
    line
}

fn note(info: &PanicHookInfo<'_>) {
    let panic = Panic {
        message: message(info.payload()),
        location: info
            .location()
            .map_or_else(String::new, |place| format!(" at {place}")),
    };
    *LATEST.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
}

/// Another task may have panicked meanwhile: the location is only told where the message is the same.
fn described(payload: &(dyn Any + Send)) -> String {
    let message = message(payload);
    let latest = LATEST.lock().unwrap_or_else(PoisonError::into_inner);
    match latest.as_ref().filter(|panic| panic.message == message) {
        Some(panic) => message + &panic.location,
        None => message,
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    let literal = payload.downcast_ref::<&str>().map(ToString::to_string);
    literal
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "of an unknown kind".to_owned())
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_place() {
        note_panics();
        let error = caught(|| -> Result<()> { panic!("no {} left", "layers") }).unwrap_err();
        let line = one_line(&error);
        assert!(
            line.starts_with("panic: no layers left at src/errors.rs:"),
            "{line}"
        );
    }

    #[test]
    fn causes_are_told_in_one_line() {
        let cause: Result<()> = Err(anyhow!("disk\n  on fire"));
        let error = cause.context("write layer").unwrap_err();
        assert_eq!(one_line(&error), "write layer: disk on fire");
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let line = one_line(&anyhow!("ü".repeat(LONGEST)));
        assert!(line.len() <= LONGEST && line.ends_with(CUT));
    }
}
