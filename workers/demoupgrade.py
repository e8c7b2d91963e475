"""The demo's second part: a file becomes a deal, a finished sector is upgraded with it, and the file comes back."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sealing.devnet.config import DevnetConfig
from sealing.devnet.deals import add_deal, payload_limit
from sealing.devnet.piecestore import PieceError
from sealing.devnet.queries import DealRecord, Observer
from sealing.devnet.retrieve import RetrieveError, retrieve
from workers.demoscreen import say
from workers.embedded import choose_program

OWN_FILE = Path(__file__).parents[1] / "workflows" / "sealer.py"
"""The file that is taken when none is named: the workflow that seals, in its own words."""


class Upgrade:
    """One file on its way into a sector and back."""

    def __init__(self, config: DevnetConfig, file: Path) -> None:
        """Take the embedded manager's configuration and the file. Raises PieceError for one that does not fit."""
        self._config = config
        self._file = file
        limit = payload_limit(config)
        try:
            size = file.stat().st_size
        except OSError as error:
            raise PieceError(f"{file}: {error.strerror}; name another file") from error
        if not 0 < size <= limit:
            raise PieceError(f"{file} has {size} bytes; a sector of the demo holds 1 to {limit}: name another file")

    def make_deal(self) -> None:
        """Make a deal about the file, unless one of an earlier run is still on its way into a sector."""
        if not any(deal.state != "active" for deal in self._deals()):
            add_deal(self._config, self._file)

    async def bring_back(self, sector: str) -> bool:
        """Retrieve the file out of the upgraded sector, and tell whether it is what went in."""
        deal = next((deal for deal in self._deals() if deal.sector == sector), None)
        if deal is None:
            return False
        target = self._config.data.parent / "retrieved" / self._file.name
        target.parent.mkdir(exist_ok=True)
        try:
            await retrieve(self._config, choose_program(self._config), deal.piece_cid, target, force=True)
        except (RetrieveError, OSError, sqlite3.DatabaseError) as error:
            say(f"    the data could not be retrieved: {error}")
            return False
        same = target.read_bytes() == self._file.read_bytes()
        say(f"    {deal.payload_size} bytes retrieved into {target}, {'identical to' if same else 'NOT'} {self._file}")
        return same

    def is_verified(self, sector: str) -> bool:
        """Tell whether the chain's side has verified the proof of a sector's upgrade."""
        return any(one.sector == sector and one.proof_verified for one in Observer(self._config.data).upgrades())

    def _deals(self) -> list[DealRecord]:
        return Observer(self._config.data).deals()
