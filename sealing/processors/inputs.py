"""From a sector to the tasks of its stages: the one place that knows which of its facts and files each stage gets."""

from __future__ import annotations

from typing import Any, TypeVar

from sealing.failures import Permanent
from sealing.processors import tasks
from sealing.proofs import prover_id, seal_proof
from sealing.sector import Sector
from sealing.stores.layout import SectorFiles
from sealing.values import Base64, FileRef

T = TypeVar("T")


def known(value: T | None, what: str) -> T:
    """Return a field that the flow's table says is set. Its absence is a defect of ours: Permanent."""
    if value is None:
        raise Permanent(f"the sector has no {what}, although its state says so: resume to the state that sets it")
    return value


def add_pieces(sector: Sector, files: SectorFiles) -> tasks.AddPieces:
    """Return the task that fills the staged file: with the deals' data and fillers, without deals with zeros."""
    pieces = tuple(
        tasks.SourcePiece.of(deal, "pledge" if deal.is_filler else {"local": str(files.piece(deal.piece_cid))})
        for deal in known(sector.deals, "deals")
    )
    return tasks.AddPieces(seal_proof_type=_proof(sector), pieces=pieces, staged_filepath=str(files.unsealed))


def tree_d(sector: Sector, files: SectorFiles) -> tasks.TreeD:
    """Return the task that builds the staged data's tree in the folder for prepared files."""
    return tasks.TreeD(registered_proof=_proof(sector), staged_file=str(files.unsealed), cache_dir=str(files.prepared))


def pc1(sector: Sector, files: SectorFiles) -> tasks.Pc1:
    """Return the task that computes the labels."""
    return tasks.Pc1(
        registered_proof=_proof(sector),
        cache_path=str(files.cache),
        in_path=str(files.unsealed),
        out_path=str(files.sealed),
        prover_id=prover_id(sector.id.miner).hex(),
        sector_id=sector.id.number,
        ticket=known(sector.ticket, "ticket").ticket,
        piece_infos=known(sector.pieces, "pieces"),
    )


def pc2(sector: Sector, files: SectorFiles) -> tasks.Pc2:
    """Return the task that encodes the replica."""
    return tasks.Pc2(
        pc1out=known(sector.pc1_output, "output of PC1"), cache_dir=str(files.cache), sealed_file=str(files.sealed)
    )


def synthetic_proofs(sector: Sector, files: SectorFiles) -> tasks.SyntheticProofs:
    """Return the task that makes the synthetic vanilla proofs."""
    return tasks.SyntheticProofs(**_replica(sector, files))


def c1(sector: Sector, files: SectorFiles) -> tasks.C1:
    """Return the task that makes the vanilla proofs."""
    return tasks.C1(**_replica(sector, files), seed=known(sector.seed, "seed").seed)


def c2(sector: Sector) -> tasks.C2:
    """Return the task that proves C1's output."""
    return tasks.C2(
        c1out=known(sector.c1_output, "output of C1"),
        prover_id=prover_id(sector.id.miner).hex(),
        sector_id=sector.id.number,
        miner_id=sector.id.miner,
    )


def verify_seal(sector: Sector, proof: Base64) -> tasks.VerifySeal:
    """Return the task that verifies a proof as the chain does."""
    return tasks.VerifySeal(
        registered_proof=_proof(sector),
        comm_r=known(sector.comm_r, "comm_r"),
        comm_d=known(sector.comm_d, "comm_d"),
        prover_id=prover_id(sector.id.miner).hex(),
        sector_id=sector.id.number,
        ticket=known(sector.ticket, "ticket").ticket,
        seed=known(sector.seed, "seed").seed,
        proof=proof,
    )


def snap_encode(sector: Sector, files: SectorFiles) -> tasks.SnapEncode:
    """Return the task that encodes the staged data into the old replica, which is linked in the sealed one's place."""
    return tasks.SnapEncode(
        registered_proof=_update_proof(sector),
        new_replica_path=str(files.update),
        new_cache_path=str(files.update_cache),
        sector_path=str(files.sealed),
        sector_cache_path=str(files.cache),
        staged_data_path=str(files.unsealed),
        piece_infos=known(sector.pieces, "pieces"),
    )


def snap_vanilla(sector: Sector, files: SectorFiles) -> tasks.SnapVanilla:
    """Return the task that makes an upgrade's vanilla proofs."""
    return tasks.SnapVanilla(
        **_update(sector),
        sector_path=str(files.sealed),
        sector_cache_path=str(files.cache),
        replica_path=str(files.update),
        replica_cache_path=str(files.update_cache),
    )


def snap_prove(sector: Sector, vanilla: FileRef) -> tasks.SnapProve:
    """Return the task that proves an upgrade."""
    return tasks.SnapProve(**_update(sector), vannilla_proofs=vanilla)


def verify_snap(sector: Sector, proof: Base64) -> tasks.VerifySnap:
    """Return the task that verifies an upgrade's proof as the chain does."""
    return tasks.VerifySnap(**_update(sector), proof=proof)


def _update(sector: Sector) -> dict[str, Any]:
    return {
        "registered_proof": _update_proof(sector),
        "comm_r_old": known(sector.upgrade, "old replica").comm_r,
        "comm_r_new": known(sector.comm_r, "comm_r"),
        "comm_d_new": known(sector.comm_d, "comm_d"),
    }


def _update_proof(sector: Sector) -> str:
    return seal_proof(sector.proof_type).update_name


def _proof(sector: Sector) -> str:
    return seal_proof(sector.proof_type).name


def _replica(sector: Sector, files: SectorFiles) -> dict[str, Any]:
    return {
        "registered_proof": _proof(sector),
        "cache_path": str(files.cache),
        "replica_path": str(files.sealed),
        "prover_id": prover_id(sector.id.miner).hex(),
        "sector_id": sector.id.number,
        "ticket": known(sector.ticket, "ticket").ticket,
        "comm_r": known(sector.comm_r, "comm_r"),
        "comm_d": known(sector.comm_d, "comm_d"),
        "piece_infos": known(sector.pieces, "pieces"),
    }
