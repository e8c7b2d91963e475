//! Sector sizes by name, and the proofs that belong to them.

use std::fmt;

use filecoin_proofs_api::{RegisteredSealProof, RegisteredUpdateProof};

/// The sector sizes that networks use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectorSize {
    KiB2,
    MiB8,
    MiB512,
    GiB32,
    GiB64,
}

impl SectorSize {
    pub const ALL: [Self; 5] = [
        Self::KiB2,
        Self::MiB8,
        Self::MiB512,
        Self::GiB32,
        Self::GiB64,
    ];

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|size| size.name().eq_ignore_ascii_case(name))
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::KiB2 => "2KiB",
            Self::MiB8 => "8MiB",
            Self::MiB512 => "512MiB",
            Self::GiB32 => "32GiB",
            Self::GiB64 => "64GiB",
        }
    }

    pub fn seal_proof(self) -> RegisteredSealProof {
        match self {
            Self::KiB2 => RegisteredSealProof::StackedDrg2KiBV1_1,
            Self::MiB8 => RegisteredSealProof::StackedDrg8MiBV1_1,
            Self::MiB512 => RegisteredSealProof::StackedDrg512MiBV1_1,
            Self::GiB32 => RegisteredSealProof::StackedDrg32GiBV1_1,
            Self::GiB64 => RegisteredSealProof::StackedDrg64GiBV1_1,
        }
    }

    pub fn update_proof(self) -> RegisteredUpdateProof {
        match self {
            Self::KiB2 => RegisteredUpdateProof::StackedDrg2KiBV1,
            Self::MiB8 => RegisteredUpdateProof::StackedDrg8MiBV1,
            Self::MiB512 => RegisteredUpdateProof::StackedDrg512MiBV1,
            Self::GiB32 => RegisteredUpdateProof::StackedDrg32GiBV1,
            Self::GiB64 => RegisteredUpdateProof::StackedDrg64GiBV1,
        }
    }
}

impl fmt::Display for SectorSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
