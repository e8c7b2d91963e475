//! A one-shot job: a task file in, an output file out, whatever becomes of the parent.
//!
//! Nothing here depends on who started it: no pipe that breaks, no signal when the parent dies. SIGTERM ends it at
//! once, as it does by default.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::Value;

use crate::stages::Stage;
use crate::{console, errors, files};

const FAILED: u8 = 1;
const OUTPUT_NOT_WRITTEN: u8 = 3;

#[derive(Serialize)]
struct Answer {
    err_msg: Option<String>,
    output: Option<Box<RawValue>>,
}

pub fn run(stage: &Stage, task: &Path, output: &Path) -> ExitCode {
    let result = errors::caught(|| attempt(stage, task));
    let code = match result {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(FAILED),
    };
    match write(&answer(result), output) {
        Ok(()) => code,
        Err(error) => {
            let path = output.display();
            console::say(format!("seal-processor: write {path}: {error}"));
            ExitCode::from(OUTPUT_NOT_WRITTEN)
        }
    }
}

fn attempt(stage: &Stage, task: &Path) -> Result<Box<RawValue>> {
    let text = fs::read(task).with_context(|| format!("read task {}", task.display()))?;
    let value: Value =
        serde_json::from_slice(&text).with_context(|| format!("parse task {}", task.display()))?;
    (stage.run)(value)
}

fn answer(result: Result<Box<RawValue>>) -> Answer {
    match result {
        Ok(output) => Answer {
            err_msg: None,
            output: Some(output),
        },
        Err(error) => Answer {
            err_msg: Some(errors::one_line(&error)),
            output: None,
        },
    }
}

fn write(answer: &Answer, output: &Path) -> io::Result<()> {
    files::write_atomically(output, &serde_json::to_vec(answer)?)
}
