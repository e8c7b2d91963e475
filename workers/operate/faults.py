"""``sealflow devnet fault``: what goes wrong in the embedded manager on purpose; whether or not it runs."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import click
from pydantic import ValidationError

from sealing.devnet.faults import kinds
from sealing.devnet.faults.book import FaultRecord, clear_faults, order_fault
from sealing.devnet.faults.kinds import FAULT, Answer, Down, Outcome, Reorg, sentence
from workers.operate import tables
from workers.operate.books import as_row, devnet_config, observer_of, read_book
from workers.operate.running import fail

Decorated = Callable[..., Any]


@click.group()
def fault() -> None:
    """Let it fail on purpose: order faults, list them with what they have done, and clear them."""


@fault.group()
def add() -> None:
    """Order a fault. It is kept in the books, and happens also after a restart, until it is used up or cleared."""


def _options(*options: Decorated) -> Callable[[Decorated], Decorated]:
    def decorate(command: Decorated) -> Decorated:
        for option in reversed(options):
            command = option(command)
        return click.pass_obj(command)

    return decorate


def _words(model: type[kinds.Fault], field: str) -> click.Choice[str]:
    return click.Choice(get_args(model.model_fields[field].annotation))


SECTOR = click.option("--sector", help="Only of this sector, such as s-t01000-5, which need not be there yet.")
TIMES = click.option("--times", type=click.IntRange(1), default=1, show_default=True, help="How often it happens.")
UNTIL = click.option("--until-cleared", is_flag=True, help="It happens until it is cleared, however often.")
DESC = click.option("--desc", default=kinds.ORDERED, show_default=True, help="The description in the answer.")


@add.command("outcome", short_help="Polls of a message answer STATE.")
@click.argument("message", type=_words(Outcome, "message"))
@click.argument("state", type=_words(Outcome, "state"))
@_options(SECTOR, TIMES, UNTIL, DESC)
def outcome_command(file: Path, message: str, state: str, **given: Any) -> None:  # noqa: ANN401 - click gives them by name
    """Answer polls of a message that was sent with STATE.

    A message that is Failed is off the chain until it is sent again.
    """
    _order(file, {"kind": "outcome", "message": message, "state": state}, **given)


@add.command("answer", short_help="Submissions of a message are answered RES.")
@click.argument("message", type=_words(Answer, "message"))
@click.argument("res", type=_words(Answer, "res"))
@_options(SECTOR, TIMES, UNTIL, DESC)
def answer_command(file: Path, message: str, res: str, **given: Any) -> None:  # noqa: ANN401
    """Answer submissions of a message with RES, and do not look at them.

    What a worker makes of Rejected depends on how the description begins: 'ticket expired', 'invalid proof', or
    anything else.
    """
    _order(file, {"kind": "answer", "message": message, "res": res}, **given)


@add.command("lost", short_help="Calls of METHOD are carried out, and not answered.")
@click.argument("method")
@_options(TIMES, UNTIL)
def lost_command(file: Path, method: str, **given: Any) -> None:  # noqa: ANN401
    """Carry calls of METHOD out, such as SubmitProof, and cut the connection without an answer."""
    _order(file, {"kind": "lost", "method": method}, **given)


@add.command("slow", short_help="Calls take SECONDS longer.")
@click.argument("seconds", type=float)
@click.option("--method", help="Only calls of this method, such as AssignTicket.")
@_options(TIMES, UNTIL)
def slow_command(file: Path, seconds: float, method: str | None, **given: Any) -> None:  # noqa: ANN401
    """Let calls wait for SECONDS before they are carried out."""
    _order(file, {"kind": "slow", "seconds": seconds, "method": method}, **given)


@add.command("down", short_help="Nobody is answered for SECONDS.")
@click.argument("seconds", type=float)
@click.pass_obj
def down_command(file: Path, seconds: float) -> None:
    """Answer nobody for SECONDS from now, the askers of pieces neither: every connection is cut."""
    _order(file, {"kind": "down", "seconds": seconds}, times=None)


@add.command("reorg", short_help="A message that landed is pending again.")
@click.argument("message", type=_words(Reorg, "message"))
@_options(SECTOR, TIMES)
def reorg_command(file: Path, message: str, **given: Any) -> None:  # noqa: ANN401
    """Take a message back that has landed, or the next that lands: it is pending, and lands again by itself.

    A pre-commit's seed comes later then, and is another: a proof for the seed before it is not taken any more.
    """
    _order(file, {"kind": "reorg", "message": message}, **given)


def _order(file: Path, parts: dict[str, object], *, until_cleared: bool = False, **given: object) -> None:
    config = devnet_config(file)
    try:
        wanted = FAULT.validate_python({**parts, **given, **({"times": None} if until_cleared else {})})
    except ValidationError as error:
        first = error.errors()[0]
        raise click.UsageError(f"{first['loc'][-1]}: {first['msg'].removeprefix('Value error, ')}") from error
    try:
        number = order_fault(config, wanted, time.time)
    except (OSError, ValueError, sqlite3.DatabaseError) as error:
        fail(str(error))
    click.echo(f"fault {number}: {sentence(wanted)}{_how_often(wanted)}")


def _how_often(wanted: kinds.Fault) -> str:
    if isinstance(wanted, Down):
        return ""
    if wanted.times is None:
        return ", until it is cleared"
    return "" if wanted.times == 1 else f", {wanted.times} times"


@fault.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_command(file: Path, *, as_json: bool) -> None:
    """List the faults that were ordered, and what each has done."""
    records = read_book(file, observer_of(file).faults)
    if as_json:
        tables.as_json([as_row(record) for record in records])
        return
    tables.table(
        ("FAULT", "WHAT", "STANDING", "DONE", "LAST", "TO"),
        [
            (
                str(record.number),
                sentence(record.fault),
                _standing(record),
                f"{len(record.uses)} times",
                f"{tables.since(datetime.fromtimestamp(record.uses[-1].at, UTC))} ago" if record.uses else "-",
                (record.uses[-1].sector or record.uses[-1].method) if record.uses else "-",
            )
            for record in records
        ],
    )


def _standing(record: FaultRecord) -> str:
    if record.state != "active":
        return record.state
    if record.until is not None:
        return f"for {tables.span(record.until - time.time())} more"
    return "until it is cleared" if record.times_left is None else f"{record.times_left} times more"


@fault.command("clear")
@click.argument("numbers", type=int, nargs=-1, metavar="[FAULT]...")
@click.option("--all", "everything", is_flag=True, help="All that are active.")
@click.pass_obj
def clear_command(file: Path, numbers: tuple[int, ...], *, everything: bool) -> None:
    """Let faults happen no more. What they have done stays, in the books and on the chain."""
    if bool(numbers) == everything:
        raise click.UsageError("name faults by the numbers that `fault list` shows, or all of them by --all")
    config = devnet_config(file)
    try:
        cleared = clear_faults(config.data, None if everything else numbers, time.time)
    except KeyError as error:
        fail(f"there is no fault {error}; `sealflow devnet -c {file} fault list` shows those that there are")
    except sqlite3.DatabaseError as error:
        fail(str(error))
    click.echo(f"cleared: {', '.join(map(str, cleared)) or 'none was active'}")
