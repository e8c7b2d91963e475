"""The steps before sealing: which deals, their data, and its tree. Each starts from nothing and may run twice."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio import activity

from activities.chain import known
from activities.stages import Stages
from sealing.failures import Permanent
from sealing.flow.events import AcquireDeals, AddPiece, BuildTreeD
from sealing.processors import tasks
from sealing.sector import Task
from sealing.stores.layout import TREE_D, SectorFiles


@dataclass(frozen=True)
class DealActivities:
    """Manager calls, on any worker of the fleet."""

    @activity.defn
    async def acquire_deals(self, task: Task) -> AcquireDeals:
        """Return the sector's deals: none, where deals are not enabled."""
        if task.settings.enable_deals:
            raise Permanent("enable_deals is not supported yet: set it to false and resume")
        return AcquireDeals(deals=())


@dataclass(frozen=True)
class PieceActivities:
    """Stages on the sector's machine."""

    stages: Stages

    @activity.defn
    async def add_piece(self, task: Task) -> AddPiece:
        """Write the staged file: the deals' data, or zeros for a sector without deals."""
        files = SectorFiles.local(task.sector.home.location, task.sector.id)
        result = await self.stages.run(task.sector, tasks.AddPieces.of(task.sector, files), files)
        return AddPiece(pieces=tasks.AddPieces.pieces(result.output))

    @activity.defn
    async def build_tree_d(self, task: Task) -> BuildTreeD:
        """Build the data's tree in the folder for prepared files."""
        known(task.sector.pieces, "pieces")
        files = SectorFiles.local(task.sector.home.location, task.sector.id)
        await self.stages.run(task.sector, tasks.TreeD.of(task.sector, files), files)
        tree = files.prepared / TREE_D
        if not tree.is_file():
            raise Permanent(f"tree_d ended well, but there is no {tree}")
        return BuildTreeD(tree_d=str(tree))
