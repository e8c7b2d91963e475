"""A stage: the real workflows on a real server, with activities that play what a test has written for each sector.

Nothing is computed and no manager is asked, so that hundreds of sectors run in seconds. There is an activity for every
name that the tables and the machine use. Without a script a step ends in its forward event, at once.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.worker import Worker

from activities.step import StepInterceptor
from sealing.failures import Wait
from sealing.flow.events import Event
from sealing.flow.registry import LATEST
from sealing.flow.state import State
from sealing.flow.table import Flow
from sealing.sector import (
    Allocation,
    Ending,
    Home,
    Report,
    Sector,
    SectorInput,
    Settings,
    Summary,
    Task,
    ThreadInput,
    Verdict,
)
from sealing.values import Frozen, Parcel, SectorId
from workers.assembly import MACHINE_SLOTS
from workers.pool import HEARTBEAT_THROTTLE
from workers.runner import WORKFLOWS, runner
from workflows.commands import Answer
from workflows.status import Status

PATIENCE = 30.0
"""Seconds that a test waits for what it expects, before it fails."""

AT_ONCE = 40
"""Sectors that play at once: enough to keep the server busy, few enough that each is done long before the patience."""

QUICK = Settings(
    recover_interval=timedelta(milliseconds=10),
    rpc_polling_interval=timedelta(milliseconds=10),
    resubmit_interval=timedelta(milliseconds=10),
    max_retries=1,
    heartbeat_timeout=timedelta(seconds=20),
)

EVENTS = [(flow, *edge) for flow in LATEST.values() for edge in flow.edges()]
PACKS = [step.packs for flow in LATEST.values() for step in flow.rows.values() if step.packs]
"""What packs the input of a step of the pool."""
STEPS = [(flow, state) for flow in LATEST.values() for state in flow.rows if state is not flow.start]
"""Every state whose step a sector runs."""

ARGUMENTS: dict[str, type[Frozen]] = {
    **{flow.rows[state].activity: Task for flow, state in STEPS},
    **dict.fromkeys((*PACKS, "clean_up", "stop_jobs", "check_replica", "precommit_on_chain"), Task),
    **dict.fromkeys(("report_state", "await_finalized"), Report),
    "report_end": Ending,
}
"""Every activity of a sector's workflow, and what it is given."""

TEXTS = ("text", "ab" * 32, "cHJvb2Y=")
"""One of these fits every kind of text that a field may want."""

Act = Event | Exception | str | bool | Verdict | Callable[[], Awaitable[object]]
"""What an activity does when it is called: end in this value, raise this, or end as this call does (None: as usual)."""

_miners = itertools.count(2_000_000 + os.getpid() * 1000)
_numbers = itertools.count(1)


def made(event: type[Event]) -> Event:
    """Return an event of a class, with values that its model takes."""
    return event.model_validate({name: _value(info.annotation, info) for name, info in event.model_fields.items()})


def _value(kind: Any, info: FieldInfo | None = None) -> object:
    if get_origin(kind) is tuple:
        return (_value(get_args(kind)[0]),)
    if get_origin(kind) is UnionType:
        return _value(get_args(kind)[0])
    if get_origin(kind) is Literal:
        return get_args(kind)[0]
    if kind in {None, NoneType}:
        return None
    if issubclass(kind, Frozen):
        return {name: _value(found.annotation, found) for name, found in kind.model_fields.items()}
    patterns = [found.pattern for found in info.metadata if hasattr(found, "pattern")] if info else []
    return next(text for text in TEXTS if re.match((patterns or [""])[0], text)) if kind is str else kind(1)


def forward(flow: Flow, state: State) -> type[Event]:
    """Return the event of the first edge that leads from a state to a later one."""
    return next(event for event, to in flow.rows[state].edges.items() if not flow.is_back(state, to))


def path(flow: Flow, to: State) -> list[tuple[State, type[Event]]]:
    """Return the states and events by which a sector comes from the start to a state, by forward edges only."""
    ways: list[tuple[State, list[tuple[State, type[Event]]]]] = [(flow.start, [])]
    for at, way in ways:
        if at is to:
            return way
        edges = flow.rows[at].edges.items() if at in flow.rows else ()
        ways += [(next_, [*way, (at, event)]) for event, next_ in edges if not flow.is_back(at, next_)]
    raise LookupError(to)


