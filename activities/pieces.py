"""The steps before sealing: which deals, their data, and its tree. Each starts from nothing and may run twice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from temporalio import activity

from activities.stages import Stages
from sealing.failures import Permanent
from sealing.flow.events import AcquireDeals, AddPiece, BuildTreeD
from sealing.processors import inputs
from sealing.sector import Task
from sealing.stores import local
from sealing.stores.layout import TREE_D


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
        sector, files = task.sector, task.sector.files
        result = await self.stages.run(
            sector,
            inputs.add_pieces(sector, files),
            files,
            partial(local.prepare_add_pieces, files),
            partial(local.settle_add_pieces, files),
        )
        return AddPiece(pieces=result.answer)

    @activity.defn
    async def build_tree_d(self, task: Task) -> BuildTreeD:
        """Build the data's tree in the folder for prepared files."""
        sector, files = task.sector, task.sector.files
        await self.stages.run(
            sector,
            inputs.tree_d(sector, files),
            files,
            partial(local.prepare_tree_d, files),
            partial(local.settle_tree_d, files),
        )
        tree = files.prepared / TREE_D
        if not tree.is_file():
            raise Permanent(f"tree_d ended well, but there is no {tree}")
        return BuildTreeD(tree_d=str(tree))
