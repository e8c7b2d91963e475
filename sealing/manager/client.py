"""The manager as a worker sees it: one typed method a call, in the domain's own values."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Self, TypeVar

from sealing.failures import Failure, Permanent
from sealing.flow.events import Allocate, AllocatedSnapUpSector
from sealing.jsonrpc.dispatch import IDEMPOTENCY_KEY
from sealing.jsonrpc.method import Method
from sealing.manager import methods
from sealing.manager.rpc import MAX_BODY, Rpc
from sealing.manager.snapup import SnapUpProof, SnapUpSpec
from sealing.manager.wire import (
    AcquireDealsSpec,
    AllocatedSector,
    AllocateSpec,
    Cid,
    FailureReport,
    Id,
    Polled,
    PreCommit,
    Reported,
    SealProofBytes,
    SealTicket,
    SectorReport,
    StateChange,
    StoreInfo,
    Submitted,
    WorkerIdentity,
    WorkerPing,
)
from sealing.values import Base64, Deal, Frozen, Hex32, SectorId, Seed, Ticket

R = TypeVar("R")


HELD_AT_MOST = 50
"""Questions that are held at once: each takes a slot for activities, of which a worker has 100 on the fleet's queue."""
IN_FULL = 0.9
"""Of the seconds that a manager would hold a question: what it has held for less was not held in full."""
MOST_PIECES = 4096
"""Pieces of a sector: they travel with its task, of which Temporal takes 2 MB, some 400 bytes each at the longest."""


class SeedAnswer(Frozen):
    """The seed; or, without it, whether to wait, and how many seconds."""

    should_wait: bool
    delay: int
    seed: Seed | None


class Watched(Frozen):
    """Where a message stands, as a manager says that was asked to hold the question until that is decided."""

    polled: Polled
    held: bool = False
    """It is one that holds such questions."""
    in_full: bool = False
    """It has held this one for as long as it said, so that it may be asked again at once."""


class StateReport(Frozen):
    """A sector's state for the manager: where it is, the transition, and what holds it up."""

    worker: str
    location: str
    prev: str
    next: str
    event: str
    failure: Failure | None = None

    def wire(self) -> SectorReport:
        """Return the wire's form."""
        held = self.failure
        return SectorReport(
            worker=WorkerIdentity(instance=self.worker, location=self.location),
            state_change=StateChange(prev=self.prev, next=self.next, event=self.event),
            failure=None if held is None else FailureReport(level=held.level, desc=held.text),
        )


