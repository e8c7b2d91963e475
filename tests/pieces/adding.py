"""The step that stages a sector's data, run without a worker: a machine, its places of pieces, a sector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from activities.pieces import PieceActivities
from activities.stages import Stages
from activities.step import Spent, _spent
from sealing.flow.events import AddPiece, BuildTreeD, Event
from sealing.flow.state import State
from sealing.pieces.download import PieceStore
from sealing.pieces.fetch import PieceSources
from sealing.processors.admission import Admission, Limits
from sealing.processors.processor import Processor
from sealing.sector import Home, Sector, Settings, Task
from sealing.stores.layout import SectorFiles
from sealing.stores.static import StaticTrees
from sealing.values import Deal, Piece, SectorId
from tests.pieces.store import deal_of

E = TypeVar("E", bound=Event)
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
    static_trees: Mapping[str, Path] = field(default_factory=dict)

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
        return (await self._run("add_piece", State.DealsAcquired, AddPiece, deals=deals)).pieces

    async def tree(self, pieces: tuple[Piece, ...]) -> Path:
        """Run the step after it, and return the tree."""
        return Path((await self._run("build_tree_d", State.PieceAdded, BuildTreeD, pieces=pieces)).tree_d)

    async def _run(self, step: str, state: State, event: type[E], **known: object) -> E:
        given = {"home": Home(worker="w", location=str(self.folder / "thread")), "proof_type": self.proof_type, **known}
        sector = Sector.model_validate({"id": SectorId(miner=1000, number=5), **given})
        sources = PieceSources((self.pieces,), PieceStore(self.manager, timeout=5))
        stages = Stages(lambda _: (self.program,), Admission(Limits()))
        activities = PieceActivities(stages, sources, StaticTrees(self.static_trees))
        token = _spent.set(Spent())
        try:
            came = await getattr(activities, step)(Task(sector=sector, settings=Settings(), state=state))
        finally:
            _spent.reset(token)
        assert isinstance(came, event)
        return came


def filler(size: int) -> Deal:
    """Return a piece of zeros of so many padded bytes, as managers give it, without a CID."""
    return Deal(piece_cid="", size=size)


def data(size: int, seed: int = 1) -> bytes:
    """Return bytes of which no two pieces' are alike."""
    return bytes((at * at + seed * at) % 251 + 1 for at in range(size))
