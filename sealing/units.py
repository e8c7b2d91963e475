"""Durations and sizes as people write them in configuration: humantime's ``1h 30m`` and ``8GiB``."""

from __future__ import annotations

import re
from datetime import timedelta
from fractions import Fraction

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND

_DURATION_UNITS: dict[tuple[str, ...], Fraction] = {
    ("ns", "nsec", "nanos"): Fraction(1, 1000),
    ("us", "µs", "usec", "micros"): Fraction(1),
    ("ms", "msec", "millis"): Fraction(1000),
    ("s", "sec", "secs", "second", "seconds"): Fraction(_SECOND),
    ("m", "min", "mins", "minute", "minutes"): Fraction(60 * _SECOND),
    ("h", "hr", "hrs", "hour", "hours"): Fraction(3600 * _SECOND),
    ("d", "day", "days"): Fraction(_DAY),
    ("w", "wk", "wks", "week", "weeks"): Fraction(7 * _DAY),
    ("M", "month", "months"): Fraction(3044, 100) * _DAY,
    ("y", "yr", "yrs", "year", "years"): Fraction(36525, 100) * _DAY,
}
"""Microseconds of each unit, with humantime's months of 30.44 and years of 365.25 days."""

_MICROSECONDS = {name: length for names, length in _DURATION_UNITS.items() for name in names}

_BYTES = {
    "": 1,
    "b": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgtp", start=1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgtp", start=1)},
}
"""Bytes of each unit, in lower case: kB is 1000 bytes, KiB 1024."""

STEP = 1024
"""A binary unit of size is so many of the one below."""

_PART = re.compile(r"\s*([0-9]{1,40})\s*([A-Za-zµ]+)\s*")
_SIZE = re.compile(r"([0-9]{1,40})(?:\.([0-9]{1,40}))?\s*([A-Za-z]*)")
"""Of a text without spaces around it: with them in the pattern, a long run of spaces takes hours to be refused."""
UNIT_SHOWN = 40
"""Characters of a unit that is none that are shown."""
SIZE_LIMIT = 1 << 63
"""Bytes below which every size is."""

DURATION_EXAMPLE = 'a duration in quotes, such as "30s", "5min" or "1h 30m"'
SIZE_EXAMPLE = 'a size in quotes, such as "8GiB" or "512MiB"'


def parse_duration(text: str) -> timedelta:
    """Return the duration that ``text`` says: whole numbers with units, added up; ``0`` needs no unit.

    What is finer than a microsecond is dropped. Raises ValueError that says what would be right.
    """
    if text.strip() == "0":
        return timedelta()
    total, at = Fraction(), 0
    while part := _PART.match(text, at):
        unit = _MICROSECONDS.get(part[2])
        if unit is None:
            raise ValueError(f"{part[2][:UNIT_SHOWN]!r} is no unit of time; write {DURATION_EXAMPLE}")
        total, at = total + int(part[1]) * unit, part.end()
    if at == 0 or at < len(text):
        raise ValueError(f"write {DURATION_EXAMPLE}")
    try:
        return timedelta(microseconds=int(total))
    except OverflowError:
        msg = "longer than can be counted; write a shorter duration"
        raise ValueError(msg) from None


def duration_text(duration: timedelta) -> str:
    """Return a duration as people write it in configuration, such as ``1h 30min``."""
    left, parts = duration // timedelta(microseconds=1), []
    for unit in ("d", "h", "min", "s", "ms", "us"):
        count, left = divmod(left, int(_MICROSECONDS[unit]))
        parts += [f"{count}{unit}"] if count else []
    return " ".join(parts) or "0s"


def parse_size(text: str) -> int:
    """Return the bytes that ``text`` says: a number with a unit (any case), or of bytes when it has none.

    Raises ValueError that says what would be right, also for a fraction of a byte.
    """
    parts = _SIZE.fullmatch(text.strip())
    if parts is None:
        raise ValueError(f"write {SIZE_EXAMPLE}")
    unit = _BYTES.get(parts[3].lower())
    if unit is None:
        raise ValueError(f"{parts[3][:UNIT_SHOWN]!r} is no unit of size; write {SIZE_EXAMPLE}")
    size = Fraction(f"{parts[1]}.{parts[2] or 0}") * unit
    if size.denominator != 1:
        msg = "is no whole number of bytes"
        raise ValueError(msg)
    if size >= SIZE_LIMIT:
        msg = "more bytes than can be counted; write a smaller size"
        raise ValueError(msg)
    return int(size)


def size_text(count: int) -> str:
    """Return bytes as people read them: of the largest unit that leaves at least 1, one digit after the point."""
    size, units = float(count), iter(("KiB", "MiB", "GiB", "TiB", "PiB"))
    shown = f"{count} B"
    while size >= STEP and (unit := next(units, None)):
        size /= STEP
        shown = f"{size:.1f} {unit}"
    return shown