class Manager:
    """The manager's calls. Each raises a SealingFailure whose text names the manager, the method and the cause."""

    def __init__(
        self, address: str, *, headers: Mapping[str, str] | None = None, timeout: float = 30.0, max_body: int = MAX_BODY
    ) -> None:
        """Take a URL or a multiaddr, extra headers, seconds for a whole call, and bytes of an answer.

        Raises ValueError for an address or a header that cannot be right.
        """
        self._rpc = Rpc(address, headers=headers, timeout=timeout, max_body=max_body)
        self._held = 0

    @property
    def url(self) -> str:
        """Where the manager is asked."""
        return self._rpc.url

    async def __aenter__(self) -> Self:
        """Give the manager; connections are opened when needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._rpc.aclose()

    async def allocate_sector(
        self, miners: Sequence[int], proof_types: Sequence[int], request: str | None = None
    ) -> Allocate | None:
        """Return a new sector, or None where there is none. Empty lists mean any.

        ``request`` makes a repeated call give the same sector, where the manager honours it.
        """
        spec = AllocateSpec(allowed_miners=tuple(miners), allowed_proof_types=tuple(proof_types))
        sector = await self._call(methods.ALLOCATE_SECTOR, spec, headers=_keyed(request))
        return None if sector is None else sector.value()

    async def allocate_snapup(
        self,
        miners: Sequence[int],
        proof_types: Sequence[int],
        max_deals: int | None,
        min_used_space: int | None,
        request: str | None = None,
    ) -> AllocatedSnapUpSector | None:
        """Return a finished sector to be upgraded and its deals, or None where there is none. Otherwise as above."""
        spec = SnapUpSpec(
            sector=AllocateSpec(allowed_miners=tuple(miners), allowed_proof_types=tuple(proof_types)),
            deals=AcquireDealsSpec(max_deals=max_deals, min_used_space=min_used_space),
        )
        given = await self._call(methods.ALLOCATE_SNAPUP, spec, headers=_keyed(request))
        try:
            _count(given.pieces if given else None)
            return None if given is None else given.value()
        except ValueError as error:
            raise Permanent(self._rpc.about(methods.ALLOCATE_SNAPUP.name, str(error))) from error

    async def acquire_deals(
        self, sector: SectorId, max_deals: int | None, min_used_space: int | None
    ) -> tuple[Deal, ...]:
        """Return the deals that go into the sector; none where there are none."""
        spec = AcquireDealsSpec(max_deals=max_deals, min_used_space=min_used_space)
        pieces = await self._call(methods.ACQUIRE_DEALS, Id.of(sector), spec)
        try:
            _count(pieces)
            return tuple(piece.value() for piece in pieces or ())
        except ValueError as error:
            raise Permanent(self._rpc.about(methods.ACQUIRE_DEALS.name, str(error))) from error

    async def assign_ticket(self, sector: SectorId) -> Ticket:
        """Return a new ticket."""
        return (await self._call(methods.ASSIGN_TICKET, Id.of(sector))).value()

    async def submit_precommit(  # noqa: PLR0913 - the wire's own fields
        self, sector: SectorId, proof_type: int, comm_r: Hex32, comm_d: Hex32, ticket: Ticket, *, reset: bool
    ) -> Submitted:
        """Send the pre-commit. ``reset`` lets it replace one of other content."""
        info = AllocatedSector(id=Id.of(sector), proof_type=proof_type)
        content = PreCommit(comm_r=comm_r, comm_d=comm_d, ticket=SealTicket.of(ticket))
        return await self._call(methods.SUBMIT_PRECOMMIT, info, content, reset)

    async def poll_precommit(self, sector: SectorId) -> Polled:
        """Return where the pre-commit stands."""
        return await self._call(methods.POLL_PRECOMMIT, Id.of(sector))

    async def watch_precommit(self, sector: SectorId, wait: int) -> Watched:
        """Return where the pre-commit stands when that is decided, or after ``wait`` seconds; or now."""
        return await self._watch(methods.POLL_PRECOMMIT, sector, wait)

    async def submit_persisted(self, sector: SectorId, instance: str, *, is_upgrade: bool) -> bool:
        """Return whether the manager finds the sector's files in the store ``instance``."""
        return await self._call(methods.SUBMIT_PERSISTED, Id.of(sector), instance, is_upgrade)

    async def wait_seed(self, sector: SectorId, proof_type: int) -> SeedAnswer:
        """Return the seed, or how long to wait for it."""
        got = await self._call(methods.WAIT_SEED, Id.of(sector), proof_type)
        return SeedAnswer(
            should_wait=got.should_wait, delay=got.delay, seed=None if got.seed is None else got.seed.value()
        )

    async def submit_proof(self, sector: SectorId, proof: Base64, *, reset: bool) -> Submitted:
        """Send the proof. ``reset`` lets it replace one of other content."""
        return await self._call(methods.SUBMIT_PROOF, Id.of(sector), SealProofBytes(proof=proof), reset)

    async def poll_proof(self, sector: SectorId) -> Polled:
        """Return where the proof stands."""
        return await self._call(methods.POLL_PROOF, Id.of(sector))

    async def watch_proof(self, sector: SectorId, wait: int) -> Watched:
        """Return where the proof stands when that is decided, or after ``wait`` seconds; or now."""
        return await self._watch(methods.POLL_PROOF, sector, wait)

    async def submit_snapup_proof(  # noqa: PLR0913 - the wire's own fields
        self,
        sector: SectorId,
        *,
        comm_r: Hex32,
        comm_d: Hex32,
        access_instance: str,
        pieces: Sequence[Deal],
        proof: Base64,
    ) -> Submitted:
        """Send an upgrade's proof. ``access_instance`` is the store with the new replica, ``pieces`` all of it."""
        content = SnapUpProof(
            comm_r=comm_r,
            comm_d=comm_d,
            access_instance=access_instance,
            pieces=tuple(Cid(text=piece.piece_cid) if piece.piece_cid else None for piece in pieces),
            proof=proof,
        )
        return await self._call(methods.SUBMIT_SNAPUP, Id.of(sector), content)

    async def report_state(self, sector: SectorId, report: StateReport) -> Reported:
        """Report a state; the answer says whether the task was ended from the manager's side."""
        return await self._call(methods.REPORT_STATE, Id.of(sector), report.wire())

    async def report_finalized(self, sector: SectorId) -> None:
        """Report that the sector is finished."""
        await self._call(methods.REPORT_FINALIZED, Id.of(sector))

    async def report_aborted(self, sector: SectorId, reason: str) -> None:
        """Report that the sector was given up."""
        await self._call(methods.REPORT_ABORTED, Id.of(sector), reason)

    async def reserve_space(self, sector: SectorId, size: int, candidates: Sequence[str]) -> StoreInfo | None:
        """Return the store of ``candidates`` (empty: any) that keeps ``size`` bytes for the sector; None: no space."""
        return await self._call(methods.RESERVE_SPACE, Id.of(sector), size, tuple(candidates))

    async def store_info(self, name: str) -> StoreInfo | None:
        """Return what the manager knows about a store, or None where it does not know it."""
        return await self._call(methods.STORE_INFO, name)

    async def ping(self, worker: WorkerPing) -> None:
        """Give a sign of life."""
        await self._call(methods.WORKER_PING, worker)

    async def _watch(self, method: Method[Polled], sector: SectorId, wait: int) -> Watched:
        began = time.monotonic()
        if self._held >= HELD_AT_MOST:
            return Watched(polled=await self._call(method, Id.of(sector)))
        self._held += 1
        try:
            raw, seconds = await self._rpc.held(method.name, method.dump_params([Id.of(sector)]), wait)
        finally:
            self._held -= 1
        took = time.monotonic() - began
        return Watched(polled=self._load(method, raw), held=seconds > 0, in_full=took >= IN_FULL * seconds > 0)

    async def _call(self, method: Method[R], *params: Any, headers: Mapping[str, str] | None = None) -> R:  # noqa: ANN401
        return self._load(method, await self._rpc.call(method.name, method.dump_params(params), headers))

    def _load(self, method: Method[R], raw: Any) -> R:  # noqa: ANN401 - any JSON value
        try:
            return method.load_result(raw)
        except ValueError as error:
            raise Permanent(self._rpc.about(method.name, str(error))) from error


def _count(pieces: Sequence[object] | None) -> None:
    """Raise ValueError for more pieces than Temporal takes in one value."""
    if pieces is not None and len(pieces) > MOST_PIECES:
        raise ValueError(f"it gave {len(pieces)} pieces for one sector, {MOST_PIECES} at most are taken")


def _keyed(request: str | None) -> dict[str, str]:
    return {} if request is None else {IDEMPOTENCY_KEY: request}
