"""The demo's second part: a file becomes a deal, a finished sector is upgraded with it, and the file comes back."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from temporalio.client import WorkflowExecutionStatus

from sealing.devnet.config import DevnetConfig
from sealing.devnet.database import FILE as DATABASE
from sealing.devnet.deals import add_deal, payload_limit
from sealing.devnet.piecestore import PieceError
from sealing.devnet.queries import DealRecord, Observer
from sealing.devnet.retrieve import RetrieveError, retrieve
from sealing.pieces.cid import piece_cid
from sealing.pieces.commitment import PieceHash, padded_size
from workers.demoscreen import say
from workers.embedded import choose_program
from workers.watch import SectorView

OWN_FILE = Path(__file__).parents[1] / "workflows" / "sealer.py"
"""The file that is taken when none is named: the workflow that seals, in its own words."""


class Upgrade:
    """One file on its way into a sector and back."""

    def __init__(self, config: DevnetConfig, file: Path, deal: int | None = None) -> None:
        """Take the embedded manager's configuration, the file, and the deal that an interrupted run has made about it.

        Raises PieceError for a file that does not fit, or while a deal about another one is on its way.
        """
        self._config = config
        self._file = file
        _check_size(file, payload_limit(config))
        self.deal = self._made_before(deal) or add_deal(config, file).deal_id
        """The deal's number."""

    def _made_before(self, begun: int | None) -> int | None:
        """Return the deal about the file that an earlier run has made and not brought to its end, or None."""
        under_way = [deal for deal in self._deals() if deal.state != "active" or deal.id == begun]
        content = self._file.read_bytes()
        for deal in under_way:
            if (deal.piece_cid, deal.payload_size) != (_cid(content), len(content)):
                raise PieceError(
                    f"deal {deal.id} is on its way into a sector, and is about other data than {self._file} has now:"
                    " name its file by --file to go on, or another folder by --data to begin anew"
                )
        return under_way[0].id if under_way else None

    def is_over(self, upgrades: Sequence[SectorView]) -> bool:
        """Tell whether the upgrade that has the deal is among those that were begun, or one of them failed."""
        sector = self._own().sector
        return any(
            view.sector == sector or (view.closed and view.status != WorkflowExecutionStatus.COMPLETED.name)
            for view in upgrades
        )

    async def bring_back(self, sector: str) -> bool:
        """Retrieve the file out of the upgraded sector, and tell whether it is what went in."""
        deal = self._own()
        if deal.sector != sector:
            return False
        target = self._config.data.parent / "retrieved" / self._file.name
        target.parent.mkdir(exist_ok=True)
        program = choose_program(self._config)
        try:
            await retrieve(self._config, program, deal.piece_cid, target, deal=deal.id, force=True)
        except (RetrieveError, OSError, sqlite3.DatabaseError) as error:
            say(f"    the data could not be retrieved: {error}")
            return False
        same = target.read_bytes() == self._file.read_bytes()
        say(f"    {deal.payload_size} bytes retrieved into {target}, {'identical to' if same else 'NOT'} {self._file}")
        return same

    def is_verified(self, sector: str) -> bool:
        """Tell whether the chain's side has verified the proof of a sector's upgrade."""
        return any(one.sector == sector and one.proof_verified for one in Observer(self._config.data).upgrades())

    def _own(self) -> DealRecord:
        return next(deal for deal in self._deals() if deal.id == self.deal)

    def _deals(self) -> list[DealRecord]:
        data = self._config.data
        return Observer(data).deals() if (data / DATABASE).exists() else []


def _check_size(file: Path, limit: int) -> None:
    try:
        size = file.stat().st_size
    except OSError as error:
        raise PieceError(f"{file}: {error.strerror}; name another file") from error
    if not 0 < size <= limit:
        raise PieceError(f"{file} has {size} bytes; a sector of the demo holds 1 to {limit}: name another file")


def _cid(content: bytes) -> str:
    piece = PieceHash()
    piece.update(content)
    return piece_cid(piece.commitment(padded_size(len(content))).hex())
