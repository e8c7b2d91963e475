"""The steps before sealing: which deals, their data, and its tree. Each starts from nothing and may run twice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from temporalio import activity

from activities.stages import Stages
from activities.step import spent
from sealing.failures import Permanent, Wait
from sealing.flow.events import AcquireDeals, AddPiece, BuildTreeD
from sealing.manager.client import Manager
from sealing.pieces.check import check_added
from sealing.pieces.fetch import PieceSources
from sealing.processors import inputs, job
from sealing.processors.inputs import known
from sealing.sector import Task
from sealing.stores import local
from sealing.stores.layout import TREE_D


@dataclass(frozen=True)
class DealActivities:
    """Manager calls, on any worker of the fleet."""

    manager: Manager

    @activity.defn
    async def acquire_deals(self, task: Task) -> AcquireDeals:
        """Return the sector's deals: none, where deals are not enabled.

        Where there are none either the sector is sealed without data, or it waits for some, if ``disable_cc`` says so.
        """
        settings = task.settings
        if not settings.enable_deals:
            return AcquireDeals(deals=())
        deals = await self.manager.acquire_deals(task.sector.id, settings.max_deals, settings.min_deal_space)
        if not deals and settings.disable_cc:
            why = f"no deals for {task.sector.id} yet, and disable_cc keeps it from being sealed without"
            raise Wait(why, settings.rpc_polling_interval.total_seconds())
        return AcquireDeals(deals=deals)


@dataclass(frozen=True)
class PieceActivities:
    """Stages on the sector's machine, and the data that the first of them needs."""

    stages: Stages
    sources: PieceSources

    @activity.defn
    async def add_piece(self, task: Task) -> AddPiece:
        """Write the staged file: the deals' data and fillers, or zeros for a sector without deals.

        Dies here: the worker while it fetches, and the next attempt goes on where the download stopped. Permanent for
        data that is not the deals'; then nothing of it is kept.
        """
        sector, files = task.sector, task.sector.files
        deals, wanted = known(sector.deals, "deals"), inputs.add_pieces(sector, files)
        origins: dict[str, str] = {}

        async def gather() -> None:
            origins.update(await self.sources.fetch(deals, files, spent().progress.update))

        result = await self.stages.run(
            task,
            wanted,
            files,
            partial(local.prepare_add_pieces, files),
            partial(local.settle_add_pieces, files),
            gather=gather,
        )
        try:
            check_added(deals, result.answer, origins)
        except Permanent:
            # Kept, it would be taken for the result of the next try too.
            job.discard(files.job(wanted.stage))
            raise
        return AddPiece(pieces=result.answer)

    @activity.defn
    async def build_tree_d(self, task: Task) -> BuildTreeD:
        """Build the data's tree in the folder for prepared files."""
        sector, files = task.sector, task.sector.files
        await self.stages.run(
            task,
            inputs.tree_d(sector, files),
            files,
            partial(local.prepare_tree_d, files),
            partial(local.settle_tree_d, files),
        )
        tree = files.prepared / TREE_D
        if not tree.is_file():
            raise Permanent(f"tree_d ended well, but there is no {tree}")
        return BuildTreeD(tree_d=str(tree))
