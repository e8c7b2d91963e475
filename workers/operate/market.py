"""``sealflow devnet``: the embedded manager's books, and deals for its sectors; whether or not it runs."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import click

from sealing.cache import ProgramMissingError
from sealing.devnet.deals import add_deal
from sealing.devnet.piecestore import PieceError
from sealing.devnet.retrieve import RetrieveError, retrieve
from workers.embedded import choose_program
from workers.operate import tables
from workers.operate.books import as_row, devnet_config, observer_of, read_book
from workers.operate.running import fail


def add_to(devnet: click.Group) -> None:
    """Add the commands to ``sealflow devnet``."""
    for command in (deal, sectors_command, deals_command, messages_command, retrieve_command):
        devnet.add_command(command)


@click.group()
def deal() -> None:
    """Make deals: data that goes into sectors."""


@deal.command("add")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--miner", type=click.IntRange(0), help="The miner's actor id; default: the configured one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def add_command(file: Path, path: Path, miner: int | None, *, as_json: bool) -> None:
    """Make a deal about a file's data, which is copied into the piece store."""
    config = devnet_config(file)
    try:
        made = add_deal(config, path, miner)
    except PieceError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or config.data}: {error.strerror or error}")
    except sqlite3.DatabaseError as error:
        fail(str(error))
    if as_json:
        tables.as_json(made.model_dump())
        return
    click.echo(
        f"deal {made.deal_id} with miner {made.miner}: piece {made.piece_cid},"
        f" {made.payload_size} bytes of data in {made.size}"
    )


@click.command("sectors")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def sectors_command(file: Path, *, as_json: bool) -> None:
    """List the sectors that were handed out."""
    observer = observer_of(file)
    records = read_book(file, observer.sectors)
    upgrades = {record.sector: record for record in read_book(file, observer.upgrades)}
    if as_json:
        rows = [as_row(record) for record in records]
        for row, record in zip(rows, records, strict=True):
            upgrade = upgrades.get(str(record.id))
            row["id"], row["upgrade"] = str(record.id), upgrade and as_row(upgrade)
        tables.as_json(rows)
        return
    tables.table(
        ("SECTOR", "STATE", "WORKER", "LEVEL", "STORE", "SEALING", "UPGRADE"),
        [
            (
                str(record.id),
                record.state or "-",
                record.worker or "-",
                record.failure.level if record.failure else "-",
                record.persisted_in or "-",
                record.ended or "under way",
                "-" if (upgrade := upgrades.get(str(record.id))) is None else upgrade.ended or "under way",
            )
            for record in records
        ],
    )


@click.command("deals")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def deals_command(file: Path, *, as_json: bool) -> None:
    """List the deals, and the sectors that they are in."""
    records = read_book(file, observer_of(file).deals)
    if as_json:
        tables.as_json([as_row(record) for record in records])
        return
    tables.table(
        ("DEAL", "MINER", "STATE", "SECTOR", "PLACE", "SIZE", "DATA", "PIECE"),
        [
            (
                *(str(value) for value in (record.id, record.miner, record.state)),
                *("-" if value is None else str(value) for value in (record.sector, record.place)),
                *(str(value) for value in (record.size, record.payload_size, record.piece_cid)),
            )
            for record in records
        ],
    )


@click.command("messages")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def messages_command(file: Path, *, as_json: bool) -> None:
    """List the chain's messages, also those that were replaced."""
    observer = observer_of(file)
    records = read_book(
        file,
        lambda: [(record.id, message) for record in observer.sectors() for message in observer.messages(record.id)],
    )
    if as_json:
        tables.as_json(
            [{"sector": str(sector), **as_row(message), "state": message.state.name} for sector, message in records]
        )
        return
    now = time.time()
    tables.table(
        ("SECTOR", "MESSAGE", "STATE", "SENT", "EPOCH", "LANDS AT", "SEED AT"),
        [
            (
                str(sector),
                str(message.kind),
                message.state.name if message.replaced_at is None else "replaced",
                f"{tables.span(now - message.sent_at)} ago",
                str(message.sent_epoch),
                str(message.landed_epoch),
                str(message.seed_epoch or "-"),
            )
            for sector, message in records
        ],
    )


@click.command("retrieve")
@click.argument("piece_cid", metavar="PIECE_CID")
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), required=True, help="The file to write.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.pass_obj
def retrieve_command(file: Path, piece_cid: str, target: Path, *, force: bool) -> None:
    """Give a client's data back: decode the sector that holds the piece, and compare what comes with its CID."""
    config = devnet_config(file)
    try:
        count = asyncio.run(retrieve(config, choose_program(config), piece_cid, target, force=force))
    except (RetrieveError, ProgramMissingError, sqlite3.DatabaseError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or target}: {error.strerror or error}")
    click.echo(f"{count} bytes of piece {piece_cid} in {target}")
