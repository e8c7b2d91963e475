"""The worker's looks for new layers: again and again, whatever kept one of them from seeing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from workers import keeping


async def test_a_disk_that_fails_is_told_once_and_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And it keeps nothing from the others: each location is looked at by itself."""
    bad, good = tmp_path / "bad", tmp_path / "good"
    looks: list[Path] = []
    enough = asyncio.Event()
    loop = asyncio.get_running_loop()

    def look(_: Callable[[], None], location: Path) -> list[Path]:
        looks.append(location)
        if min(looks.count(bad), looks.count(good)) == 4:
            loop.call_soon_threadsafe(enough.set)
        if location == bad:
            raise (OSError(5, "Input/output error") if looks.count(bad) < 3 else ValueError("of another kind"))
        return []

    monkeypatch.setattr(keeping, "note_layers", look)
    with caplog.at_level(logging.WARNING):
        async with keeping.noting_layers([bad, good], every=0.01):
            await asyncio.wait_for(enough.wait(), 10)
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        f"layers in {bad} are not noted, a restart of the machine would cost them: {why}"
        for why in ("[Errno 5] Input/output error", "of another kind")
    ]
