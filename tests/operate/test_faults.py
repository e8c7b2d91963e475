"""``sealflow devnet fault``: faults ordered, listed and cleared from a terminal, while the embedded manager runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from sealing.devnet.faults.book import FaultRecord
from sealing.devnet.queries import Observer
from sealing.failures import Outage
from sealing.manager.wire import OnChain
from tests.devnet.world import World, config_for, running
from tests.operate.command import SEALFLOW, Ran
from workers.cli import cli


class Terminal:
    """A terminal beside a running embedded manager."""

    def __init__(self, world: World, file: Path) -> None:
        """Take both."""
        self.world, self.file = world, file

    def fault(self, *args: str) -> Ran:
        """Run ``sealflow devnet -c FILE fault`` with what follows, inside this process: many are quick so."""
        ran = CliRunner().invoke(cli, ["devnet", "-c", str(self.file), "fault", *args])
        return Ran(ran.exit_code, ran.stdout, ran.stderr)

    async def as_program(self, *args: str) -> Ran:
        """Run it as a process of its own."""
        process = await asyncio.create_subprocess_exec(
            SEALFLOW,
            *("devnet", "-c", str(self.file), "fault", *args),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "COLUMNS": "200"},
        )
        out, err = await process.communicate()
        return Ran(process.returncode or 0, out.decode(), err.decode())

    def book(self) -> list[FaultRecord]:
        """Return the faults in the books."""
        return Observer(self.world.server.config.data).faults()


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    """Run an embedded manager with its configuration in a file."""
    config = config_for(tmp_path / "devnet")
    file = tmp_path / "devnet.json"
    file.write_text(config.model_dump_json())
    async with running(config) as world:
        world.clock.now = 1e10  # the commands' clock is the real one, and nothing may be over here
        yield Terminal(world, file)


async def test_a_fault_from_its_order_to_its_clearing(terminal: Terminal) -> None:
    """It happens at the next call, the list says when and to whom, and once cleared it happens no more."""
    sector = await terminal.world.allocated()
    await terminal.world.precommit(sector, await terminal.world.manager.assign_ticket(sector))
    name = f"{sector.miner}-{sector.number}"
    ordered = await terminal.as_program(
        *("add", "outcome", "precommit", "PermFailed", "--sector", name, "--until-cleared", "--desc", "no gas")
    )
    says = f"a poll of the precommit of {sector} answers PermFailed: no gas"
    assert (ordered.status, ordered.out) == (0, f"fault 1: {says}, until it is cleared\n")
    assert (await terminal.world.manager.poll_precommit(sector)).state is OnChain.PermFailed
    listed, (known,) = terminal.fault("list"), (await terminal.as_program("list", "--json")).json
    for part in (says, "until it is cleared", "1 times", str(sector)):
        assert part in listed.out
    assert (known["number"], known["state"], known["fault"]["desc"]) == (1, "active", "no gas")
    assert [use["method"] for use in known["uses"]] == ["Venus.PollPreCommitState"]
    cleared = await terminal.as_program("clear", "1")
    assert (cleared.status, cleared.out) == (0, "cleared: 1\n")
    assert (await terminal.world.manager.poll_precommit(sector)).state is not OnChain.PermFailed
    assert terminal.fault("clear", "--all").out == "cleared: none was active\n"


ADDED = (
    (("outcome", "proof", "NotFound"), "a poll of a proof answers NotFound: a fault that was ordered"),
    (
        ("answer", "snapup", "FilesMissed", "--sector", "s-t01000-7"),
        "a submission of the snapup of s-t01000-7 is answered FilesMissed: a fault that was ordered",
    ),
    (("lost", "SubmitProof", "--times", "2"), "Venus.SubmitProof is carried out, and its answer is lost, 2 times"),
    (("slow", "0.01", "--until-cleared"), "every method takes 0.01 s longer, until it is cleared"),
    (("slow", "2", "--method", "WaitSeed"), "Venus.WaitSeed takes 2 s longer"),
    (("down", "30"), "nobody is answered for 30 s"),
    (("reorg", "precommit"), "a precommit that landed is pending again"),
)


async def test_every_kind_can_be_ordered(terminal: Terminal) -> None:
    """Each says in words what it will do, and is in the book; ``clear --all`` clears them."""
    said = [terminal.fault("add", *args) for args, _ in ADDED]
    assert [ran.status for ran in said] == [0] * len(ADDED)
    assert sorted(ran.out.split(": ", 1)[1] for ran in said) == sorted(f"{words}\n" for _, words in ADDED)
    kinds = ["answer", "down", "lost", "outcome", "reorg", "slow", "slow"]
    assert sorted(one.fault.kind for one in terminal.book()) == kinds
    assert terminal.fault("clear", "--all").status == 0
    assert {one.state for one in terminal.book()} == {"cleared"}


WRONG = (
    (("add", "lost", "SubmitPrecommit"), 2, "did you mean SubmitPreCommit?"),
    (("add", "lost", "Nonsense"), 2, "there are AllocateSector, "),
    (("add", "outcome", "precommit", "Landed"), 2, "'Failed', 'PermFailed', 'ShouldAbort', 'NotFound'"),
    (("add", "outcome", "snapup", "Failed"), 2, "'precommit', 'proof'"),
    (("add", "answer", "proof", "Accepted"), 2, "'Rejected', 'MismatchedSubmission', 'FilesMissed'"),
    (("add", "reorg", "proof", "--sector", "five"), 2, "sector: 'five' names no sector: write it as s-t01000-5"),
    (("add", "down", "-5"), 2, "No such option"),
    (("add", "down", "0"), 2, "seconds: Input should be greater than 0"),
    (("add", "slow", "1", "--times", "0"), 2, "--times"),
    (("add", "burn"), 2, "No such command 'burn'"),
    (("clear",), 2, "name faults by the numbers"),
    (("clear", "99"), 1, "there is no fault 99; "),
)


async def test_what_cannot_be_ordered_says_what_can(terminal: Terminal) -> None:
    """Status 2 for wrong usage, 1 for a fault that is not there; nothing is ordered."""
    for args, status, why in WRONG:
        ran = terminal.fault(*args)
        assert (ran.status, ran.out) == (status, ""), args
        assert why in ran.err, (args, ran.err)
    assert terminal.book() == []


async def test_the_help_lists_all_faults(terminal: Terminal) -> None:
    """Each kind with what it does."""
    shown = terminal.fault("add", "--help")
    for kind in ("outcome", "answer", "lost", "slow", "down", "reorg"):
        assert f"\n  {kind} " in shown.out


async def test_a_manager_that_is_down_by_command(terminal: Terminal) -> None:
    """Another process's order holds for the manager that runs."""
    terminal.world.clock.now = 0
    assert terminal.fault("add", "down", "60").status == 0
    with pytest.raises(Outage):
        await terminal.world.allocated()
    assert terminal.fault("clear", "--all").out == "cleared: 1\n"
    await terminal.world.allocated()
