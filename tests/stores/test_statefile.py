"""The state file: what is written is read, whatever a sector is; what is not whole, or of others, is told so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing.flow.registry import FLOWS, LATEST
from sealing.flow.state import State
from sealing.manager.client import MOST_PIECES
from sealing.sector import Home, SectorInput, Settings
from sealing.stores import durable, local
from sealing.stores.layout import SectorFiles
from sealing.stores.statefile import (
    LIMIT,
    StateFile,
    StateFileError,
    adopt_command,
    parsed,
    read_state,
    write_state,
)
from sealing.values import Deal, Piece, SectorId
from tests.world.stage import STEPS, come_to

NUMBERS = st.integers(min_value=0, max_value=2**64 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@st.composite
def state_files(draw: st.DrawFn) -> StateFile:
    """Any task that has come to any state of any flow."""
    flow, state = draw(st.sampled_from(STEPS))
    named = {
        "home": Home(worker=draw(TEXTS), location=draw(TEXTS)),
        "id": SectorId(miner=draw(NUMBERS), number=draw(NUMBERS)),
        "round": draw(st.integers(min_value=0, max_value=2**31)),
    }
    task = SectorInput(
        flow=flow.name,
        flow_version=flow.version,
        state=state,
        sector=come_to(flow, state).model_copy(update=named),
        settings=Settings(
            recover_interval=draw(st.timedeltas()), pools=draw(st.dictionaries(TEXTS, TEXTS, max_size=2))
        ),
    )
    return StateFile(run=draw(TEXTS), written=draw(st.floats(allow_nan=False, allow_infinity=False)), task=task)


def at(folder: Path, state: State = State.PC2Done) -> StateFile:
    """Return the state file of a sector in a location."""
    flow = LATEST["sealer"]
    sector = come_to(flow, state).model_copy(update={"home": Home(worker="w", location=str(folder))})
    task = SectorInput(flow=flow.name, flow_version=flow.version, state=state, sector=sector, settings=Settings())
    return StateFile(run="a run", written=1.5, task=task)


@given(state_files())
def test_what_is_written_is_read(kept: StateFile) -> None:
    """To the last field, so that a step that finds the file as it would write it writes nothing."""
    assert parsed(kept.model_dump_json(indent=1).encode()) == kept


@given(state_files(), st.data())
def test_a_file_that_was_cut_short_is_no_state(kept: StateFile, data: st.DataObject) -> None:
    """Wherever it was cut, to nothing too: it is said to be not whole, and is never taken for an earlier state."""
    content = kept.model_dump_json(indent=1).encode()
    with pytest.raises(ValueError, match="is not whole"):
        parsed(content[: data.draw(st.integers(min_value=0, max_value=len(content) - 1))])


@given(st.binary(max_size=300))
def test_any_other_content_is_refused_in_words(content: bytes) -> None:
    """Whatever bytes are there: one kind of error, with a short text."""
    with pytest.raises(ValueError, match=r"is not whole|is no state file|has version|is not right") as refused:
        parsed(content)
    assert len(str(refused.value)) < 500


@given(state_files(), st.dictionaries(TEXTS.filter(lambda key: key not in StateFile.model_fields), TEXTS))
def test_keys_that_nobody_knows_are_no_obstacle(kept: StateFile, more: dict[str, str]) -> None:
    """A newer worker of the same version may write more."""
    assert parsed(json.dumps({**json.loads(kept.model_dump_json()), **more}).encode()) == kept


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": 2}, "has version 2, this sealflow knows version 1"),
        ({"version": "1"}, "it has no version"),
        ({"version": True}, "it has no version"),
        ({"task": None}, "is not right at task"),
        ({"run": 5}, "is not right at run"),
    ],
    ids=str,
)
def test_another_version_or_shape_is_named(tmp_path: Path, change: dict[str, object], why: str) -> None:
    """The text has the file's name, and what is the matter with it."""
    kept = at(tmp_path)
    files = kept.task.sector.files
    durable.write(files.state, json.dumps({**json.loads(kept.model_dump_json()), **change}).encode())
    with pytest.raises(StateFileError) as refused:
        read_state(files)
    assert str(refused.value).startswith(f"{files.state} ")
    assert why in str(refused.value)


def test_a_state_that_no_flow_has_is_named(tmp_path: Path) -> None:
    """As a later sealflow may have one."""
    text = at(tmp_path).model_dump_json().replace('"PC2Done"', '"PC3Done"')
    with pytest.raises(ValueError, match=r"is not right at task\.state"):
        parsed(text.encode())


def test_a_copied_file_is_not_taken_for_another_sectors(tmp_path: Path) -> None:
    """What stands in it must be the sector in whose folder it is."""
    kept = at(tmp_path)
    files = SectorFiles.local(tmp_path, SectorId(miner=1, number=99))
    write_state(files, kept)
    with pytest.raises(StateFileError, match="is of another sector"):
        read_state(files)


def test_it_is_there_or_not(tmp_path: Path) -> None:
    """None before it is written; written again it is replaced, and nothing else is left in the folder."""
    kept = at(tmp_path)
    files = kept.task.sector.files
    assert (read_state(files), local.sectors(tmp_path)) == (None, [])
    write_state(files, at(tmp_path, State.PC1Done))
    write_state(files, kept)
    assert read_state(files) == kept
    assert local.sectors(tmp_path) == [files]
    assert list(files.jobs.iterdir()) == [files.state]


def test_the_largest_task_is_read_back(tmp_path: Path) -> None:
    """One with as many pieces as a manager may give, with the longest numbers, in a file that is far from the limit."""
    deal = Deal(piece_cid="b" * 64, size=2**63, payload_size=2**63, deal_id=2**63, allocation_id=2**63)
    kept = at(tmp_path)
    pieces = {"deals": (deal,) * MOST_PIECES, "pieces": (Piece(commitment="a" * 64, size=2**63),) * MOST_PIECES}
    kept = kept.model_copy(
        update={"task": kept.task.model_copy(update={"sector": kept.task.sector.model_copy(update=pieces)})}
    )
    files = kept.task.sector.files
    write_state(files, kept)
    assert read_state(files) == kept
    assert files.state.stat().st_size < LIMIT / 2


def test_the_command_is_one_for_a_shell() -> None:
    """A location with a space in its path is quoted."""
    assert adopt_command("/mnt/a b", replace=True) == "sealflow sector -c FILE adopt '/mnt/a b' --replace"


def test_every_way_back_counts_as_progress() -> None:
    """Of two moments of one task the later has come further, by each edge of each flow: what guards the file."""
    for flow in FLOWS.values():
        for state, event, to in flow.edges():
            if state is flow.start:
                continue
            sector = come_to(flow, state)
            happened = event.model_construct(**dict.fromkeys(event.model_fields))
            later = sector.after(flow, state, happened)
            assert later.reached(flow, to) > sector.reached(flow, state), (flow.name, state, event)
