//! Files that are either whole or absent, also after a kill or a power cut, and errors that name the file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Writes `bytes` under a temporary name in the same folder, syncs, and renames into place.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_name(path);
    let written = fs::write(&temporary, bytes).and_then(|()| move_into_place(&temporary, path));
    if written.is_err() {
        // Best effort: on a full disk the fragment would only make things worse.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Syncs `from`, renames it to `to` in the same file system, and syncs the folder, so that the name is safe too.
pub fn move_into_place(from: &Path, to: &Path) -> io::Result<()> {
    File::open(from)?.sync_all()?;
    fs::rename(from, to)?;
    sync_folder(to)
}

/// Removes a file; one that is not there is no error.
pub fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The proofs' own errors do not say which file is not there: this one does.
pub fn require(paths: &[&Path]) -> Result<()> {
    for path in paths {
        fs::metadata(path).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("create {}", path.display()))
}

/// Opens a file for writing; makes it, and the folder it is in, where they are missing. What is in it stays.
pub fn open_or_create(path: &Path) -> Result<File> {
    create_folder(folder(path))?;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .with_context(|| format!("open {}", path.display()))
}

/// A file of `length` zeros that take no room yet; what was in it is gone.
pub fn create_zeroed(path: &Path, length: u64) -> Result<File> {
    let file = open_or_create(path)?;
    file.set_len(0)
        .and_then(|()| file.set_len(length))
        .with_context(|| format!("resize {}", path.display()))?;
    Ok(file)
}

/// Waits until nobody else holds this file, and holds it until the result is dropped; a dead process holds nothing.
pub fn lock(path: &Path) -> Result<File> {
    let file = open_or_create(path)?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {
            log::warn!("another process holds {}: waiting", path.display())
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("lock {}", path.display()))
        }
    }
    file.lock()
        .with_context(|| format!("lock {}", path.display()))?;
    Ok(file)
}

/// Syncs files, and folders with the files in them (not deeper): what a stage has answered outlives a power cut.
pub fn sync(paths: &[&Path]) -> Result<()> {
    for path in paths {
        sync_one(path).with_context(|| format!("sync {}", path.display()))?;
    }
    Ok(())
}

fn sync_one(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        File::open(path)?.sync_all()?;
        return sync_folder(path);
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(path)?.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Hidden, and with the process id in it: two processes never write the same temporary file.
fn temporary_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    folder(path).join(format!(".{name}.{}.tmp", std::process::id()))
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn an_atomic_write_replaces_and_leaves_nothing_else() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("output.json");
        write_atomically(&path, b"old").unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["output.json"]);
    }

    #[test]
    fn a_failed_write_leaves_no_fragment() {
        let folder = tempdir().unwrap();
        let taken = folder.path().join("output.json");
        fs::create_dir(&taken).unwrap();
        assert!(write_atomically(&taken, b"new").is_err());
        assert_eq!(names(folder.path()), ["output.json"]);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = require(&[Path::new("/no/such/file")]).unwrap_err();
        assert!(format!("{error:#}").starts_with("/no/such/file: "));
    }

    #[test]
    fn a_zeroed_file_forgets_its_content() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("deep/replica");
        create_zeroed(&path, 3).unwrap();
        fs::write(&path, b"abcdef").unwrap();
        create_zeroed(&path, 4).unwrap();
        assert_eq!(fs::read(&path).unwrap(), [0; 4]);
    }

    #[test]
    fn opening_keeps_what_is_there() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("sealed");
        fs::write(&path, b"layers").unwrap();
        open_or_create(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"layers");
    }
}
