"""The stages that machines do for each other: C2 and snap prove, on a shared queue, from an input that was packed.

Dies here: this machine, and the server gives the task to another, which computes from the same parcel. Let go of, the
job runs on and is taken up if the task comes back to this machine; see ``guests`` for how long.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from temporalio import activity

from activities.guests import Guests
from activities.parcels import Parcels
from activities.proving import prove_seal
from activities.snapup import prove_update
from activities.stages import Stages, require_parameters
from sealing.flow.events import C2, SnapProve
from sealing.processors.inputs import known
from sealing.sector import Task

TURN_PATIENCE = 20.0
"""Seconds that a task waits here for its turn, before another machine may have it."""


@dataclass(frozen=True)
class PoolActivities:
    """Stages for sectors of any machine."""

    stages: Stages
    parcels: Parcels
    guests: Guests
    parameters_ready: Callable[[str], Awaitable[bool]]
    update_parameters_ready: Callable[[str], Awaitable[bool]]

    @activity.defn
    async def c2(self, task: Task) -> C2:
        """Make the Groth16 proof, and verify it before anybody else sees it."""
        await require_parameters(self.parameters_ready, "proof", task.sector)
        with self.guests.welcomed("c2", task.sector, known(task.parcel, "parcel")) as guest:
            there = task.model_copy(update={"sector": task.sector.model_copy(update={"c1_output": guest.input})})
            bring = partial(self.parcels.unpack, guest.parcel, Path(guest.input.path))
            proof = await prove_seal(self.stages, there, guest.files, gather=bring, patience=TURN_PATIENCE)
            guest.forget_input()
        return C2(proof=proof)

    @activity.defn
    async def snap_prove(self, task: Task) -> SnapProve:
        """Make the proof of an upgrade, and verify it before anybody else sees it."""
        await require_parameters(self.update_parameters_ready, "update", task.sector)
        with self.guests.welcomed("snap_prove", task.sector, known(task.parcel, "parcel")) as guest:
            bring = partial(self.parcels.unpack, guest.parcel, Path(guest.input.path))
            proof = await prove_update(
                self.stages, task, guest.input, guest.files, gather=bring, patience=TURN_PATIENCE
            )
            guest.forget_input()
        return SnapProve(proof=proof)