def come_to(flow: Flow, state: State) -> Sector:
    """Return a sector that has come straight to a state."""
    fields: dict[str, object] = {"home": Home(worker="machine", location="/stage")}
    for _, event in path(flow, state):
        fields |= dict(made(event))
    return Sector.model_validate(fields)


@dataclass
class Held:
    """An act that begins, and ends as usual when it is told to."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    told: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self) -> None:
        """Wait for the word."""
        self.begun.set()
        await self.told.wait()


@dataclass
class Part:
    """One sector on the stage: what its activities are to do, what they were called with, and its workflow."""

    client: Client
    flow: Flow
    given: SectorInput
    queue: str
    task_timeout: timedelta | None = None
    acts: dict[str, deque[Act]] = field(default_factory=lambda: defaultdict(deque))
    """What the next calls of an activity do; then it is as usual."""
    always: dict[str, Act] = field(default_factory=dict)
    """What an activity does whenever it has no act of its own."""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    _called: asyncio.Condition = field(default_factory=asyncio.Condition)

    # What it does

    @property
    def handle(self) -> WorkflowHandle[Any, Summary]:
        """The sector's workflow."""
        return self.client.get_workflow_handle(self.given.workflow_id, result_type=Summary)

    def at(self, state: State, *acts: Act) -> Part:
        """Say how the next runs of a state's step end."""
        self.acts[self.flow.rows[state].activity].extend(acts)
        return self

    async def start(self, signal: str | None = None, *arguments: object) -> Part:
        """Start its workflow, with a signal that comes before its first task, if one is named."""
        await self.client.start_workflow(
            self.flow.workflow,
            self.given,
            id=self.given.workflow_id,
            task_queue=self.queue,
            task_timeout=self.task_timeout,
            start_signal=signal,
            start_signal_args=arguments,
        )
        return self

    async def play(self, name: str, argument: Any) -> object:
        """Be an activity of the sector."""
        async with self._called:
            self.calls.append((name, argument))
            self._called.notify_all()
        act = self.acts[name].popleft() if self.acts[name] else self.always.get(name)
        if isinstance(act, Exception):
            raise act
        end = await act() if callable(act) else act
        return self._usual(name, argument) if end is None else end

    def _usual(self, name: str, argument: Any) -> object:
        match name:
            case "report_state":
                return Verdict()
            case "await_finalized":
                raise Wait("it stands still", 3600)
            case "precommit_on_chain":
                return ""
            case "report_end" | "clean_up" | "stop_jobs" | "check_replica":
                return True
            case _ if name in PACKS:
                return Parcel(size=1, sha256="0" * 64, inline="AA==")
            case _:
                return made(forward(self.flow, argument.state))

    # What became of it

    def count(self, name: str) -> int:
        """Return how often an activity was called."""
        return sum(called == name for called, _ in self.calls)

    def tasks(self, state: State) -> list[Task]:
        """Return what the step of a state was given, each time."""
        return [argument for _, argument in self.calls if isinstance(argument, Task) and argument.state is state]

    async def called(self, name: str, times: int = 1) -> None:
        """Wait until an activity was called so many times."""
        async with asyncio.timeout(PATIENCE), self._called:
            await self._called.wait_for(lambda: self.count(name) >= times)

    async def status(self) -> Status:
        """Return what its query answers."""
        status: Status = await self.handle.query("status", result_type=Status)
        return status

    async def parked(self, times: int = 1) -> Status:
        """Wait until it stands still for the so many-th time. It tells the manager, and that is an activity."""
        await self.called("await_finalized", times)
        status = await self.status()
        assert status.halted
        return status

    async def until(self, condition: Callable[[Status], bool]) -> Status:
        """Wait until its status is such. For what calls no activity."""
        async with asyncio.timeout(PATIENCE):
            while not condition(status := await self.status()):  # noqa: ASYNC110 - a workflow sets no event here
                await asyncio.sleep(0.02)
        return status

    async def nothing_pending(self) -> None:
        """Wait until the server has the end of every activity."""
        async with asyncio.timeout(PATIENCE):
            while (await self.handle.describe()).raw_description.pending_activities:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)

    async def signal(self, name: str, *arguments: object) -> Answer:
        """Send a sector its first signal, or one that is decided at once, and return what became of it."""
        await self.handle.signal(name, args=arguments)
        return (await self.until(lambda status: status.last_command is not None)).last_command or Answer(command="")

    async def control(self, argument: object) -> Answer:
        """Send an update and return its answer. Raises WorkflowUpdateFailedError."""
        async with asyncio.timeout(PATIENCE):
            answer: Answer = await self.handle.execute_update("control", argument, result_type=Answer)
        return answer

    async def ended(self) -> Summary:
        """Wait for its end. Raises WorkflowFailureError where that is Aborted."""
        return await asyncio.wait_for(self.handle.result(), PATIENCE)

    async def finished(self) -> list[State]:
        """Wait for its good end and return the states that it was in, in their order."""
        summary = await self.ended()
        assert summary.state is State.Finished
        return [stay.state for stay in summary.stays]


