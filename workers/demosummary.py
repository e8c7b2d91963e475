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


def times(summary: Summary, timeline: Timeline) -> Times:
    """Return where a finished sector's time went."""
    return Times(
        total=sum(stay.seconds for stay in summary.stays),
        computing=sum(stay.run_seconds for stay in summary.stays),
        queued=sum(stay.wait_seconds for stay in summary.stays),
        chain=_chain(timeline),
    )


def _chain(timeline: Timeline) -> float:
    """Return the seconds that the chain imposes, whoever asks: to land, to draw the seed, to land again."""
    pairs = (
        (timeline.precommit_sent_at, timeline.precommit_landed_at),
        (timeline.precommit_landed_at, timeline.seed_at),
        (timeline.proof_sent_at, timeline.proof_landed_at),
    )
    return sum(end - begin for begin, end in pairs if begin is not None and end is not None)


async def summarize(client: Client, views: list[SectorView], observer: Observer) -> tuple[int, int]:
    """Say what became of each sector. Returns how many finished, and how many proofs the chain's side verified."""
    finished = verified = 0
    for view in views:
        handle = client.get_workflow_handle(view.workflow_id, run_id=view.run_id, result_type=Summary)
        if not view.closed:
            say(f"\n{view.sector}  {view.state}  not finished: {await _why(handle) or view.doing or 'under way'}")
            continue
        try:
            summary = await handle.result()
        except WorkflowFailureError as failure:
            say(f"\n{view.sector}  {view.state}: {failure.cause}")
            continue
        timeline = observer.timeline(_id(view.sector))
        finished += summary.state is State.Finished
        verified += timeline.proof_verified is True
        say(f"\n{view.sector}  {summary.state}  proof verified: {'yes' if timeline.proof_verified else 'no'}")
        for line in stay_lines(summary.stays):
            say(line)
        spent = times(summary, timeline)
        say(
            f"    {spent.total:.2f} s in all: {spent.computing:.2f} s computing, {spent.queued:.2f} s queued, "
            f"{spent.chain:.2f} s that the chain imposes, {spent.ours:.2f} s else"
        )
    return finished, verified


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
