"""What a worker's location holds of a sector: its claim and its state file, or what to do where they are not right."""

from __future__ import annotations

import shlex
from pathlib import Path

from sealing.config import Config
from sealing.failures import bounded
from sealing.flow.registry import FLOWS
from sealing.stores import local
from sealing.stores.claim import Claim, claim_path, read_claim
from sealing.stores.layout import SectorFiles, quarantine
from sealing.stores.statefile import StateFile, StateFileError, read_state
from workers.operate.orders import OrderError

AGAIN = "put that right, then adopt again"
REASON_LIMIT = 300
"""Characters of the reason why a file cannot be read."""


def kept_in(config: Config, location: Path) -> tuple[StateFile, bool]:
    """Return the state file in a location of the worker, and whether its claim is there. Raises OrderError."""
    home = _ours(config, location)
    claim = _claim(home)
    kept = _state(home, claim)
    _check(kept, config, home)
    return kept, claim is not None


def set_aside(files: SectorFiles) -> str:
    """Return what to type where a sector cannot go on, so that its thread can, and nothing is lost."""
    kept = quarantine(files.root.parent, files.name, "set-aside")
    argv = [["mkdir", "-p", str(kept.parent)], ["mv", str(files.root), str(kept)]]
    return f"To set its files aside: {' && '.join(map(shlex.join, argv))}"


def _ours(config: Config, location: Path) -> str:
    """Return the location as the worker's file has it: the home of its sectors."""
    wanted = location.resolve()
    for thread in config.sealing_thread:
        if thread.location.resolve() == wanted:
            return str(thread.location)
    known = ", ".join(str(thread.location) for thread in config.sealing_thread) or "none"
    raise OrderError(
        f"{location} is no location of worker {config.worker.name}, whose locations are {known}: "
        "give the file of the worker that it belongs to by -c"
    )


def _claim(home: str) -> Claim | None:
    try:
        return read_claim(home)
    except (OSError, ValueError) as error:
        why = f"{claim_path(home)} cannot be read: {bounded(str(error), REASON_LIMIT)}"
        raise OrderError(f"{why}; remove it and adopt again, which writes it anew") from error


def _state(home: str, claim: Claim | None) -> StateFile:
    """Return the state file of the claim's sector, or of the only one that has one."""
    unclaimed = [files for files in local.sectors(home) if files.state.exists()]
    there = unclaimed if claim is None else [claim.task.sector.files]
    if len(there) > 1:
        names = ", ".join(files.name for files in there)
        raise OrderError(f"{home} has no claim and the state files of {names}: move those away that are not meant")
    if not there:
        raise OrderError(f"{home} has neither a claim nor a state file: there is no sector in it")
    try:
        kept = read_state(there[0])
    except StateFileError as error:
        raise OrderError(f"{error}; without it nothing can start the task again. {set_aside(there[0])}") from error
    if kept is None:
        raise OrderError(_without_file(there[0]))
    if claim is not None and kept.task.workflow_id != claim.task.workflow_id:
        raise OrderError(
            f"{home} has the claim of {claim.task.workflow_id} and the state file of {kept.task.workflow_id}"
        )
    return kept


def _without_file(files: SectorFiles) -> str:
    if not any(path.exists() for path in files.all()):
        return f"{files.name} has no state file, for no step of it has begun here: its thread starts it by itself"
    return (
        f"{files.name} has files and no state file, {files.state}: it was begun by a sealflow that wrote none. "
        f"{set_aside(files)}"
    )


def _check(kept: StateFile, config: Config, home: str) -> None:
    """Refuse a file that is another worker's or another place's, or of a flow that is not known here."""
    task = kept.task
    sector, known = task.sector, FLOWS.get((task.flow, task.flow_version))
    if sector.home.worker != config.worker.name:
        raise OrderError(
            f"{sector.id} in {home} is worker {sector.home.worker}'s, {config.file} is that of {config.worker.name}: "
            "give that worker's file, or name this worker so: its task queue has that name"
        )
    if sector.home.location != home:
        raise OrderError(
            f"{sector.id} was at work in {sector.home.location}, which stands in its files' paths: mount its disk "
            f"there, and write that path in {config.file}"
        )
    if known is None or task.state not in known.rows:
        there = ", ".join(f"{name} {version}" for name, version in FLOWS)
        raise OrderError(
            f"{sector.id} is in {task.state} of flow {task.flow} {task.flow_version}, this sealflow knows {there}: use "
            "the one that wrote its state file"
        )
    if missing := [name for name in known.rows[task.state].needs if getattr(sector, name) is None]:
        raise OrderError(
            f"the state file of {sector.id} has no {', '.join(missing)}, which {task.state} needs: {AGAIN}"
        )
