//! The line protocol of damocles' processors, by the crate that has both its sides.
//!
//! Two things are done better than by that crate alone: a task that panics, and one whose fields are wrong, get an
//! answer with `err_msg` like any other failure. Only a line without an id gets none.

use std::fmt;
use std::marker::PhantomData;

use anyhow::{anyhow, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vc_processors::core::ext::run_consumer_with_proc;
use vc_processors::core::{Processor, Task};

use crate::errors;
use crate::stages::{self, Work};

/// Serves one stage until the input ends, which is an error then: whatever was in flight is lost.
pub fn serve<W: Work>() -> Result<()> {
    run_consumer_with_proc::<Raw<W>, Server>(Server)
}

/// A task as it came, to be looked at where an error can be answered.
#[derive(Serialize, Deserialize)]
#[serde(transparent, bound = "")]
struct Raw<W> {
    task: Value,
    #[serde(skip)]
    stage: PhantomData<fn() -> W>,
}

impl<W: Work> fmt::Debug for Raw<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task of {}", W::STAGE)
    }
}

impl<W: Work> Task for Raw<W> {
    const STAGE: &'static str = W::STAGE;
    type Output = W::Output;
}

#[derive(Clone, Copy)]
struct Server;

impl<W: Work> Processor<Raw<W>> for Server {
    fn process(&self, raw: Raw<W>) -> Result<W::Output> {
        errors::caught(|| stages::perform::<W>(raw.task))
            .map_err(|error| anyhow!(errors::one_line(&error)))
    }
}
