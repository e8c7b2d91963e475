"""The demo as a user runs it: to its end, interrupted and started again, and honest when it did not work out."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from sealing.devnet.queries import Observer
from tests.survival.program import SEALFLOW

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]


async def start(data: Path, *arguments: str, env: dict[str, str] | None = None) -> asyncio.subprocess.Process:
    """Start the demo with the simulated processor."""
    return await asyncio.create_subprocess_exec(
        SEALFLOW, "demo", "--data", data, "--processor", "simulated", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env={**os.environ, **(env or {})},
    )  # fmt: skip


async def end(process: asyncio.subprocess.Process) -> tuple[int, str]:
    """Wait for the demo's end, and return its status and what it said."""
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


def processes_of(data: Path) -> list[str]:
    """Return the command lines of processes that have to do with a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(data) in line:
            found.append(line)
    return found


async def test_the_demo_seals_its_sectors_and_leaves_nothing_running(tmp_path: Path) -> None:
    """Plain lines without a terminal, a summary, the last line for programs, status 0; run again, two more."""
    for first in (1, 3):
        status, said = await end(await start(tmp_path / "demo"))
        assert status == 0, said
        lines = said.strip().splitlines()
        assert lines[-1] == "demo: 2 sectors finished, 1 upgraded, 3 proofs verified, 1 file retrieved identical"
        assert any(line.startswith("Web UI: http://127.0.0.1:") for line in lines)
        for number in (first, first + 1):
            assert f"s-t01000-{number}  Finished  proof verified: yes" in lines
        deal = Observer(tmp_path / "demo" / "manager").deals()[-1]
        assert f"{deal.sector} upgrade: Finished" in said
        assert f"\n{deal.sector}  upgraded  proof verified: yes" in said
        assert f"s-t01000-{first + 2}" not in said
    assert processes_of(tmp_path) == []


async def test_an_interrupted_demo_goes_on_where_it_was(tmp_path: Path) -> None:
    """Ctrl-C says so and fails; the same command then finishes the same sectors."""
    data = tmp_path / "demo"
    process = await start(data)
    assert process.stdout is not None
    async for line in process.stdout:
        if b"PCSubmitted" in line or b"PC1Done" in line:
            break
    process.send_signal(signal.SIGINT)
    status, said = await end(process)
    assert status == 1
    assert "interrupted" in said
    assert processes_of(tmp_path) == []
    status, said = await end(await start(data))
    assert status == 0, said
    assert "s-t01000-1  Finished" in said
    assert "s-t01000-3" not in said


async def test_a_demo_that_is_interrupted_in_its_upgrade_goes_on_with_that(tmp_path: Path) -> None:
    """The same sectors, one deal, the same file back, and status 0; meanwhile another file is refused."""
    data = tmp_path / "demo"
    slow = tmp_path / "simulated.json"
    slow.write_text('{"snap_encode": {"seconds": 2}}')
    env = {"SEALFLOW_SIMULATED": str(slow)}
    process = await start(data, env=env)
    assert process.stdout is not None
    async for line in process.stdout:
        if b"upgrade: TreeDBuilt" in line:
            break
    process.send_signal(signal.SIGINT)
    status, said = await end(process)
    assert (status, "interrupted" in said) == (1, True), said
    other = tmp_path / "other"
    other.write_bytes(b"something else")
    status, said = await end(await start(data, "--file", str(other)))
    assert status == 1
    assert said.startswith(f"sealflow: deal 1 is on its way into a sector, and is about other data than {other}")
    status, said = await end(await start(data, env=env))
    assert status == 0, said
    assert said.endswith("demo: 2 sectors finished, 1 upgraded, 3 proofs verified, 1 file retrieved identical\n")
    assert "s-t01000-3" not in said
    assert [deal.id for deal in Observer(data / "manager").deals()] == [1]


async def test_a_demo_that_does_not_work_out_says_so(tmp_path: Path) -> None:
    """A sector that stands still ends the demo with status 1 and the reason."""
    wanted = tmp_path / "simulated.json"
    wanted.write_text('{"pc1": {"fail": "no memory for the labels"}}')
    status, said = await end(await start(tmp_path / "demo", env={"SEALFLOW_SIMULATED": str(wanted)}))
    assert status == 1
    assert "demo: 0 sectors finished, 0 upgraded, 0 proofs verified, 0 files retrieved identical" in said
    assert "no memory for the labels" in said


async def test_a_file_that_does_not_fit_is_refused_before_anything_starts(tmp_path: Path) -> None:
    """One that is too big with the limit, one that is not there with its name; another file of the user's is taken."""
    big = tmp_path / "big"
    big.write_bytes(bytes(2033))
    status, said = await end(await start(tmp_path / "demo", "--file", str(big)))
    assert (status, said) == (
        1,
        f"sealflow: {big} has 2033 bytes; a sector of the demo holds 1 to 2032: name another file\n",
    )
    status, said = await end(await start(tmp_path / "demo", "--file", str(tmp_path / "none")))
    assert (status, said) == (1, f"sealflow: {tmp_path / 'none'}: No such file or directory; name another file\n")
    big.write_bytes(bytes(range(254)) * 8)
    status, said = await end(await start(tmp_path / "demo", "--sectors", "1", "--file", str(big)))
    assert status == 0, said
    assert (tmp_path / "demo" / "retrieved" / "big").read_bytes() == big.read_bytes()
