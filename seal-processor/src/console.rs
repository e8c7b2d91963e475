//! Words for whoever started the program. He may be gone, and his pipe broken: the work goes on all the same.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

/// One line on standard error.
pub fn say(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// JSON on standard output.
pub fn print_json(value: &impl Serialize) -> io::Result<()> {
    writeln!(io::stdout(), "{}", serde_json::to_string_pretty(value)?)
}
