"""The step that stages a sector's data, run without a worker: a machine, its places of pieces, a sector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from activities.pieces import PieceActivities
from activities.stages import Stages
from activities.step import Spent, _spent
from sealing.flow.state import State
from sealing.pieces.download import PieceStore
from sealing.pieces.fetch import PieceSources
from sealing.processors.admission import Admission, Limits
from sealing.processors.processor import Processor
from sealing.sector import Home, Sector, Settings, Task
from sealing.stores.layout import SectorFiles
from sealing.values import Deal, Piece, SectorId
from tests.pieces.store import deal_of

PROOF_TYPE, SIZE, DATA = 5, 2048, 2032
"""A sector of 2 KiB, and how many of its bytes are data."""


@dataclass(frozen=True)
class Machine:
    """A machine with a folder of local pieces; ``manager`` is where others are asked for."""

    folder: Path
    program: Processor
    manager: str = "http://127.0.0.1:1"
    proof_type: int = PROOF_TYPE
    local: Path | None = None

    @property
    def pieces(self) -> Path:
        """The folder of local pieces."""
        return self.local or self.folder / "pieces"

    @property
    def files(self) -> SectorFiles:
        """The sector's files."""
        return SectorFiles.local(self.folder / "thread", SectorId(miner=1000, number=5))

    @property
    def staged(self) -> bytes:
        """The staged data."""
        return self.files.unsealed.read_bytes()

    def here(self, data: bytes, size: int | None = None) -> Deal:
        """Put data into the local folder, and return a deal on it."""
        deal = deal_of(data, size)
        self.pieces.mkdir(exist_ok=True)
        (self.pieces / deal.piece_cid).write_bytes(data)
        return deal

    async def add(self, *deals: Deal) -> tuple[Piece, ...]:
        """Run the step for a sector with these deals."""
        sector = Sector(
            home=Home(worker="w", location=str(self.folder / "thread")),
            id=SectorId(miner=1000, number=5),
            proof_type=self.proof_type,
            deals=deals,
        )
        task = Task(sector=sector, settings=Settings(), state=State.DealsAcquired)
        sources = PieceSources((self.pieces,), PieceStore(self.manager, timeout=5))
        activities = PieceActivities(Stages(lambda _: (self.program,), Admission(Limits())), sources)
        token = _spent.set(Spent())
        try:
            return (await activities.add_piece(task)).pieces
        finally:
            _spent.reset(token)


def filler(size: int) -> Deal:
    """Return a piece of zeros of so many padded bytes, as managers give it, without a CID."""
    return Deal(piece_cid="", size=size)


def data(size: int, seed: int = 1) -> bytes:
    """Return bytes of which no two pieces' are alike."""
    return bytes((at * at + seed * at) % 251 + 1 for at in range(size))
