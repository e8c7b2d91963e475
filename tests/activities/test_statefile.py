"""What a step's attempt does with the state file: it is kept up to date, and a step that is behind it does not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.statefile import STEPS, Attempt, Keeper
from sealing.failures import Permanent
from sealing.flow.events import PC1, PC2, TicketExpired
from sealing.flow.sealer import SEALER
from sealing.flow.state import State
from sealing.sector import Home, Sector, SectorInput, Settings, Task
from sealing.stores.claim import Claim, claim_path, read_claim, write_claim
from sealing.stores.statefile import StateFile, read_state
from sealing.values import Ticket
from tests.world.stage import come_to, made

RUN = "run-1"


class Place:
    """A location that a sector has claimed."""

    def __init__(self, folder: Path) -> None:
        """Claim it, as the thread does."""
        self.location = str(folder)
        self.claim = self.input(State.Allocated)
        write_claim(self.location, Claim(task=self.claim))

    def sector(self, state: State, round_: int = 0) -> Sector:
        """Return the sector as it is in a state."""
        return come_to(SEALER, state).model_copy(
            update={"home": Home(worker="w", location=self.location), "round": round_}
        )

    def input(self, state: State) -> SectorInput:
        """Return its task."""
        return SectorInput(flow="sealer", flow_version=1, state=state, sector=self.sector(state), settings=Settings())

    def attempt(
        self, state: State, round_: int = 0, *, run: str = RUN, reset: bool = False, ticket: Ticket | None = None
    ) -> Keeper:
        """Return the keeper of an attempt."""
        sector = self.sector(state, round_)
        if ticket:
            sector = sector.model_copy(update={"ticket": ticket})
        task = Task(sector=sector, settings=Settings(), state=state, reset=reset)
        return Keeper.of(task, Attempt(self.claim.workflow_id, "Sealer", run))

    @property
    def kept(self) -> StateFile:
        """What is in the file."""
        kept = read_state(self.claim.sector.files)
        assert kept is not None
        return kept

    @property
    def says(self) -> tuple[State, int, str]:
        """The state, the round and the run in the file."""
        return self.kept.task.state, self.kept.task.sector.round, self.kept.run


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Give a claimed location."""
    return Place(tmp_path)


def test_every_step_that_computes_is_kept() -> None:
    """What runs on the machine, what is packed there, and nothing else."""
    names = {name for name in STEPS if name}
    assert {"add_piece", "pc1", "persist", "c2", "pack_c1", "snap_prove", "pack_vanilla"} <= names
    assert not names & {"clean_up", "stop_jobs", "submit_proof", "check_precommit", "allocate"}


def test_begin_and_end_are_written(place: Place) -> None:
    """First what the step starts from, then where its event leads, with all that is needed to start the task there."""
    attempt = place.attempt(State.TicketAssigned)
    attempt.begun()
    assert place.says == (State.TicketAssigned, 0, RUN)
    attempt.ended(made(PC1))
    assert place.says == (State.PC1Done, 0, RUN)
    after = place.sector(State.TicketAssigned).after(SEALER, State.TicketAssigned, made(PC1))
    assert place.kept.task == place.claim.model_copy(update={"state": State.PC1Done, "sector": after})


def test_an_expired_ticket_is_a_way_back_with_a_later_round(place: Place) -> None:
    """The file goes back with the sector."""
    attempt = place.attempt(State.PC1Done)
    attempt.begun()
    attempt.ended(made(TicketExpired))
    assert place.says == (State.TreeDBuilt, 1, RUN)
    assert place.kept.task.sector.ticket is None
    place.attempt(State.TicketAssigned, 1).begun()
    assert place.says == (State.TicketAssigned, 1, RUN)


def test_what_has_not_changed_is_not_written(place: Place) -> None:
    """The next attempt of the same step leaves the file alone."""
    for _ in range(2):
        place.attempt(State.PC1Done).begun()
        written = (place.kept.written, place.claim.sector.files.state.stat().st_ino)
    place.attempt(State.PC1Done).begun()
    assert (place.kept.written, place.claim.sector.files.state.stat().st_ino) == written


def test_a_step_that_is_behind_does_not_run(place: Place) -> None:
    """As after an old backup: the file stays as it is, and the failure says what to type."""
    place.attempt(State.PC1Done).ended(made(PC2))
    place.attempt(State.PC2Done).begun()
    before = place.kept
    for state in (State.TicketAssigned, State.PC1Done):
        with pytest.raises(Permanent, match="restored from an old backup") as refused:
            place.attempt(state).begun()
        assert f"sealflow sector -c FILE adopt {place.location} --replace" in str(refused.value)
    with pytest.raises(Permanent):
        place.attempt(State.PC1Done, reset=True).begun()
    assert place.kept == before


