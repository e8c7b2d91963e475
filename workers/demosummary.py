"""The demo's last word: what became of each sector, where its time went, and what of it was ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError

from sealing.devnet.queries import Observer, Timeline
from sealing.flow.state import State
from sealing.sector import Summary
from sealing.values import SectorId
from workers.demoscreen import say, stay_lines
from workers.demoupgrade import Upgrade
from workers.watch import SectorView
from workflows.status import Status

QUERY_WITHIN = timedelta(seconds=5)
"""A worker that is on its way out answers no query."""


@dataclass(frozen=True)
class Times:
    """A finished sector's seconds: in all, computing, waiting for its turn, and for what only the chain can give."""

    total: float
    computing: float
    queued: float
    chain: float

    @property
    def ours(self) -> float:
        """What is left: orchestration, moving files, and noticing late."""
        return self.total - self.computing - self.queued - self.chain


def times(summary: Summary, timeline: Timeline | None = None) -> Times:
    """Return where a finished sector's time went; an upgrade waits for no chain."""
    return Times(
        total=sum(stay.seconds for stay in summary.stays),
        computing=sum(stay.run_seconds for stay in summary.stays),
        queued=sum(stay.wait_seconds for stay in summary.stays),
        chain=0.0 if timeline is None else _chain(timeline),
    )


def _chain(timeline: Timeline) -> float:
    """Return the seconds that the chain imposes, whoever asks: to land, to draw the seed, to land again."""
    pairs = (
        (timeline.precommit_sent_at, timeline.precommit_landed_at),
        (timeline.precommit_landed_at, timeline.seed_at),
        (timeline.proof_sent_at, timeline.proof_landed_at),
    )
    return sum(end - begin for begin, end in pairs if begin is not None and end is not None)


@dataclass
class Done:
    """What a run of the demo has come to."""

    finished: int = 0
    upgraded: int = 0
    verified: int = 0
    retrieved: int = 0

    def is_whole(self, sectors: int) -> bool:
        """Tell whether all was done: as many sectors as were wanted, an upgrade, every proof, and the file."""
        proofs = self.finished + self.upgraded
        return self.finished >= sectors and self.upgraded >= 1 and self.verified == proofs and self.retrieved == 1

    def __str__(self) -> str:
        """Return the demo's last words."""
        files = f"{self.retrieved} file{'' if self.retrieved == 1 else 's'} retrieved identical"
        return f"{self.finished} sectors finished, {self.upgraded} upgraded, {self.verified} proofs verified, {files}"


async def summarize(client: Client, views: list[SectorView], observer: Observer, upgrade: Upgrade) -> Done:
    """Say what became of each sector and of the file, and return it in numbers."""
    done = Done()
    for view in views:
        handle = client.get_workflow_handle(view.workflow_id, run_id=view.run_id, result_type=Summary)
        if not view.closed:
            say(f"\n{view.title}  {view.state}  not finished: {await _why(handle) or view.doing or 'under way'}")
            continue
        try:
            summary = await handle.result()
        except WorkflowFailureError as failure:
            say(f"\n{view.title}  {view.state}: {failure.cause}")
            continue
        if view.is_upgrade:
            await _tell_upgrade(view.sector, summary, upgrade, done)
        else:
            _tell_sector(view.sector, summary, observer.timeline(_id(view.sector)), done)
    return done


def _tell_sector(sector: str, summary: Summary, timeline: Timeline, done: Done) -> None:
    done.finished += summary.state is State.Finished
    done.verified += timeline.proof_verified is True
    say(f"\n{sector}  {summary.state}  proof verified: {'yes' if timeline.proof_verified else 'no'}")
    for line in stay_lines(summary.stays):
        say(line)
    _tell_times(times(summary, timeline))


async def _tell_upgrade(sector: str, summary: Summary, upgrade: Upgrade, done: Done) -> None:
    verified = upgrade.is_verified(sector)
    done.upgraded += summary.state is State.Finished
    done.verified += verified
    say(f"\n{sector}  upgraded  proof verified: {'yes' if verified else 'no'}")
    for line in stay_lines(summary.stays):
        say(line)
    _tell_times(times(summary))
    done.retrieved += await upgrade.bring_back(sector)


def _tell_times(spent: Times) -> None:
    say(
        f"    {spent.total:.2f} s in all: {spent.computing:.2f} s computing, {spent.queued:.2f} s queued, "
        f"{spent.chain:.2f} s that the chain imposes, {spent.ours:.2f} s else"
    )


async def _why(handle: WorkflowHandle[Any, Any]) -> str:
    """Return why an open task stands still, in its own words; nothing if it does not, or nobody can tell now."""
    try:
        status: Status = await handle.query("status", result_type=Status, rpc_timeout=QUERY_WITHIN)
    except RPCError:
        return ""
    return f"{status.failure.level}: {status.failure.text}" if status.failure else ""


def _id(name: str) -> SectorId:
    miner, _, number = name.removeprefix("s-t0").partition("-")
    return SectorId(miner=int(miner), number=int(number))
