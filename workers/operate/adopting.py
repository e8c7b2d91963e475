"""``sealflow sector adopt``: a task that Temporal has lost, or has in an old state, begins again from its state file.

Nothing is decided from the file alone. Temporal is asked by the workflow's id, the manager whether the sector is still
under way, and a run that is behind the file gives way only where the operator says so.

Dies here: after a run was stopped to be replaced, and the thread does not take the sector for ended; adopt again. Two
at once: only one of them stops the run, and the workflow's id lets only one begin.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities import executions
from activities.executions import REPLACED
from sealing.config import Config
from sealing.failures import Abort, Outage, SealingFailure
from sealing.flow.registry import FLOWS
from sealing.manager.client import Manager, StateReport
from sealing.sector import Memory, SectorInput
from sealing.stores.claim import Claim, read_claim, write_claim
from sealing.stores.statefile import StateFile, adopt_command
from workers.operate.located import AGAIN, kept_in, set_aside
from workers.operate.looking import ask
from workers.operate.orders import OrderError, explain
from workflows import attributes
from workflows.status import Status

ADOPTED = "Adopt"
"""What has brought a sector to its state, in reports and stays."""


@dataclass(frozen=True)
class Adoption:
    """What would be done for a location: its state file, whether its claim is there, and the run that would go."""

    kept: StateFile
    claimed: bool
    replaces: WorkflowExecutionDescription | None = None
    behind: str = ""
    """The state of that run."""

    @property
    def task(self) -> SectorInput:
        """The task in its state file."""
        return self.kept.task

    def __str__(self) -> str:
        """Return it in words."""
        task, written = self.task, datetime.fromtimestamp(self.kept.written, UTC)
        found = f"{task.sector.id} in {task.sector.home.location}: {task.state}, as of {written:%Y-%m-%d %H:%M:%S} UTC"
        return f"{found}, in place of the run that is only in {self.behind}" if self.replaces else found


async def look_at(client: Client, config: Config, location: Path, *, replace: bool) -> Adoption | OrderError:
    """Return what there is to adopt in a location, or why nothing may be, with what to do."""
    try:
        return await _look(client, config, location, replace=replace)
    except OrderError as refused:
        return refused


async def carry_out(client: Client, config: Config, location: Path, found: Adoption | OrderError) -> dict[str, object]:
    """Adopt what was found in a location, and return what became of it."""
    told: dict[str, object] = {"sector": str(location), "workflow": None, "location": str(location), "run": None}
    try:
        if isinstance(found, OrderError):
            raise found
        task = found.task
        told |= {"sector": str(task.sector.id), "workflow": task.workflow_id}
        run = await _adopt(client, config, found)
    except OrderError as refused:
        return {**told, "answer": None, "state": None, "refused": str(refused)}
    return {**told, "run": run, "answer": "adopted", "state": task.state, "refused": None}


async def _look(client: Client, config: Config, location: Path, *, replace: bool) -> Adoption:
    kept, claimed = kept_in(config, location)
    adoption = await _against_temporal(client, Adoption(kept, claimed), replace=replace)
    await _ask_manager(config, kept.task)
    return adoption


async def _adopt(client: Client, config: Config, adoption: Adoption) -> str:
    """Start the task and return its run. Raises OrderError where somebody else was quicker."""
    task = adoption.task
    home = task.sector.home.location
    if not adoption.claimed:
        _claim(home, task)
    try:
        if adoption.replaces:
            await _stop(client, adoption.replaces)
        handle = await client.start_workflow(
            FLOWS[task.flow, task.flow_version].workflow,
            _begun_again(task),
            id=task.workflow_id,
            task_queue=config.temporal.task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            search_attributes=attributes.first(task),
            static_summary=f"{task.sector.id} on {task.sector.home.worker}",
        )
    except WorkflowAlreadyStartedError as error:
        raise OrderError(f"{task.workflow_id} was started by somebody else in this moment: nothing to do") from error
    except RPCError as error:
        raise OrderError(explain(task.workflow_id, error)) from error
    return handle.first_execution_run_id or ""


def _claim(home: str, task: SectorInput) -> None:
    """Claim the location for the task, unless its thread has taken another sector meanwhile."""
    try:
        if read_claim(home) is not None:
            raise OrderError(f"{home} has been claimed in this moment: look again")
        write_claim(home, Claim(task=task))
    except OSError as error:
        raise OrderError(f"{home} cannot be written: {error}; {AGAIN}") from error


def _begun_again(task: SectorInput) -> SectorInput:
    memory = Memory(
        stays=(),
        previous=task.state,
        event=ADOPTED,
        since=datetime.now(UTC),
        tries=1,
        halted=False,
        failure=None,
    )
    return task.model_copy(update={"memory": memory, "adopted": True})


async def _stop(client: Client, run: WorkflowExecutionDescription) -> None:
    try:
        await client.get_workflow_handle(run.id, run_id=run.run_id).terminate(reason=REPLACED)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise OrderError(f"{run.id} was stopped by somebody else in this moment: look again") from error
        raise


async def _against_temporal(client: Client, adoption: Adoption, *, replace: bool) -> Adoption:
    task = adoption.task
    try:
        found = await executions.find(client, task.workflow_id, task.sector.files)
    except Outage as away:
        raise OrderError(str(away)) from away
    if found.lost or found.run is None:
        return adoption
    if found.running is None:
        how = found.run.status.name.lower() if found.run.status else "ended"
        raise OrderError(
            f"{task.workflow_id} has ended in Temporal ({how}): its thread clears its files away, while the worker runs"
        )
    status = await ask(client, task.workflow_id, "status", Status)
    flow = FLOWS[task.flow, task.flow_version]
    if status.sector.reached(flow, status.state) >= task.sector.reached(flow, task.state):
        raise OrderError(
            f"{task.workflow_id} runs, in {status.state}, and is not behind its state file, {task.state}: there is "
            "nothing to adopt"
        )
    if not status.halted:
        raise OrderError(
            f"{task.workflow_id} runs, in {status.state}, and has yet to come to {task.state}, which its state file "
            "says: it does so by itself, or parks before it touches anything on this machine; look again in a minute"
        )
    if not replace:
        raise OrderError(
            f"{task.workflow_id} is only in {status.state}, its state file says {task.state}: Temporal's database was "
            "restored from an old backup, or the workflow was reset. To stop that run and start the task again from "
            f"the file: {adopt_command(task.sector.home.location, replace=True)}"
        )
    return dataclasses.replace(adoption, replaces=found.running, behind=status.state)


async def _ask_manager(config: Config, task: SectorInput) -> None:
    """Tell the manager where the sector stands, which answers whether it is still under way there."""
    sector, state = task.sector, task.state.value
    report = StateReport(
        worker=sector.home.worker, location=sector.home.location, prev=state, next=state, event=ADOPTED
    )
    try:
        async with Manager(config.manager.rpc_client.addr, headers=config.manager.headers()) as manager:
            said = await manager.report_state(sector.id, report)
    except Abort as unknown:
        raise OrderError(
            f"the manager does not know {sector.id}: it has ended there, or the manager's own data was lost "
            f"({unknown}). {set_aside(sector.files)}"
        ) from unknown
    except (SealingFailure, ValueError, OSError) as away:
        raise OrderError(f"the manager does not say whether {sector.id} is under way: {away}; {AGAIN}") from away
    if said.finalized:
        why = f": {said.reason}" if said.reason else ""
        raise OrderError(f"the manager says that {sector.id} has ended{why}. {set_aside(sector.files)}")
