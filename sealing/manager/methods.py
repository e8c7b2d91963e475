"""The manager's methods: names, positional parameters and results, the one place for client and embedded manager."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from sealing.jsonrpc.method import Method
from sealing.manager.encoding import Count, ProofType
from sealing.manager.snapup import SnapUpProof, SnapUpSector, SnapUpSpec
from sealing.manager.wire import (
    AcquireDealsSpec,
    AllocatedSector,
    AllocateSpec,
    DealPiece,
    Id,
    Polled,
    PreCommit,
    Reported,
    SealProofBytes,
    SealTicket,
    SectorReport,
    SeedWait,
    StoreInfo,
    Submitted,
    WorkerPing,
)

Deals = Annotated[tuple[DealPiece, ...], Field(fail_fast=True)] | None
Names = Annotated[tuple[str, ...], Field(fail_fast=True)] | None

ALLOCATE_SECTOR = Method[AllocatedSector | None]("Venus.AllocateSector", (AllocateSpec,), AllocatedSector | None)
ACQUIRE_DEALS = Method[tuple[DealPiece, ...] | None]("Venus.AcquireDeals", (Id, AcquireDealsSpec), Deals)
ASSIGN_TICKET = Method[SealTicket]("Venus.AssignTicket", (Id,), SealTicket)
SUBMIT_PRECOMMIT = Method[Submitted]("Venus.SubmitPreCommit", (AllocatedSector, PreCommit, bool), Submitted)
POLL_PRECOMMIT = Method[Polled]("Venus.PollPreCommitState", (Id,), Polled)
SUBMIT_PERSISTED = Method[bool]("Venus.SubmitPersistedEx", (Id, str, bool), bool)
WAIT_SEED = Method[SeedWait]("Venus.WaitSeed", (Id, ProofType), SeedWait)
SUBMIT_PROOF = Method[Submitted]("Venus.SubmitProof", (Id, SealProofBytes, bool), Submitted)
POLL_PROOF = Method[Polled]("Venus.PollProofState", (Id,), Polled)
ALLOCATE_SNAPUP = Method[SnapUpSector | None]("Venus.AllocateSanpUpSector", (SnapUpSpec,), SnapUpSector | None)
"""Spelled as in the protocol."""
SUBMIT_SNAPUP = Method[Submitted]("Venus.SubmitSnapUpProof", (Id, SnapUpProof), Submitted)
REPORT_STATE = Method[Reported]("Venus.ReportState", (Id, SectorReport), Reported)
REPORT_FINALIZED = Method[Any]("Venus.ReportFinalized", (Id,), Any)
REPORT_ABORTED = Method[Any]("Venus.ReportAborted", (Id, str), Any)
RESERVE_SPACE = Method[StoreInfo | None]("Venus.StoreReserveSpace", (Id, Count, Names), StoreInfo | None)
STORE_INFO = Method[StoreInfo | None]("Venus.StoreBasicInfo", (str,), StoreInfo | None)
WORKER_PING = Method[Any]("Venus.WorkerPing", (WorkerPing,), Any)
