//! Making parameters: minutes of work, so others wait for it and see how far it is.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use bellperson::groth16::Parameters;
use blstrs::Bls12;
use storage_proofs_core::parameter_cache::parameter_cache_dir;

use super::set::Set;
use super::Request;
use crate::console::say;
use crate::files;

const LOCK_NAME: &str = ".generating.lock";
const FOLDER_PREFIX: &str = ".generating-";
const PROGRESS_EVERY: Duration = Duration::from_secs(15);

pub fn missing(request: &Request) -> Result<()> {
    let cache = parameter_cache_dir();
    let _lock = files::lock(&cache.join(LOCK_NAME))?;
    remove_leftovers(&cache)?;
    for kind in &request.kinds {
        complete(&cache, &Set::of(*kind, request.size)?)?;
    }
    Ok(())
}

/// Under the lock nobody else is at work, so every such folder is a dead run's.
fn remove_leftovers(cache: &Path) -> Result<()> {
    for entry in fs::read_dir(cache)? {
        let entry = entry?;
        let ours = entry
            .file_name()
            .to_string_lossy()
            .starts_with(FOLDER_PREFIX);
        if ours && entry.file_type()?.is_dir() {
            say(format!(
                "removing {}, left by a run that did not end",
                entry.path().display()
            ));
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn complete(cache: &Path, set: &Set) -> Result<()> {
    let name = set.name();
    if set.is_complete()? {
        say(format!("{name}: there already"));
    } else if set.repair()? {
        say(format!(
            "{name}: verifying key written anew from the parameters"
        ));
    } else {
        let folder = cache.join(format!("{FOLDER_PREFIX}{}", name.replace(' ', "-")));
        fs::create_dir(&folder).with_context(|| format!("create {}", folder.display()))?;
        let made = with_progress(&name, set.usual_seconds(), || make(set, &folder));
        // After a failure, too: it may have been for want of space.
        fs::remove_dir_all(&folder)?;
        made?;
    }
    Ok(())
}

fn make(set: &Set, folder: &Path) -> Result<()> {
    let made = folder.join("params");
    write(&set.generate()?, &made).with_context(|| format!("write {}", made.display()))?;
    // The key of an earlier run must be gone before these parameters can be seen.
    files::remove_if_there(&set.key)?;
    files::move_into_place(&made, &set.params)?;
    ensure!(set.repair()?, "{} was cut off", set.params.display());
    Ok(())
}

fn write(parameters: &Parameters<Bls12>, path: &Path) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    parameters.write(&mut out)?;
    out.flush()
}

/// Runs `work`, saying at the start how long it usually takes and then every few seconds how long it has taken.
fn with_progress(name: &str, usual: Option<u64>, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let of_usual = usual.map_or_else(String::new, |usual| format!(" of about {usual} s"));
    say(format!("{name}: making parameters{}", usual_time(usual)));
    let start = Instant::now();
    let (done, ended) = mpsc::channel::<()>();
    let result = thread::scope(|scope| {
        scope.spawn(move || {
            while ended.recv_timeout(PROGRESS_EVERY) == Err(RecvTimeoutError::Timeout) {
                say(format!("{name}: {} s{of_usual}", start.elapsed().as_secs()));
            }
        });
        let result = work();
        drop(done);
        result
    });
    let outcome = if result.is_ok() { "made" } else { "failed" };
    say(format!(
        "{name}: {outcome} after {} s",
        start.elapsed().as_secs()
    ));
    result
}

fn usual_time(usual: Option<u64>) -> String {
    match usual {
        Some(seconds) => format!(", usually {seconds} s on two cores"),
        None => ", how long it takes at this size has not been measured".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn only_the_folders_of_dead_runs_are_removed() {
        let cache = tempdir().unwrap();
        let dead = cache.path().join(".generating-porep-2KiB");
        let parameters = cache.path().join("v28-stacked.params");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("params"), "half").unwrap();
        fs::write(&parameters, "").unwrap();
        let lock = cache.path().join(LOCK_NAME);
        fs::write(&lock, "").unwrap();
        remove_leftovers(cache.path()).unwrap();
        assert!(parameters.exists() && lock.exists() && !dead.exists());
    }

    #[test]
    fn progress_gives_back_what_the_work_gave() {
        assert!(with_progress("quick", Some(1), || Ok(())).is_ok());
        assert!(with_progress("quick", None, || anyhow::bail!("no space")).is_err());
    }
}
