"""Durations and sizes mean what humantime and the other worker take them to mean."""

import contextlib
import time
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing.units import duration_text, parse_duration, parse_size, size_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", timedelta(seconds=30)),
        ("1h 30m", timedelta(minutes=90)),
        ("1h30m", timedelta(minutes=90)),
        ("5min", timedelta(minutes=5)),
        ("100ms", timedelta(milliseconds=100)),
        (" 2 days ", timedelta(days=2)),
        ("1month", timedelta(days=30.44)),
        ("1M", timedelta(days=30.44)),
        ("1m", timedelta(minutes=1)),
        ("1y", timedelta(days=365.25)),
        ("1500ns", timedelta(microseconds=1)),
        ("0", timedelta()),
        ("0s", timedelta()),
    ],
)
def test_durations(text: str, expected: timedelta) -> None:
    """Units add up; m is minutes and M months."""
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", " ", "5", "s", "1.5h", "-1s", "1h and 2m", "1x", "30s;", "٣s"])
def test_what_is_no_duration(text: str) -> None:
    """Anything else is refused, with an example of what would be right."""
    with pytest.raises(ValueError, match="such as"):
        parse_duration(text)


def test_a_duration_beyond_counting() -> None:
    """A duration that no clock holds is refused, not overflowed."""
    with pytest.raises(ValueError, match="shorter"):
        parse_duration("99999999999999999999y")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8GiB", 8 << 30),
        ("512 MiB", 512 << 20),
        ("2kib", 2048),
        ("1.5GiB", 3 << 29),
        ("1kB", 1000),
        ("1MB", 10**6),
        ("77", 77),
        ("77B", 77),
        ("1TiB", 1 << 40),
        ("1PiB", 1 << 50),
    ],
)
def test_sizes(text: str, expected: int) -> None:
    """With an i a unit is a power of 1024, without one a power of 1000."""
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "GiB", "-1GiB", "8 Gi B", "8XiB", "0.3B", "1,5GiB", "٣GiB"])
def test_what_is_no_size(text: str) -> None:
    """Anything else is refused, a part of a byte too."""
    with pytest.raises(ValueError, match=r"such as|whole number"):
        parse_size(text)


@given(st.integers(0, 999), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_any_duration_written_out_is_read_back(days: int, hours: int, minutes: int, seconds: int, millis: int) -> None:
    """A sum of parts is their sum, with and without spaces."""
    expected = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, milliseconds=millis)
    parts = [f"{days}d", f"{hours}h", f"{minutes}m", f"{seconds}s", f"{millis}ms"]
    assert parse_duration(" ".join(parts)) == parse_duration("".join(parts)) == expected


@given(st.timedeltas(min_value=timedelta()))
def test_any_duration_is_written_as_it_is_read(duration: timedelta) -> None:
    """What is shown can be written into a file."""
    assert parse_duration(duration_text(duration)) == duration
    assert duration_text(timedelta(hours=25, seconds=90)) == "1d 1h 1min 30s"


@given(st.integers(0, 1 << 20), st.sampled_from(["KiB", "MiB", "GiB", "TiB"]))
def test_any_whole_size_is_read_back(number: int, unit: str) -> None:
    """A number of units is that many bytes."""
    power = ["KiB", "MiB", "GiB", "TiB"].index(unit) + 1
    assert parse_size(f"{number}{unit}") == number * 1024**power


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes the readers fail otherwise than by ValueError."""
    for parse in (parse_duration, parse_size):
        with contextlib.suppress(ValueError):
            parse(text)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (32 << 30, "32.0 GiB"),
        (5 << 60, "5120.0 PiB"),
    ],
)
def test_sizes_for_people(count: int, text: str) -> None:
    """The largest unit that leaves at least 1, one digit after the point."""
    assert size_text(count) == text


@pytest.mark.parametrize("text", ["9" * 41, f"1{' ' * 60_000}!", f"{' ' * 60_000}x", f"0.{'1' * 41}KiB"])
def test_long_texts_are_refused_at_once(text: str) -> None:
    """Neither a run of spaces nor of digits takes longer to be refused than to be read."""
    began = time.thread_time()
    for parse in (parse_size, parse_duration):
        with pytest.raises(ValueError, match="such as"):
            parse(text)
    assert time.thread_time() - began < 0.5


def test_more_bytes_than_there_are() -> None:
    """A size of 2^63 bytes is refused, so that all that is reckoned with it fits where it is kept."""
    assert parse_size(str(2**63 - 1)) == 2**63 - 1
    with pytest.raises(ValueError, match="a smaller size"):
        parse_size(str(2**63))
