//! The two circuits that sealing proves, and how to make parameters for them.

use anyhow::Result;
use bellperson::groth16::{generate_random_parameters, Parameters};
use blstrs::Bls12;
use filecoin_proofs::constants::DefaultPieceHasher;
use filecoin_proofs::parameters::public_params;
use filecoin_proofs::types::MerkleTreeTrait;
use filecoin_proofs::{with_shape, TreeRHasher};
use filecoin_proofs_api::{RegisteredSealProof, RegisteredUpdateProof};
use rand::rngs::OsRng;
use storage_proofs_core::compound_proof::CompoundProof;
use storage_proofs_core::parameter_cache::CacheableParameters;
use storage_proofs_porep::stacked::{StackedCompound, StackedDrg};
use storage_proofs_update::compound::EmptySectorUpdateCompound;
use storage_proofs_update::PublicParams;

/// The name of C2's parameters in the cache. V1, V1_1 and synthetic proofs of a size share them.
pub fn porep_id(proof: RegisteredSealProof) -> Result<String> {
    proof.circuit_identifier()
}

/// The name of the snap-up's parameters. `RegisteredUpdateProof::circuit_identifier` of proofs 19.1.0 is wrong: it
/// names the seal proof's.
pub fn update_id(proof: RegisteredUpdateProof) -> String {
    with_shape!(u64::from(proof.sector_size()), update_id_of_shape, proof)
}

/// Makes the parameters of C2.
pub fn porep(proof: RegisteredSealProof) -> Result<Parameters<Bls12>> {
    with_shape!(u64::from(proof.sector_size()), porep_of_shape, proof)
}

/// Makes the parameters of the snap-up proof.
pub fn update(proof: RegisteredUpdateProof) -> Result<Parameters<Bls12>> {
    with_shape!(u64::from(proof.sector_size()), update_of_shape, proof)
}

fn porep_of_shape<Tree: 'static + MerkleTreeTrait>(
    proof: RegisteredSealProof,
) -> Result<Parameters<Bls12>> {
    let public = public_params::<Tree>(&proof.as_v1_config())?;
    let circuit = <StackedCompound<Tree, DefaultPieceHasher> as CompoundProof<
        StackedDrg<'_, Tree, DefaultPieceHasher>,
        _,
    >>::blank_circuit(&public);
    Ok(generate_random_parameters(circuit, &mut OsRng)?)
}

fn update_of_shape<Tree: 'static + MerkleTreeTrait<Hasher = TreeRHasher>>(
    proof: RegisteredUpdateProof,
) -> Result<Parameters<Bls12>> {
    let circuit = EmptySectorUpdateCompound::<Tree>::blank_circuit(&update_params(proof));
    Ok(generate_random_parameters(circuit, &mut OsRng)?)
}

fn update_id_of_shape<Tree: 'static + MerkleTreeTrait<Hasher = TreeRHasher>>(
    proof: RegisteredUpdateProof,
) -> String {
    EmptySectorUpdateCompound::<Tree>::cache_identifier(&update_params(proof))
}

fn update_params(proof: RegisteredUpdateProof) -> PublicParams {
    PublicParams::from_sector_size(u64::from(proof.sector_size()))
}
