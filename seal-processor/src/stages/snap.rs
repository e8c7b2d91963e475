//! Snap-up: new data in a sector that was sealed without any, and the way back to the data.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use filecoin_proofs_api::update::{
    empty_sector_update_decode_from, empty_sector_update_encode_into,
    generate_empty_sector_update_proof_with_vanilla, generate_partition_proofs,
    verify_empty_sector_update_proof,
};
use filecoin_proofs_api::{
    Commitment, PaddedBytesAmount, PartitionProofBytes, PieceInfo, RegisteredUpdateProof,
};
use serde::{Deserialize, Serialize};
use vc_processors::core::Task;

use super::Work;
use crate::files;

#[derive(Debug, Serialize, Deserialize)]
pub struct SnapEncode {
    pub registered_proof: RegisteredUpdateProof,
    pub new_replica_path: PathBuf,
    pub new_cache_path: PathBuf,
    pub sector_path: PathBuf,
    pub sector_cache_path: PathBuf,
    pub staged_data_path: PathBuf,
    pub piece_infos: Vec<PieceInfo>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct SnapEncodeOutput {
    pub comm_r_new: Commitment,
    pub comm_r_last_new: Commitment,
    pub comm_d_new: Commitment,
}

impl Task for SnapEncode {
    const STAGE: &'static str = "snap_encode";
    type Output = SnapEncodeOutput;
}

impl Work for SnapEncode {
    fn run(self) -> Result<SnapEncodeOutput> {
        files::require(&[
            &self.sector_path,
            &self.sector_cache_path,
            &self.staged_data_path,
        ])?;
        files::create_folder(&self.new_cache_path)?;
        remove_trees(&self.new_cache_path)?;
        files::create_zeroed(&self.new_replica_path, bytes(self.registered_proof))?;
        let encoded = empty_sector_update_encode_into(
            self.registered_proof,
            &self.new_replica_path,
            &self.new_cache_path,
            &self.sector_path,
            &self.sector_cache_path,
            &self.staged_data_path,
            &self.piece_infos,
        )?;
        files::sync(&[&self.new_replica_path, &self.new_cache_path])?;
        Ok(SnapEncodeOutput {
            comm_r_new: encoded.comm_r_new,
            comm_r_last_new: encoded.comm_r_last_new,
            comm_d_new: encoded.comm_d_new,
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct SnapVanilla {
    pub registered_proof: RegisteredUpdateProof,
    pub comm_r_old: Commitment,
    pub comm_r_new: Commitment,
    pub comm_d_new: Commitment,
    pub sector_path: PathBuf,
    pub sector_cache_path: PathBuf,
    pub replica_path: PathBuf,
    pub replica_cache_path: PathBuf,
}

impl Task for SnapVanilla {
    const STAGE: &'static str = "snap_vanilla";
    type Output = Vec<Vec<u8>>;
}

impl Work for SnapVanilla {
    fn run(self) -> Result<Vec<Vec<u8>>> {
        files::require(&[
            &self.sector_path,
            &self.sector_cache_path,
            &self.replica_path,
            &self.replica_cache_path,
        ])?;
        let proofs = generate_partition_proofs(
            self.registered_proof,
            self.comm_r_old,
            self.comm_r_new,
            self.comm_d_new,
            &self.sector_path,
            &self.sector_cache_path,
            &self.replica_path,
            &self.replica_cache_path,
        )?;
        Ok(proofs.into_iter().map(|proof| proof.0).collect())
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct SnapProve {
    pub registered_proof: RegisteredUpdateProof,
    /// Spelled as in the protocol.
    pub vannilla_proofs: Vec<Vec<u8>>,
    pub comm_r_old: Commitment,
    pub comm_r_new: Commitment,
    pub comm_d_new: Commitment,
}

impl Task for SnapProve {
    const STAGE: &'static str = "snap_prove";
    type Output = Vec<u8>;
}

impl Work for SnapProve {
    fn run(self) -> Result<Vec<u8>> {
        let vanilla = self.vannilla_proofs.into_iter().map(PartitionProofBytes);
        let proof = generate_empty_sector_update_proof_with_vanilla(
            self.registered_proof,
            vanilla.collect(),
            self.comm_r_old,
            self.comm_r_new,
            self.comm_d_new,
        )?;
        Ok(proof.0)
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct VerifySnap {
    pub registered_proof: RegisteredUpdateProof,
    pub proof: Vec<u8>,
    pub comm_r_old: Commitment,
    pub comm_r_new: Commitment,
    pub comm_d_new: Commitment,
}

impl Task for VerifySnap {
    const STAGE: &'static str = "verify_snap";
    type Output = bool;
}

impl Work for VerifySnap {
    fn run(self) -> Result<bool> {
        verify_empty_sector_update_proof(
            self.registered_proof,
            &self.proof,
            self.comm_r_old,
            self.comm_r_new,
            self.comm_d_new,
        )
    }
}

/// Gives the file that `add_pieces` wrote (bit-padded, as long as the sector). Needs the old sealed file and its cache.
#[derive(Debug, Serialize, Deserialize)]
pub struct SnapDecode {
    pub registered_proof: RegisteredUpdateProof,
    pub out_path: PathBuf,
    pub replica_path: PathBuf,
    /// Not needed by the proofs of today.
    pub replica_cache_path: PathBuf,
    pub sector_path: PathBuf,
    pub sector_cache_path: PathBuf,
    pub comm_d_new: Commitment,
}

impl Task for SnapDecode {
    const STAGE: &'static str = "snap_decode";
    type Output = bool;
}

impl Work for SnapDecode {
    fn run(self) -> Result<bool> {
        files::require(&[
            &self.replica_path,
            &self.sector_path,
            &self.sector_cache_path,
        ])?;
        files::create_zeroed(&self.out_path, bytes(self.registered_proof))?;
        empty_sector_update_decode_from(
            self.registered_proof,
            &self.out_path,
            &self.replica_path,
            &self.sector_path,
            &self.sector_cache_path,
            self.comm_d_new,
        )?;
        files::sync(&[&self.out_path])?;
        Ok(true)
    }
}

fn bytes(proof: RegisteredUpdateProof) -> u64 {
    PaddedBytesAmount::from(proof.sector_size()).0
}

/// The proofs take a tree that they find for a whole one: what an attempt that died left must not be found.
fn remove_trees(cache: &Path) -> Result<()> {
    for entry in fs::read_dir(cache)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.contains("-tree-") || name == "p_aux" || name == "t_aux" {
            fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn only_what_encoding_makes_is_removed() {
        let cache = tempdir().unwrap();
        for name in [
            "sc-02-data-tree-d.dat",
            "sc-02-data-tree-r-last-3.dat",
            "p_aux",
            "t_aux",
            "notes",
        ] {
            fs::write(cache.path().join(name), "").unwrap();
        }
        remove_trees(cache.path()).unwrap();
        let left: Vec<_> = fs::read_dir(cache.path()).unwrap().collect();
        assert_eq!(left.len(), 1);
    }
}