@dataclass
class Stage:
    """Two workers, for the fleet's queue and for a machine's, and the sectors that play on them."""

    client: Client
    miner: int
    fleet: str
    machine: str
    parts: dict[SectorId, Part] = field(default_factory=dict)

    def part(
        self, flow: Flow, state: State, *, machine: str | None = None, number: int | None = None, **settings: Any
    ) -> Part:
        """Return a new sector that has come to a state of its flow. Its workflow has yet to be started."""
        home = Home(worker=machine or self.machine, location=f"/stage/{self.machine}")
        named = {"home": home, "id": SectorId(miner=self.miner, number=number or next(_numbers))}
        given = SectorInput(
            flow=flow.name,
            flow_version=flow.version,
            state=state,
            sector=come_to(flow, state).model_copy(update=named),
            settings=QUICK.model_copy(update=settings),
        )
        self.parts[given.sector.id] = Part(self.client, flow, given, self.fleet)
        return self.parts[given.sector.id]

    def worker(self, queue: str, **more: Any) -> Worker:
        """Return a worker with every activity for a queue."""
        return Worker(
            self.client,
            task_queue=queue,
            activities=[idle, *(self._activity(name, kind) for name, kind in ARGUMENTS.items())],
            interceptors=[StepInterceptor()],
            max_concurrent_activities=MACHINE_SLOTS,
            max_concurrent_local_activities=MACHINE_SLOTS,
            max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
            **more,
        )

    def _activity(self, name: str, kind: type[Frozen]) -> Callable[..., Awaitable[object]]:
        async def play(argument: Any) -> object:
            sector = argument.report.sector if isinstance(argument, Ending) else argument.sector
            return await self.parts[sector.id if isinstance(sector, Sector) else sector].play(name, argument)

        play.__annotations__["argument"] = kind
        return activity.defn(name=name)(play)


@activity.defn(name="allocate")
async def idle(_: ThreadInput) -> Allocation:
    """Have no sector for a thread."""
    raise Wait("idle", 3600)


@asynccontextmanager
async def staged(client: Client, workflows: Sequence[type] = WORKFLOWS) -> AsyncIterator[Stage]:
    """Set up a stage with queues of its own. What still runs at the end is terminated."""
    miner = next(_miners)
    stage = Stage(client, miner, f"fleet-{miner}", f"machine-{miner}")
    fleet = stage.worker(stage.fleet, workflows=workflows, workflow_runner=runner())
    async with fleet, stage.worker(stage.machine):
        yield stage
    running = f"ExecutionStatus = 'Running' AND TaskQueue = '{stage.fleet}'"
    async for found in client.list_workflows(running):
        with suppress(RPCError):  # the list is a moment behind
            await client.get_workflow_handle(found.id).terminate("the test is over")


async def together(acts: Iterable[tuple[object, Coroutine[Any, Any, object]]]) -> None:
    """Run many at once. Raises one ExceptionGroup of all that failed, each with the name of the act that it was."""
    named = list(acts)
    room = asyncio.Semaphore(AT_ONCE)

    async def in_turn(act: Coroutine[Any, Any, object]) -> object:
        async with room:
            return await act

    ends = await asyncio.gather(*(in_turn(act) for _, act in named), return_exceptions=True)
    failed: list[Exception] = []
    for (name, _), end in zip(named, ends, strict=True):
        if isinstance(end, Exception):
            end.add_note(f"in {name}")
            failed.append(end)
    if failed:
        raise ExceptionGroup(f"{len(failed)} of {len(named)} failed", failed)
