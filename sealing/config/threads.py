"""The tables about the work: ``[sealing]`` and ``[[sealing_thread]]``."""

from __future__ import annotations

from datetime import timedelta

from sealing.config.fields import ActorId, Count, CountOrNone, Duration, FilePath, Plan, Size, SizeName
from sealing.config.tables import Table
from sealing.proofs import proof_types


class Sealing(Table):
    """``[sealing]``, and the ``sealing.*`` of a thread, of which the keys that are set override."""

    allowed_miners: tuple[ActorId, ...] = ()
    """The miners whose sectors are asked for; none means any."""
    allowed_sizes: tuple[SizeName, ...] = ()
    """The sector sizes that are asked for, such as `"32GiB"`; none means any."""
    enable_deals: bool = False
    """Whether sectors are filled with deals."""
    disable_cc: bool = False
    """Whether a sector for which there are no deals waits for some, instead of being sealed without."""
    max_deals: Count | None = None
    """How many deals a sector takes at most."""
    min_deal_space: Size | None = None
    """The least space of a sector that deals must use."""
    max_retries: CountOrNone = 5
    """How often a step that failed temporarily runs again in a state, before the sector is parked."""
    seal_interval: Duration = timedelta(seconds=30)
    """How long a thread rests after a sector that was not finished, and after an answer that there is none."""
    recover_interval: Duration = timedelta(seconds=60)
    """How long after a temporary failure the step runs again."""
    rpc_polling_interval: Duration = timedelta(seconds=30)
    """How often the manager is asked whether a message has landed, once others of late had. The default is an epoch.
    One that is away is called as often, but once a second at most and every 30 s at least."""
    ignore_proof_check: bool = False
    """Whether a sector is finished once its proof is sent, without a look whether it lands."""
    request_task_max_retries: CountOrNone = 3
    """How often a thread asks for a task before it rests."""
    verify_after_pc2: bool = False
    """Whether the replica is verified after PC2."""

    def overridden(self, by: Sealing) -> Sealing:
        """Return these settings with those that ``by`` sets."""
        return self.model_copy(update={name: getattr(by, name) for name in by.model_fields_set})

    @property
    def allowed_proof_types(self) -> tuple[int, ...]:
        """The seal proofs to ask the manager for; none means any."""
        return tuple(number for size in self.allowed_sizes for number in proof_types(size))


class HotThread(Table):
    """What a thread's location may change while the worker runs: its ``config.toml``."""

    plan: Plan = "sealer"
    """The flow that the thread runs. The other worker's plans rebuild, unseal, wdpost and niporep are refused."""
    sealing: Sealing = Sealing()
    """Settings of this thread alone, over those of `[sealing]`."""


class Thread(HotThread):
    """One ``[[sealing_thread]]``: a folder that holds one sector at a time, and the flow that it runs."""

    location: FilePath
    """The folder, this thread's alone. `sealflow store init` prepares one."""

    def heated(self, by: HotThread | None) -> Thread:
        """Return this thread with what the ``config.toml`` in its location sets."""
        if by is None:
            return self
        over = {"plan": by.plan} if "plan" in by.model_fields_set else {}
        return self.model_copy(update={**over, "sealing": self.sealing.overridden(by.sealing)})
