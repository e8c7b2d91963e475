//! The data of an ordinary sealed sector. It costs what PC1 cost: every layer is made again.

use std::path::PathBuf;

use anyhow::Result;
use filecoin_proofs_api::seal::get_unsealed_range;
use filecoin_proofs_api::{
    Commitment, ProverId, RegisteredSealProof, SectorId, Ticket, UnpaddedByteIndex,
    UnpaddedBytesAmount,
};
use serde::{Deserialize, Serialize};
use vc_processors::core::Task;

use super::Work;
use crate::{files, parents};

#[derive(Debug, Serialize, Deserialize)]
pub struct Unseal {
    pub registered_proof: RegisteredSealProof,
    pub cache_path: PathBuf,
    pub sealed_path: PathBuf,
    /// Gets the data as the client gave it, without the bit padding of the unsealed file.
    pub out_path: PathBuf,
    pub prover_id: ProverId,
    pub sector_id: SectorId,
    pub comm_d: Commitment,
    pub ticket: Ticket,
    /// In unpadded bytes, like `size`.
    pub offset: u64,
    pub size: u64,
}

impl Task for Unseal {
    const STAGE: &'static str = "unseal";
    type Output = u64;
}

impl Work for Unseal {
    fn run(self) -> Result<u64> {
        files::require(&[&self.sealed_path])?;
        files::create_folder(&self.cache_path)?;
        files::create_zeroed(&self.out_path, 0)?;
        parents::ensure(self.registered_proof)?;
        let written = get_unsealed_range(
            self.registered_proof,
            &self.cache_path,
            &self.sealed_path,
            &self.out_path,
            self.prover_id,
            self.sector_id,
            self.comm_d,
            self.ticket,
            UnpaddedByteIndex(self.offset),
            UnpaddedBytesAmount(self.size),
        )?;
        files::sync(&[&self.out_path])?;
        Ok(written.0)
    }
}