def test_an_end_from_other_inputs_is_not_the_steps_own(place: Place) -> None:
    """As after an old backup that has drawn another ticket: labels of one must not meet those of the other."""
    place.attempt(State.TicketAssigned).ended(made(PC1))
    before = place.kept
    ticket = Ticket(ticket="ab" * 32, epoch=7)
    with pytest.raises(Permanent, match="restored from an old backup"):
        place.attempt(State.TicketAssigned, ticket=ticket).begun()
    with pytest.raises(Permanent, match="restored from an old backup"):
        place.attempt(State.TicketAssigned, run="run-2").begun()
    assert place.kept == before


def test_a_step_whose_end_nobody_has_heard_of_runs_again(place: Place) -> None:
    """Its worker died between the file and the answer, or a pause let go of it: the end stays in the file."""
    place.attempt(State.PC1Done).begun()
    place.attempt(State.PC1Done).ended(made(PC2))
    before = place.kept
    again = place.attempt(State.PC1Done)
    again.begun()
    assert place.kept == before
    again.ended(made(PC2))
    assert place.kept == before
    place.attempt(State.PC2Done).begun()
    with pytest.raises(Permanent):
        again.begun()


def test_a_reset_goes_back(place: Place) -> None:
    """Another run than the one that wrote the file, which says that it is a reset: that is no old backup."""
    place.attempt(State.PC1Done).ended(made(PC2))
    place.attempt(State.TicketAssigned, run="run-2", reset=True).begun()
    assert place.says == (State.TicketAssigned, 0, "run-2")


def test_a_late_end_does_not_take_the_file_back(place: Place) -> None:
    """An attempt that was given up comes to its end when the sector is further on."""
    late = place.attempt(State.TicketAssigned)
    late.begun()
    place.attempt(State.PC1Done).ended(made(PC2))
    late.ended(made(PC1))
    assert place.says == (State.PC2Done, 0, RUN)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 9}'], ids=str)
def test_a_broken_file_is_written_anew(place: Place, content: bytes) -> None:
    """While Temporal knows the task its word counts."""
    place.attempt(State.PC1Done).begun()
    place.claim.sector.files.state.write_bytes(content)
    place.attempt(State.PC1Done).begun()
    assert place.says == (State.PC1Done, 0, RUN)


def test_in_another_tasks_location_nothing_runs(place: Place) -> None:
    """A workflow out of an old backup finds that its location has another sector, or a claim that nobody can read."""
    task = Task(sector=place.sector(State.PC1Done), settings=Settings(), state=State.PC1Done)
    with pytest.raises(Permanent, match=r"is claimed by sealer-.*nothing was touched"):
        Keeper.of(task, Attempt("sealer-t01-99", "Sealer", RUN))
    claim_path(place.location).write_text("{")
    with pytest.raises(Permanent, match="cannot be read"):
        place.attempt(State.PC1Done)
    assert not place.claim.sector.files.jobs.exists()


def test_a_claim_that_is_gone_is_written_anew(place: Place) -> None:
    """As on a new disk, on which a sector was taken back to its beginning: nobody else may come to the location."""
    claim_path(place.location).unlink()
    place.attempt(State.DealsAcquired).begun()
    claim = read_claim(place.location)
    assert claim is not None
    assert claim.task == place.input(State.DealsAcquired)
    assert place.says == (State.DealsAcquired, 0, RUN)


@pytest.mark.parametrize("state", [State.PieceAdded, State.PC1Done, State.SeedAssigned, State.C1Done])
def test_a_step_of_which_nothing_is_left_here_does_not_run(place: Place, state: State) -> None:
    """Out of an old backup, after the sector's end, or after its disk was lost: the location is not claimed for it."""
    claim_path(place.location).unlink()
    with pytest.raises(Permanent, match="has neither a claim nor files of") as refused:
        place.attempt(state)
    assert f"sealflow sector resume {place.claim.workflow_id} --state DealsAcquired" in str(refused.value)
    assert list(Path(place.location, "data").iterdir()) == []
    place.claim.sector.files.cache.mkdir(parents=True)
    place.attempt(state).begun()
    assert place.says == (state, 0, RUN)
