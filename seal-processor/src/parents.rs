//! The table of every node's parents, made once on a machine for each sector size and read by PC1 and by unsealing.
//!
//! The proofs write it straight to its final name, at its full length from the first moment on, and believe whatever
//! they find there: a first PC1 that is killed would spoil every later sector. So it is made here, before the proofs
//! look for it: one process at a time, and under a mark that lists the tables which were there before. A mark that is
//! found means that its process died, and whatever is not in its list goes.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use filecoin_proofs::parameters::public_params;
use filecoin_proofs::types::MerkleTreeTrait;
use filecoin_proofs::with_shape;
use filecoin_proofs_api::RegisteredSealProof;
use storage_proofs_core::settings::SETTINGS;

use crate::files;

const LOCK_NAME: &str = ".seal-processor.lock";
const MARK_NAME: &str = ".seal-processor.making";
const TABLE_EXTENSION: &str = "cache";

pub fn ensure(proof: RegisteredSealProof) -> Result<()> {
    let folder = PathBuf::from(&SETTINGS.parent_cache);
    ensure_in(&folder, || {
        with_shape!(u64::from(proof.sector_size()), make_or_open, proof)
    })
    .with_context(|| format!("parent cache in {}", folder.display()))
}

fn ensure_in(folder: &Path, make: impl FnOnce() -> Result<()>) -> Result<()> {
    files::create_folder(folder)?;
    let lock = folder.join(LOCK_NAME);
    if is_foreign(&lock) {
        // Another user's tables can be read, but nothing can be made here, and so nothing be spoilt.
        return Ok(());
    }
    let _lock = files::lock(&lock)?;
    let mark = folder.join(MARK_NAME);
    remove_torn(folder, &mark)?;
    files::write_atomically(&mark, &serde_json::to_vec(&tables(folder)?)?)?;
    make()?;
    files::sync(&[folder])?;
    files::remove_if_there(&mark)?;
    Ok(())
}

fn is_foreign(lock: &Path) -> bool {
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(lock);
    opened.is_err_and(|error| {
        matches!(
            error.kind(),
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
        )
    })
}

fn make_or_open<Tree: 'static + MerkleTreeTrait>(proof: RegisteredSealProof) -> Result<()> {
    let params = public_params::<Tree>(&proof.as_v1_config())?;
    params.graph.parent_cache()?;
    Ok(())
}

fn remove_torn(folder: &Path, mark: &Path) -> Result<()> {
    if !mark.exists() {
        return Ok(());
    }
    let whole: BTreeSet<String> = serde_json::from_slice(&fs::read(mark)?)?;
    for torn in tables(folder)?.difference(&whole) {
        log::warn!("removing the parent cache {torn}: the process that made it died");
        fs::remove_file(folder.join(torn))?;
    }
    Ok(())
}

fn tables(folder: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == TABLE_EXTENSION) {
            names.extend(
                path.file_name()
                    .map(|name| name.to_string_lossy().into_owned()),
            );
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use anyhow::bail;
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn what_a_dead_process_left_goes_and_older_tables_stay() {
        let folder = tempdir().unwrap();
        let (old, torn) = (
            folder.path().join("old.cache"),
            folder.path().join("torn.cache"),
        );
        fs::write(&old, "whole").unwrap();
        let died = ensure_in(folder.path(), || {
            fs::write(&torn, "ha").unwrap();
            bail!("killed")
        });
        assert!(died.is_err());
        ensure_in(folder.path(), || {
            assert!(old.exists() && !torn.exists());
            fs::write(&torn, "whole").unwrap();
            Ok(())
        })
        .unwrap();
        ensure_in(folder.path(), || Ok(())).unwrap();
        assert!(old.exists() && torn.exists());
    }
}
