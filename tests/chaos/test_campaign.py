"""A short campaign, and what the checker finds in a site where something was lost or done twice."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from tests.chaos.campaign import Plan, campaign, lines, sealed
from tests.chaos.checker import check
from tests.chaos.site import Site, site

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

KILLS = 8


async def test_a_short_campaign_loses_nothing(tmp_path: Path) -> None:
    """Whatever is killed, work goes on by itself, and every sector that was given out is finished once."""
    told: list[str] = []
    report = await campaign(tmp_path, Plan(KILLS, seed=5), told.append, asyncio.Event())
    assert report.wrong == [], "\n".join([*told, lines(report)])
    assert report.recoveries == report.kills == KILLS
    assert report.sectors > 0


@pytest.fixture(scope="module")
async def ended(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Site, Client]]:
    """Run a site that nobody attacks, to its end."""
    async with site(tmp_path_factory.mktemp("calm"), threads=1, sectors=1) as built:
        client = await Client.connect(f"127.0.0.1:{built.temporal.port}", data_converter=pydantic_data_converter)
        await sealed(built, 1)
        assert await check(built, client) == []
        yield built, client


async def test_a_sector_that_is_not_finished_is_found(ended: tuple[Site, Client]) -> None:
    """With where it stands."""
    with changed(
        ended[0],
        "UPDATE sectors SET state = 'PC2Done', ended = NULL",
        "UPDATE sectors SET state = 'Finished', ended = 'finalized'",
    ):
        assert await check(*ended) == ["s-t01000-1 is PC2Done, ended None, proof verified 1"]


async def test_a_second_message_is_found(ended: tuple[Site, Client]) -> None:
    """Also one that was replaced since."""
    again = (
        "INSERT INTO messages (sector, kind, content, sent_at, sent_epoch, packed_epoch, landed_epoch, replaced_at)"
        " VALUES ('s-t01000-1', 'precommit', '', 0, 0, 0, 0, 1)"
    )
    with changed(ended[0], again, "DELETE FROM messages WHERE sent_at = 0"):
        assert await check(*ended) == ["s-t01000-1 has sent ['precommit', 'proof', 'precommit, replaced']"]


async def test_a_stage_that_was_computed_twice_is_found(ended: tuple[Site, Client]) -> None:
    """It is begun again although it was completed for the same inputs; one that was killed may be begun again."""
    before = ended[0].journal.read_text()
    job = json.loads(before.splitlines()[-1])["job"]
    entry = {"job": job, "mark": "other", "at": 1.0}
    for what in ("begun", "begun", "completed", "begun"):
        with ended[0].journal.open("a") as journal:
            journal.write(json.dumps({"what": what, **entry}) + "\n")
    found = await check(*ended)
    ended[0].journal.write_text(before)
    assert found == [f"{job} was begun again after it was completed, at 1.000"]


@pytest.mark.parametrize(
    ("name", "says"),
    [("threads/0/data/x", "is left behind"), ("store/sealed/.s-t01000-1.part", "does not belong there")],
)
async def test_a_file_that_is_left_behind_is_found(ended: tuple[Site, Client], name: str, says: str) -> None:
    """In a location and in a store."""
    path = ended[0].folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    found = await check(*ended)
    path.unlink()
    assert found == [f"{path} {says}"]


async def test_a_file_that_is_missing_is_found(ended: tuple[Site, Client]) -> None:
    """A replica without one of its files cannot be proved."""
    path = ended[0].store / "cache" / "s-t01000-1" / "p_aux"
    away = path.rename(ended[0].folder / "p_aux")
    found = await check(*ended)
    away.rename(path)
    assert found == [f"{path} is missing"]


@contextmanager
def changed(built: Site, by: str, back: str) -> Iterator[None]:
    """Change the manager's database for the time of the block."""
    _execute(built, by)
    try:
        yield
    finally:
        _execute(built, back)


def _execute(built: Site, statement: str) -> None:
    with closing(sqlite3.connect(built.folder / "devnet" / "devnet.sqlite", timeout=10)) as link, link:
        link.execute(statement)
