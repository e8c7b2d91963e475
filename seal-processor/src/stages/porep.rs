//! Sealing proper: pre-commit and commit, each in two phases, and the check of the proof.
//!
//! PC1 and PC2 go on from what they find (whole layers, data that PC2 has not changed yet); to prepare that, and to
//! wipe what must not be found, is the worker's part.

use std::path::PathBuf;

use anyhow::Result;
use filecoin_proofs_api::seal::{
    generate_synth_proofs, seal_commit_phase1, seal_commit_phase2, seal_pre_commit_phase1,
    seal_pre_commit_phase2, verify_seal, SealCommitPhase1Output, SealCommitPhase2Output,
    SealPreCommitPhase1Output, SealPreCommitPhase2Output,
};
use filecoin_proofs_api::{Commitment, PieceInfo, ProverId, RegisteredSealProof, SectorId, Ticket};
use serde::{Deserialize, Serialize};
use vc_processors::core::Task;

use super::Work;
use crate::{files, parents};

#[derive(Debug, Serialize, Deserialize)]
pub struct PC1 {
    pub registered_proof: RegisteredSealProof,
    pub cache_path: PathBuf,
    pub in_path: PathBuf,
    pub out_path: PathBuf,
    pub prover_id: ProverId,
    pub sector_id: SectorId,
    pub ticket: Ticket,
    pub piece_infos: Vec<PieceInfo>,
}

impl Task for PC1 {
    const STAGE: &'static str = "pc1";
    type Output = SealPreCommitPhase1Output;
}

impl Work for PC1 {
    fn run(self) -> Result<SealPreCommitPhase1Output> {
        files::require(&[&self.in_path])?;
        files::create_folder(&self.cache_path)?;
        files::open_or_create(&self.out_path)?;
        parents::ensure(self.registered_proof)?;
        let output = seal_pre_commit_phase1(
            self.registered_proof,
            &self.cache_path,
            &self.in_path,
            &self.out_path,
            self.prover_id,
            self.sector_id,
            self.ticket,
            &self.piece_infos,
        )?;
        files::sync(&[&self.cache_path, &self.out_path])?;
        Ok(output)
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct PC2 {
    pub pc1out: SealPreCommitPhase1Output,
    pub cache_dir: PathBuf,
    pub sealed_file: PathBuf,
}

impl Task for PC2 {
    const STAGE: &'static str = "pc2";
    type Output = SealPreCommitPhase2Output;
}

impl Work for PC2 {
    fn run(self) -> Result<SealPreCommitPhase2Output> {
        files::require(&[&self.cache_dir, &self.sealed_file])?;
        let output = seal_pre_commit_phase2(self.pc1out, &self.cache_dir, &self.sealed_file)?;
        files::sync(&[&self.cache_dir, &self.sealed_file])?;
        Ok(output)
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct SyntheticProofs {
    pub registered_proof: RegisteredSealProof,
    pub cache_path: PathBuf,
    pub replica_path: PathBuf,
    pub prover_id: ProverId,
    pub sector_id: SectorId,
    pub ticket: Ticket,
    pub comm_r: Commitment,
    pub comm_d: Commitment,
    pub piece_infos: Vec<PieceInfo>,
}

impl Task for SyntheticProofs {
    const STAGE: &'static str = "synthetic_proofs";
    type Output = bool;
}

impl Work for SyntheticProofs {
    fn run(self) -> Result<bool> {
        files::require(&[&self.cache_path, &self.replica_path])?;
        generate_synth_proofs(
            &self.cache_path,
            &self.replica_path,
            self.prover_id,
            self.sector_id,
            self.ticket,
            pre_commit(self.registered_proof, self.comm_r, self.comm_d),
            &self.piece_infos,
        )?;
        files::sync(&[&self.cache_path])?;
        Ok(true)
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct C1 {
    pub registered_proof: RegisteredSealProof,
    pub cache_path: PathBuf,
    pub replica_path: PathBuf,
    pub prover_id: ProverId,
    pub sector_id: SectorId,
    pub ticket: Ticket,
    pub seed: Ticket,
    pub comm_r: Commitment,
    pub comm_d: Commitment,
    pub piece_infos: Vec<PieceInfo>,
}

impl Task for C1 {
    const STAGE: &'static str = "c1";
    type Output = SealCommitPhase1Output;
}

impl Work for C1 {
    fn run(self) -> Result<SealCommitPhase1Output> {
        files::require(&[&self.cache_path, &self.replica_path])?;
        seal_commit_phase1(
            &self.cache_path,
            &self.replica_path,
            self.prover_id,
            self.sector_id,
            self.ticket,
            self.seed,
            pre_commit(self.registered_proof, self.comm_r, self.comm_d),
            &self.piece_infos,
        )
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct C2 {
    pub c1out: SealCommitPhase1Output,
    pub prover_id: ProverId,
    pub sector_id: SectorId,
    /// In the protocol for processors that look their work up by miner; the proof does not need it.
    #[serde(default)]
    pub miner_id: u64,
}

impl Task for C2 {
    const STAGE: &'static str = "c2";
    type Output = SealCommitPhase2Output;
}

impl Work for C2 {
    fn run(self) -> Result<SealCommitPhase2Output> {
        seal_commit_phase2(self.c1out, self.prover_id, self.sector_id)
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct VerifySeal {
    pub registered_proof: RegisteredSealProof,
    pub comm_r: Commitment,
    pub comm_d: Commitment,
    pub prover_id: ProverId,
    pub sector_id: SectorId,
    pub ticket: Ticket,
    pub seed: Ticket,
    pub proof: Vec<u8>,
}

impl Task for VerifySeal {
    const STAGE: &'static str = "verify_seal";
    type Output = bool;
}

impl Work for VerifySeal {
    fn run(self) -> Result<bool> {
        verify_seal(
            self.registered_proof,
            self.comm_r,
            self.comm_d,
            self.prover_id,
            self.sector_id,
            self.ticket,
            self.seed,
            &self.proof,
        )
    }
}

fn pre_commit(
    registered_proof: RegisteredSealProof,
    comm_r: Commitment,
    comm_d: Commitment,
) -> SealPreCommitPhase2Output {
    SealPreCommitPhase2Output {
        registered_proof,
        comm_r,
        comm_d,
    }
}
