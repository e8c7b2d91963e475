//! One set of parameters: its files, and whether they are whole and belong together.

use std::fs;
use std::io;
use std::path::PathBuf;

use anyhow::{Context, Result};
use bellperson::groth16::Parameters;
use blstrs::Bls12;
use serde::Serialize;
use storage_proofs_core::parameter_cache::{
    parameter_cache_params_path, parameter_cache_verifying_key_path,
};

use super::{circuits, format};
use crate::files;
use crate::sizes::SectorSize;

/// Which circuit: the seal proof's (C2) or the snap-up's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    PoRep,
    Update,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::PoRep, Self::Update];

    pub fn name(self) -> &'static str {
        match self {
            Self::PoRep => "porep",
            Self::Update => "update",
        }
    }
}

pub struct Set {
    pub kind: Kind,
    pub size: SectorSize,
    pub params: PathBuf,
    pub key: PathBuf,
}

#[derive(Debug, Serialize)]
pub struct Report {
    pub kind: Kind,
    pub complete: bool,
    pub params: PathBuf,
    pub verifying_key: PathBuf,
}

impl Set {
    pub fn of(kind: Kind, size: SectorSize) -> Result<Self> {
        let id = match kind {
            Kind::PoRep => circuits::porep_id(size.seal_proof())?,
            Kind::Update => circuits::update_id(size.update_proof()),
        };
        Ok(Self {
            kind,
            size,
            params: parameter_cache_params_path(&id),
            key: parameter_cache_verifying_key_path(&id),
        })
    }

    pub fn name(&self) -> String {
        format!("{} {}", self.kind.name(), self.size)
    }

    pub fn report(&self) -> Result<Report> {
        Ok(Report {
            kind: self.kind,
            complete: self.is_complete()?,
            params: self.params.clone(),
            verifying_key: self.key.clone(),
        })
    }

    pub fn is_complete(&self) -> Result<bool> {
        let expected = self.key_in_params()?;
        Ok(expected.is_some() && expected == self.key_on_disk()?)
    }

    /// With whole parameters a key that is missing, or is another run's, is only a copy away. False without them.
    pub fn repair(&self) -> Result<bool> {
        let Some(key) = self.key_in_params()? else {
            return Ok(false);
        };
        files::write_atomically(&self.key, &key)
            .with_context(|| format!("write {}", self.key.display()))?;
        Ok(true)
    }

    pub fn generate(&self) -> Result<Parameters<Bls12>> {
        match self.kind {
            Kind::PoRep => circuits::porep(self.size.seal_proof()),
            Kind::Update => circuits::update(self.size.update_proof()),
        }
    }

    /// How long it took on two cores without a GPU; none where nobody has measured.
    pub fn usual_seconds(&self) -> Option<u64> {
        match (self.size, self.kind) {
            (SectorSize::KiB2, Kind::PoRep) => Some(700),
            (SectorSize::KiB2, Kind::Update) => Some(490),
            (SectorSize::MiB8 | SectorSize::MiB512, Kind::PoRep | Kind::Update) => None,
            (SectorSize::GiB32 | SectorSize::GiB64, Kind::PoRep | Kind::Update) => None,
        }
    }

    fn key_in_params(&self) -> Result<Option<Vec<u8>>> {
        absent_is_none(format::verifying_key(&self.params))
            .map(Option::flatten)
            .with_context(|| format!("read {}", self.params.display()))
    }

    fn key_on_disk(&self) -> Result<Option<Vec<u8>>> {
        absent_is_none(fs::read(&self.key)).with_context(|| format!("read {}", self.key.display()))
    }
}

fn absent_is_none<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    /// Parameters without a single point: a head, and six empty lists.
    const WHOLE: [u8; 888] = [0; 888];
    const KEY: [u8; 868] = [0; 868];

    #[test]
    fn a_key_that_is_missing_or_of_another_run_is_repaired() {
        let cache = tempdir().unwrap();
        let set = Set {
            kind: Kind::PoRep,
            size: SectorSize::KiB2,
            params: cache.path().join("a.params"),
            key: cache.path().join("a.vk"),
        };
        assert!(!set.is_complete().unwrap() && !set.repair().unwrap());
        fs::write(&set.params, WHOLE).unwrap();
        for key in [None, Some([1; 868])] {
            if let Some(key) = key {
                fs::write(&set.key, key).unwrap();
            }
            assert!(!set.is_complete().unwrap());
            assert!(set.repair().unwrap());
            assert!(set.is_complete().unwrap());
            assert_eq!(fs::read(&set.key).unwrap(), KEY);
        }
    }

    #[test]
    fn the_two_kinds_have_files_of_their_own() {
        let [porep, update] = Kind::ALL.map(|kind| Set::of(kind, SectorSize::KiB2).unwrap());
        assert_ne!(porep.params, update.params);
        assert!(update
            .params
            .to_string_lossy()
            .contains("v28-empty-sector-update-"));
    }
}
