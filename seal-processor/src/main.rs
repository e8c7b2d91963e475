//! Runs one stage of sealing: as a job that outlives whoever started it, or over damocles' line protocol.

mod cli;
mod console;
mod errors;
mod files;
mod job;
mod params;
mod parents;
mod reference;
mod sizes;
mod stages;
mod stream;

use std::env;
use std::process::ExitCode;

use anyhow::Result;
use cli::Command;

fn main() -> ExitCode {
    settle_backtraces();
    let command = cli::parse(env::args_os());
    start_logging(&command);
    errors::note_panics();
    match run(command) {
        Ok(code) => code,
        Err(error) => {
            console::say(format!("seal-processor: {}", errors::one_line(&error)));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Job {
            stage,
            task,
            output,
        } => Ok(job::run(stage, &task, &output)),
        Command::Stream(stage) => (stage.serve)().map(|()| ExitCode::SUCCESS),
        Command::Stages => {
            console::print_json(&stages::names())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::CheckParams(request) => check_params(&request),
        Command::Params(request) => params::ensure(&request).map(|()| ExitCode::SUCCESS),
    }
}

fn check_params(request: &params::Request) -> Result<ExitCode> {
    let report = params::check(request)?;
    console::print_json(&report)?;
    Ok(if report.complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A backtrace belongs to a panic, on standard error, and not into an answer that operators read in one line.
fn settle_backtraces() {
    const OF_ERRORS: &str = "RUST_LIB_BACKTRACE";
    if env::var_os(OF_ERRORS).is_none() {
        env::set_var(OF_ERRORS, "0");
    }
}

/// To standard error always: standard output belongs to the protocol.
fn start_logging(command: &Command) {
    let level = match command {
        Command::Job { .. } | Command::Stream(_) => "info",
        Command::Stages | Command::CheckParams(_) | Command::Params(_) => "warn",
    };
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level))
        .target(env_logger::Target::Stderr)
        .init();
}
