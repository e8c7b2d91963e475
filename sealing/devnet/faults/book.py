"""The book of faults: a table of the embedded manager's database, so that faults outlive it and others may order them.

It is looked into at each call. What a fault has done is written down with its time, method and sector.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal, TypeVar

from sealing.devnet import market, pool
from sealing.devnet.chain import Chain, Clock
from sealing.devnet.config import DevnetConfig
from sealing.devnet.database import connect, open_chain, transaction
from sealing.devnet.faults.kinds import FAULT, Answer, Down, Fault, Lost, Outcome, Reorg, Slow
from sealing.devnet.pool import Kind, Message
from sealing.manager import methods
from sealing.manager.wire import OnChain, Polled, SubmitRes, Submitted
from sealing.values import Frozen

F = TypeVar("F", Outcome, Answer, Lost, Slow, Down, Reorg)

POLLS = {methods.POLL_PRECOMMIT.name: Kind.PRECOMMIT, methods.POLL_PROOF.name: Kind.PROOF}
SUBMISSIONS = {
    methods.SUBMIT_PRECOMMIT.name: Kind.PRECOMMIT,
    methods.SUBMIT_PROOF.name: Kind.PROOF,
    methods.SUBMIT_SNAPUP.name: Kind.SNAPUP,
}
ACTIVE = "cleared_at IS NULL AND (times_left IS NULL OR times_left > 0) AND (until IS NULL OR until > :now)"


class FaultUse(Frozen):
    """One thing that a fault has done: when, in seconds since 1970, at the call of which method, to which sector."""

    at: float
    method: str
    sector: str | None


class FaultRecord(Frozen):
    """A fault that was ordered. Times are seconds since 1970."""

    number: int
    fault: Fault
    is_configured: bool
    """It came from the configuration."""
    ordered_at: float
    state: Literal["active", "used up", "over", "cleared"]
    times_left: int | None
    """How often it still happens; None: until it is cleared or over."""
    until: float | None
    cleared_at: float | None
    uses: tuple[FaultUse, ...]


# Ordering and clearing


def order(tx: sqlite3.Connection, fault: Fault, now: float, configured: str | None = None) -> int:
    """Write a fault into the book and return its number; a configured one that is there already changes nothing."""
    until = now + fault.seconds if isinstance(fault, Down) else None
    row = (FAULT.dump_json(fault).decode(), configured, now, fault.times, until)
    return (
        tx.execute(
            "INSERT INTO faults (fault, configured, ordered_at, times_left, until) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (configured) DO NOTHING",
            row,
        ).lastrowid
        or 0
    )


def configure(tx: sqlite3.Connection, faults: Iterable[Fault], now: float) -> None:
    """Order the faults of the configuration that are new there, and clear those that are there no more."""
    seen: Counter[str] = Counter()
    for fault in faults:
        text = FAULT.dump_json(fault).decode()
        seen[text] += 1
        order(tx, fault, now, f"{seen[text]} {text}")
    named = {f"{number} {text}" for text, count in seen.items() for number in range(1, count + 1)}
    for row in tx.execute("SELECT number, configured FROM faults WHERE configured IS NOT NULL").fetchall():
        if row["configured"] not in named:
            tx.execute(
                "UPDATE faults SET configured = NULL, cleared_at = coalesce(cleared_at, ?) WHERE number = ?",
                (now, row["number"]),
            )


def clear(tx: sqlite3.Connection, numbers: Sequence[int] | None, now: float) -> list[int]:
    """Let faults happen no more, all that are active or those of some numbers, and return which they were.

    Raises KeyError for a number that no fault has.
    """
    known = {row["number"] for row in tx.execute("SELECT number FROM faults")}
    for number in numbers or ():
        if number not in known:
            raise KeyError(number)
    active = [row["number"] for row in tx.execute(f"SELECT number FROM faults WHERE {ACTIVE}", {"now": now})]  # noqa: S608 - our own words
    chosen = [number for number in active if numbers is None or number in numbers]
    tx.executemany("UPDATE faults SET cleared_at = ? WHERE number = ?", [(now, number) for number in chosen])
    return chosen


def order_fault(config: DevnetConfig, fault: Fault, clock: Clock) -> int:
    """Order a fault from another process, while the embedded manager runs or is stopped; return its number.

    Raises OSError and sqlite3.DatabaseError for a data folder that cannot be used.
    """
    config.data.mkdir(parents=True, exist_ok=True)
    with closing(connect(config.data)) as link:
        chain = open_chain(link, config, clock)
        with transaction(link) as tx:
            number = order(tx, fault, clock())
            reorganise(tx, chain, "")
    return number


def clear_faults(data: Path, numbers: Sequence[int] | None, clock: Clock) -> list[int]:
    """Clear faults from another process; as ``clear``. Raises sqlite3.DatabaseError for a broken database."""
    with closing(connect(data)) as link, transaction(link) as tx:
        return clear(tx, numbers, clock())


# What the manager asks at each call


def is_down(tx: sqlite3.Connection, now: float, path: str) -> bool:
    """Tell whether nobody is answered now."""
    for number, _ in _active(tx, now, Down):
        _use(tx, number, now, path, None)
        return True
    return False


def delay(tx: sqlite3.Connection, now: float, method: str, sector: str | None) -> float:
    """Return the seconds that a call waits."""
    seconds = 0.0
    for number, fault in _active(tx, now, Slow):
        if fault.method in {None, method}:
            _use(tx, number, now, method, sector)
            seconds += fault.seconds
    return seconds


def loses(tx: sqlite3.Connection, now: float, method: str, sector: str | None) -> bool:
    """Tell whether the answer of a call that was carried out is lost."""
    for number, fault in _active(tx, now, Lost):
        if fault.method == method:
            _use(tx, number, now, method, sector)
            return True
    return False


def instead(tx: sqlite3.Connection, chain: Chain, method: str, sector: str | None) -> Polled | Submitted | None:
    """Return what a call is answered instead of being carried out, or None. What a fault does to the chain is done."""
    reorganise(tx, chain, method)
    if sector is None or tx.execute("SELECT 1 FROM sectors WHERE name = ?", (sector,)).fetchone() is None:
        return None
    if method in SUBMISSIONS:
        return _answer(tx, chain.clock(), method, sector)
    return _outcome(tx, chain.clock(), method, sector) if method in POLLS else None


def _answer(tx: sqlite3.Connection, now: float, method: str, sector: str) -> Submitted | None:
    for number, fault in _active(tx, now, Answer):
        if fault.message == SUBMISSIONS[method] and fault.sector in {None, sector}:
            _use(tx, number, now, method, sector)
            return Submitted(res=SubmitRes[fault.res], desc=fault.desc)
    return None


def _outcome(tx: sqlite3.Connection, now: float, method: str, sector: str) -> Polled | None:
    kind = POLLS[method]
    message = pool.find(tx, sector, kind)
    if message is None or message.failed is not None:
        return None
    for number, fault in _active(tx, now, Outcome):
        if fault.message == kind and fault.sector in {None, sector}:
            _use(tx, number, now, method, sector)
            if fault.state != OnChain.Failed.name:
                return Polled(state=OnChain[fault.state], desc=fault.desc)
            _fail(tx, sector, kind, message, fault.desc)
            return None  # the truth is answered
    return None


def _fail(tx: sqlite3.Connection, sector: str, kind: Kind, message: Message, why: str) -> None:
    pool.fail(tx, message, why)
    if kind is Kind.PROOF:
        market.activate(tx, sector, None)


def reorganise(tx: sqlite3.Connection, chain: Chain, method: str) -> None:
    """Take messages back that have landed, where that was ordered. ``method`` is the call at which it happens."""
    now = chain.clock()
    for number, fault in _active(tx, now, Reorg):
        for sector, message in _landed(tx, chain.head(), Kind(fault.message), fault.sector):
            _take_back(tx, chain, sector, message, Kind(fault.message))
            _use(tx, number, now, method, sector)
            break


def _landed(tx: sqlite3.Connection, head: int, kind: Kind, sector: str | None) -> Iterator[tuple[str, Message]]:
    """Yield the messages that landed and can be taken back: not a pre-commit whose sector is proved."""
    for row in tx.execute("SELECT name FROM sectors ORDER BY rowid").fetchall():
        name = row["name"]
        if sector not in {None, name}:
            continue
        message, proof = pool.find(tx, name, kind), pool.find(tx, name, Kind.PROOF)
        is_proved = kind is Kind.PRECOMMIT and proof is not None and proof.landed(head)
        if message is not None and message.landed(head) and not is_proved:
            yield name, message


def _take_back(tx: sqlite3.Connection, chain: Chain, sector: str, message: Message, kind: Kind) -> None:
    pool.take_back(tx, chain, message, kind)
    if kind is Kind.PROOF:
        market.activate(tx, sector, chain.head() + chain.config.landed_after)
    elif (proof := pool.find(tx, sector, Kind.PROOF)) is not None:
        _fail(tx, sector, Kind.PROOF, proof, f"its pre-commit was taken back: seed epoch {message.seed_epoch} is void")


def _active(tx: sqlite3.Connection, now: float, kind: type[F]) -> list[tuple[int, F]]:
    rows = tx.execute(f"SELECT number, fault FROM faults WHERE {ACTIVE} ORDER BY number", {"now": now})  # noqa: S608 - our own words
    found = [(row["number"], FAULT.validate_json(row["fault"])) for row in rows]
    return [(number, fault) for number, fault in found if isinstance(fault, kind)]


def _use(tx: sqlite3.Connection, number: int, now: float, method: str, sector: str | None) -> None:
    tx.execute("UPDATE faults SET times_left = times_left - 1 WHERE number = ?", (number,))
    tx.execute("INSERT INTO fault_uses VALUES (?, ?, ?, ?)", (number, now, method, sector))


# What is told of them


def records(link: sqlite3.Connection, now: float) -> list[FaultRecord]:
    """Return every fault that was ordered, the oldest first."""
    return [_record(link, row, now) for row in link.execute("SELECT * FROM faults ORDER BY number").fetchall()]


def _record(link: sqlite3.Connection, row: sqlite3.Row, now: float) -> FaultRecord:
    uses = link.execute("SELECT at, method, sector FROM fault_uses WHERE fault = ? ORDER BY rowid", (row["number"],))
    return FaultRecord(
        number=row["number"],
        fault=FAULT.validate_json(row["fault"]),
        is_configured=row["configured"] is not None,
        ordered_at=row["ordered_at"],
        state=_state(row, now),
        times_left=row["times_left"],
        until=row["until"],
        cleared_at=row["cleared_at"],
        uses=tuple(FaultUse(**dict(use)) for use in uses),
    )


def _state(row: sqlite3.Row, now: float) -> Literal["active", "used up", "over", "cleared"]:
    if row["cleared_at"] is not None:
        return "cleared"
    if row["times_left"] == 0:
        return "used up"
    return "over" if row["until"] is not None and row["until"] <= now else "active"
