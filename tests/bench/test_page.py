"""The page of figures: each bench has one place on it, and what fails leaves it as it was."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import bench.__main__ as program
from bench.page import PAGE, NoPlaceError, names, put

PLACE = "before\n<!-- figures of one -->\nold\n<!-- end of one -->\nafter\n"
MAKEFILE = Path(__file__).parents[2] / "Makefile"


def test_figures_come_into_their_place() -> None:
    """What is around them stays, and backslashes in what a bench prints mean nothing."""
    assert put(PLACE, "one", r"new \1" + "\n\n") == PLACE.replace("old", r"new \1")


@pytest.mark.parametrize("page", ["", PLACE + PLACE, PLACE.replace("end of one", "end of two")])
def test_a_page_without_the_place_is_refused(page: str) -> None:
    """Figures are never dropped silently, nor put twice."""
    with pytest.raises(NoPlaceError, match="figures of one"):
        put(page, "one", "new")


def test_every_bench_has_its_place() -> None:
    """Each has a make target of its own, and each place is of a program that there is."""
    targets = re.findall(r"^bench-([a-z]+):", MAKEFILE.read_text(), re.MULTILINE)
    there = [name for name in names(PAGE.read_text()) if name != program.MACHINE]
    assert sorted(there) == sorted(targets)
    assert all(importlib.util.find_spec(f"bench.{name}") for name in there)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a page with places for two benches and for the machine."""
    path = tmp_path / "page.md"
    path.write_text(PLACE + PLACE.replace("one", "two") + PLACE.replace("one", program.MACHINE))
    monkeypatch.setattr(program, "PAGE", path)
    monkeypatch.setattr(program, "described", lambda: "- a machine")
    return path


def test_one_that_fails_costs_no_other(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place stays as it was, the others are written, and the status tells."""

    def run(name: str) -> str:
        if name == "one":
            raise program.BenchError("no luck")
        return "2 a second\n"

    monkeypatch.setattr(program, "run", run)
    ran = CliRunner().invoke(program.main)
    assert ran.exit_code == 1
    assert "no luck" in ran.stderr
    assert "<!-- figures of one -->\nold\n" in page.read_text()
    assert "<!-- figures of two -->\n```text\n2 a second\n```\n" in page.read_text()
    assert "<!-- figures of machine -->\n- a machine\n" in page.read_text()


def test_one_that_is_not_there_is_refused(page: Path) -> None:
    """The error names those that are there, and nothing is measured."""
    ran = CliRunner().invoke(program.main, ["--only", "three"])
    assert ran.exit_code == 2
    assert "no place for three; it has one, two" in ran.stderr
    assert page.read_text().count("old") == 3


def test_a_bench_that_ends_badly_is_told_with_what_it_said() -> None:
    """A module that is not there stands for one."""
    with pytest.raises(program.BenchError, match=r"bench\.nothing ended with 1"):
        program.run("nothing")
