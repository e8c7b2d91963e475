"""The short form of fuzzing: the whole corpus, and inputs made of it, the same in every run."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest

from tests.fuzz.engine import MEMORY, SECONDS, memory_limit
from tests.fuzz.mutate import mutated
from tests.fuzz.target import CORPUS, LIMIT, Target
from tests.fuzz.targets import TARGETS

INPUTS = 2000
"""Inputs of each target that are made."""
LEAST = 100
"""Inputs that each target is given, however slow it is."""
PATIENCE = 0.75
"""Seconds of computing for a target, whose inputs may be fewer than INPUTS then."""


class Hang(BaseException):
    """An input computes for too long. No Exception, which a parser might take for one of its own."""


@contextmanager
def limited(target: Target, seconds: float) -> Iterator[None]:
    """Raise Hang where the block computes for longer: not the clock's seconds, which others of the machine use up.

    Where it takes more memory than the long form allows, it gets a MemoryError.
    """

    def stop(*_: object) -> None:
        raise Hang(f"{target.name} computes for more than {seconds:g} s")

    before, (soft, hard) = signal.signal(signal.SIGPROF, stop), resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (memory_limit(), hard))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGPROF, before)


def take(target: Target, data: bytes) -> None:
    """Run a target on an input, which stands in what is raised."""
    try:
        with limited(target, SECONDS):
            target.take(data)
    except (Exception, Hang) as error:
        error.add_note(f"the input of {len(data)} bytes begins with {data[:300]!r}")
        raise


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_the_corpus_does_no_harm(target: Target) -> None:
    """Every seed and every regression is read, or refused by an error that is documented, within a second."""
    for path in target.seeds:
        take(target, path.read_bytes())


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_what_is_made_of_the_corpus_does_no_harm(target: Target) -> None:
    """The same holds for inputs that are made of it, from a fixed seed."""
    random, until = Random(target.name), time.thread_time() + PATIENCE  # noqa: S311 - the same in every run
    seeds = [path.read_bytes() for path in target.seeds]
    for made in range(1, INPUTS + 1):
        take(target, mutated(random.choice(seeds), seeds, target.words, random))
        if made >= LEAST and time.thread_time() > until:
            break


def test_every_corpus_has_its_target() -> None:
    """No seeds lie about that nobody reads, and none is larger than what is made of it."""
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    assert all(path.stat().st_size <= LIMIT for target in TARGETS.values() for path in target.seeds)


def test_what_is_not_documented_is_a_finding() -> None:
    """An error that a parser does not name, a hang, too much memory, and a text that cannot be sent each fail it."""

    def crash(data: bytes) -> None:
        raise KeyError(data)

    def spin(_: bytes) -> None:
        while True:
            pass

    def hoard(_: bytes) -> None:
        bytearray(2 * MEMORY)

    def half(_: bytes) -> None:
        raise ValueError("\ud800")

    with pytest.raises(KeyError):
        take(Target("crash", crash, (ValueError,)), b"x")
    with pytest.raises(Hang):
        take(Target("spin", spin), b"x")
    with pytest.raises(MemoryError):
        take(Target("hoard", hoard), b"x")
    with pytest.raises(UnicodeEncodeError):
        take(Target("half", half, (ValueError,)), b"x")
