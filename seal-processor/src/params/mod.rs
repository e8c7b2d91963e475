//! The Groth16 parameters: are they there, and, for sizes that have no public ones, making them.
//!
//! A set is two files, the parameters and the verifying key, of one run: keys of another run verify nothing. The
//! proofs' own cache writes straight to the final names, and trusts for ever what a kill leaves there. Here:
//!
//! - one run at a time in a cache (a file lock); a second one waits, and finds the work done;
//! - a set is made in a folder of its own, which the next run removes if this one dies;
//! - the parameters are moved into place first. They begin with the verifying key, so whatever is missing, or is of
//!   another run, is made again from them in no time. A parameter file that is cut off is known by its length.

mod circuits;
mod format;
mod generate;
mod set;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{bail, Result};
use serde::Serialize;

use crate::console::say;
use crate::sizes::SectorSize;
pub use set::Kind;

const CACHE_VARIABLE: &str = "FIL_PROOFS_PARAMETER_CACHE";

/// What `seal-processor params` was asked for.
pub struct Request {
    pub size: SectorSize,
    pub kinds: Vec<Kind>,
    pub cache: Option<PathBuf>,
}

/// What `params --check` prints.
#[derive(Debug, Serialize)]
pub struct Report {
    pub sector_size: &'static str,
    pub cache: PathBuf,
    pub complete: bool,
    pub sets: Vec<set::Report>,
}

/// Looks only: takes no lock, and reads a few kilobytes.
pub fn check(request: &Request) -> Result<Report> {
    use_cache(request.cache.as_deref());
    let sets = request
        .kinds
        .iter()
        .map(|kind| set::Set::of(*kind, request.size)?.report())
        .collect::<Result<Vec<_>>>()?;
    Ok(Report {
        sector_size: request.size.name(),
        cache: storage_proofs_core::parameter_cache::parameter_cache_dir(),
        complete: sets.iter().all(|set| set.complete),
        sets,
    })
}

/// Makes what is missing; says on standard error what it does.
pub fn ensure(request: &Request) -> Result<()> {
    if check(request)?.complete {
        say(format!(
            "the {} parameters are there already: nothing to do",
            request.size
        ));
        return Ok(());
    }
    refuse_production_sizes(request.size)?;
    generate::missing(request)
}

/// The settings of the proofs are read once, from the environment: this comes before anything that reads them.
fn use_cache(folder: Option<&Path>) {
    if let Some(folder) = folder {
        env::set_var(CACHE_VARIABLE, folder);
    }
}

fn refuse_production_sizes(size: SectorSize) -> Result<()> {
    match size {
        SectorSize::KiB2 | SectorSize::MiB8 | SectorSize::MiB512 => Ok(()),
        SectorSize::GiB32 | SectorSize::GiB64 => bail!(
            "the parameters of {size} sectors come from the network's trusted setup and cannot be made here: \
             fetch them (for example `lotus fetch-params {size}`)"
        ),
    }
}
