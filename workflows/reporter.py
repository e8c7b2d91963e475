"""Tells the manager where a sector stands: beside the work, never in its way.

Each state is reported in order while the manager answers. While it is away only the latest state waits for it.
"""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from sealing.sector import Report, Verdict
from workflows.calls import failure_of, local, patient

REPORT = "report_state"
AWAIT_END = "await_finalized"


class Reporter:
    """Sends one report at a time, and listens whether the manager has ended the task."""

    def __init__(self) -> None:
        """Start with nothing to say."""
        self.ended: Verdict | None = None
        """The manager's word that it has ended the task."""
        self._waiting: list[Report] = []
        self._closing = False
        self._is_local = False
        self._sender: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None

    def say(self, report: Report) -> asyncio.Task[None]:
        """Report a state that was entered. Returns what ends when the manager has it, or a later one."""
        self._unwatch()
        self._closing = False
        self._waiting.append(report)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send())
        return self._sender

    def watch(self, report: Report) -> None:
        """Report a parked sector, and go on asking, at no cost in history, whether the manager has ended it."""
        self._watch = asyncio.create_task(self._await_end(report, self.say(report)))

    async def quiet(self) -> None:
        """Wait until no report is under way as a local activity.

        Two local activities must not be under way at once where what follows depends on which ends first: they may
        end in one activation when it happens, and in two when it is replayed.
        """
        await workflow.wait_condition(lambda: not self._waiting and not self._is_local)

    async def settle(self) -> None:
        """Finish what is being sent. A report that waits for a manager that is away is given up."""
        self._closing = True
        self._unwatch()
        if self._sender is not None:
            await self._sender

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def _send(self) -> None:
        while self._waiting:
            report = self._waiting.pop(0)
            try:
                verdict = await self._deliver(report)
            except FailureError as error:
                workflow.logger.warning(
                    "the manager did not take the report of %s: %s", report.next, error.cause or error
                )
                continue
            if verdict is not None and verdict.finalized:
                self.ended = verdict

    async def _deliver(self, report: Report) -> Verdict | None:
        summary = f"report of {report.next}"
        self._is_local = True
        try:
            return await local(REPORT, report, Verdict, summary)
        except FailureError as error:
            if failure_of(error) is not None or is_cancelled_exception(error):
                raise
        finally:
            self._is_local = False
        # The manager is away: of all that waits only the latest matters.
        del self._waiting[:-1]
        if self._waiting or self._closing:
            return None
        call = asyncio.create_task(patient(REPORT, report, Verdict, summary))
        await workflow.wait_condition(lambda: call.done() or bool(self._waiting) or self._closing)
        if call.done():
            return await call
        call.cancel()
        return None

    async def _await_end(self, report: Report, sent: asyncio.Task[None]) -> None:
        # Not before what was said earlier has arrived: the latest state must be the last to do so.
        await workflow.wait([sent])
        try:
            self.ended = await patient(AWAIT_END, report, Verdict, f"{report.next}: stands still")
        except FailureError as error:
            if not is_cancelled_exception(error):
                workflow.logger.warning(
                    "the manager did not take the report of a parked sector: %s", error.cause or error
                )
