"""Gives a client's data back: decodes the sector that holds a piece, upgraded or sealed, and cuts the piece out."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealing.devnet.config import DevnetConfig
from sealing.devnet.queries import DealRecord, Observer, SectorRecord, UpgradeRecord
from sealing.devnet.stage import StageError, run_stage
from sealing.pieces.cid import piece_cid as cid_of
from sealing.pieces.commitment import PADDED, UNPADDED, PieceHash, data_of
from sealing.processors.tasks import SnapDecode, StageTask, Unseal, unpadded
from sealing.proofs import prover_id, seal_proof
from sealing.stores import durable
from sealing.stores.layout import SectorFiles

TIME_LIMIT = 24 * 3600.0
"""Seconds that the decoding may take: unsealing costs what PC1 cost."""
CHUNK = PADDED << 13
"""Bit-padded bytes that are read at a time."""


class RetrieveError(Exception):
    """The data cannot be given back; the text says why and what to do."""


@dataclass(frozen=True)
class _Holding:
    """A deal that is in a sector, and, of a sector that was upgraded, the upgrade."""

    deal: DealRecord
    sector: SectorRecord
    upgrade: UpgradeRecord | None
    place: int


async def retrieve(  # noqa: PLR0913 - what a person says
    config: DevnetConfig,
    argv: Sequence[str],
    piece_cid: str,
    target: Path,
    *,
    deal: int | None = None,
    force: bool = False,
) -> int:
    """Write the data of a piece to ``target``, whole or not at all, and return its bytes.

    ``argv`` is the processor that decodes; ``deal`` names one of several deals of the piece. What was written is
    compared with the piece's CID. Raises RetrieveError, and OSError for a target that cannot be written.
    """
    if not force and await asyncio.to_thread(target.exists):
        raise RetrieveError(f"{target} is there already: remove it, name another file, or use --force")
    observer = Observer(config.data)
    held = _find(observer, piece_cid, deal)
    with tempfile.TemporaryDirectory(prefix="retrieve-", dir=config.data) as name:
        decoded = Path(name) / "data"
        if held.upgrade is not None:
            await _decode(argv, _decoding(config, observer, held, held.upgrade, decoded))
            parts = _cut(decoded, held.place, held.deal.payload_size)
        else:
            await _decode(argv, _unsealing(config, observer, held, Path(name)))
            parts = _read(decoded, held.deal.payload_size)
        return _write(parts, held.deal, target)


def _find(observer: Observer, piece_cid: str, number: int | None) -> _Holding:
    deals = [deal for deal in observer.deals() if deal.piece_cid == piece_cid and number in (None, deal.id)]
    if not deals:
        raise RetrieveError(f"there is no deal of piece {piece_cid}; sealflow devnet deals lists those that there are")
    upgrades = {one.sector: one for one in observer.upgrades() if one.comm_r is not None}
    for deal in deals:
        sector = next((one for one in observer.sectors() if str(one.id) == deal.sector), None)
        if sector is not None and deal.place is not None and deal.state == "active":
            return _Holding(deal, sector, upgrades.get(str(sector.id)), deal.place)
    where = ", ".join(f"deal {deal.id} is {deal.state}" for deal in deals)
    raise RetrieveError(f"piece {piece_cid} is in no sector on chain yet ({where}): wait until its proof has landed")


def _decoding(
    config: DevnetConfig, observer: Observer, held: _Holding, upgrade: UpgradeRecord, out: Path
) -> SnapDecode:
    """Return the task that decodes an upgraded sector, from its new replica and the old one."""
    proof = seal_proof(held.sector.proof_type)
    old = _files(config, upgrade.access_instance, held)
    new = _files(config, upgrade.persisted_in, held)
    _require(old.sealed, old.cache, new.update)
    return SnapDecode(
        registered_proof=proof.update_name,
        out_path=str(out),
        replica_path=str(new.update),
        replica_cache_path=str(new.update_cache),
        sector_path=str(old.sealed),
        sector_cache_path=str(old.cache),
        comm_d_new=observer.comm_d(held.sector.id, proof.sector_size),
    )


def _unsealing(config: DevnetConfig, observer: Observer, held: _Holding, folder: Path) -> Unseal:
    """Return the task that unseals the piece of a sector that was sealed with it."""
    content = observer.precommit(held.sector.id)
    if content is None:
        raise RetrieveError(f"{held.sector.id} has no pre-commit in the manager's books: its ticket is not known")
    files = _files(config, held.sector.persisted_in, held)
    _require(files.sealed)
    return Unseal(
        registered_proof=seal_proof(held.sector.proof_type).name,
        cache_path=str(folder / "cache"),
        sealed_path=str(files.sealed),
        out_path=str(folder / "data"),
        prover_id=prover_id(held.sector.id.miner).hex(),
        sector_id=held.sector.id.number,
        comm_d=content.comm_d,
        ticket=content.ticket.ticket,
        offset=unpadded(held.place),
        size=unpadded(held.deal.size),
    )


def _files(config: DevnetConfig, store: str | None, held: _Holding) -> SectorFiles:
    if store is None or store not in config.stores:
        raise RetrieveError(f"{held.sector.id} is in store {store}, which the configuration does not name: add it")
    return SectorFiles.stored(config.stores[store], held.sector.id)


def _require(*paths: Path) -> None:
    if missing := [str(path) for path in paths if not path.exists()]:
        raise RetrieveError(f"{', '.join(missing)}: not there; without it the data cannot be read back")


async def _decode(argv: Sequence[str], task: StageTask[Any]) -> None:
    try:
        answer = await run_stage(argv, task, TIME_LIMIT)
    except StageError as error:
        raise RetrieveError(str(error)) from error
    if answer.status or answer.error is not None:
        raise RetrieveError(answer.problem())


def _cut(padded: Path, place: int, payload: int) -> Iterator[bytes]:
    """Yield the data of a piece from a file of a sector's bit-padded data, where it begins at ``place``."""
    left = payload
    with padded.open("rb") as file:
        file.seek(place)
        while left:
            blocks = -(-min(left, CHUNK // PADDED * UNPADDED) // UNPADDED)
            data = data_of(file.read(blocks * PADDED))[:left]
            left -= len(data)
            yield data


def _read(plain: Path, payload: int) -> Iterator[bytes]:
    left = payload
    with plain.open("rb") as file:
        while left and (data := file.read(min(left, CHUNK))):
            left -= len(data)
            yield data


def _write(parts: Iterator[bytes], deal: DealRecord, target: Path) -> int:
    """Write the data, unless it is not what the deal is about."""
    checked = PieceHash()
    with durable.replacing(target.absolute()) as temporary:
        with temporary.open("wb") as file:
            for part in parts:
                checked.update(part)
                file.write(part)
        came = cid_of(checked.commitment(deal.size).hex())
        if came != deal.piece_cid:
            raise RetrieveError(f"the stored files are broken: what was decoded is piece {came}, not {deal.piece_cid}")
    return checked.payload
