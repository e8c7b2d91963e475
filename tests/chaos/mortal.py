"""``sealflow`` with points at which it dies by -9, each with a name. A program: the worker, or the embedded manager.

A point lies before and after whatever outlives the process: each change of the file system, each start of a program,
each call of the manager, each activity; in the manager each transaction of its database, so between what it has
written and its answer. It is named after the function of ours that comes to it. SEALFLOW_MORTAL names a JSON file,
``{"die_at": [POINT, …]}``, which may be replaced at any time; it dies at the first of them that it comes to. All points
that it comes to are written beside the file, ``<name>.seen``, one a line; the one that it dies at, ``<name>.died``.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import FrameType
from typing import Any

VARIABLE = "SEALFLOW_MORTAL"
SEEN, DIED = ".seen", ".died"
OURS = ("sealing.", "activities.", "workers.")
LASTING = ("replace", "rename", "link", "symlink", "unlink", "rmdir", "mkdir", "fsync")
"""Functions of ``os`` whose effect outlives the process."""
LOOK_AGAIN = 1.0
"""Seconds until a disk that was full or away is looked at again, in place of a minute: a blow lasts no longer."""

Anything = Callable[..., Any]


class Points:
    """The points that were come to, and those of which the first is the last."""

    def __init__(self, file: Path) -> None:
        """Take the file of what is ordered."""
        self._file = file
        self._written = 0
        self._last: frozenset[str] = frozenset()
        self._seen: set[str] = set()

    def reach(self, point: str) -> None:
        """Come to a point."""
        if point not in self._seen:
            self._seen.add(point)
            self._tell(SEEN, point)
        if point in self._ordered():
            self._tell(DIED, point)
            os.kill(os.getpid(), signal.SIGKILL)

    def _ordered(self) -> frozenset[str]:
        written = self._file.stat().st_mtime_ns
        if written != self._written:
            self._written, self._last = written, frozenset(json.loads(self._file.read_text())["die_at"])
        return self._last

    def _tell(self, ending: str, point: str) -> None:
        with self._file.with_name(self._file.name + ending).open("a") as told:
            told.write(f"{point}\n")

    def around(self, name: str, function: Anything) -> Anything:
        """Return a function with a point before and one after it, where something of ours calls it."""

        @functools.wraps(function)
        def reached(*args: Any, **kwargs: Any) -> Any:
            where = _whose(sys._getframe(1))
            if where is None:
                return function(*args, **kwargs)
            self.reach(f"{where}, before {name}")
            done = function(*args, **kwargs)
            self.reach(f"{where}, after {name}")
            return done

        return reached

    def around_call(
        self, named: Callable[..., str], function: Callable[..., Coroutine[Any, Any, Any]]
    ) -> Callable[..., Coroutine[Any, Any, Any]]:
        """Return the same of a coroutine function; ``named`` makes a name of its arguments."""

        @functools.wraps(function)
        async def reached(*args: Any, **kwargs: Any) -> Any:
            name = named(*args)
            self.reach(f"before {name}")
            done = await function(*args, **kwargs)
            self.reach(f"after {name}")
            return done

        return reached


def _whose(frame: FrameType | None) -> str | None:
    """Return the two innermost functions of ours that are at it."""
    names: list[str] = []
    while frame is not None and len(names) < 2:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(OURS):
            names.append(f"{module.rpartition('.')[2]}.{frame.f_code.co_name}")
        frame = frame.f_back
    return " < ".join(names) or None


def main() -> None:
    """Put the points in, and be sealflow."""
    points = Points(Path(os.environ[VARIABLE]))
    for name in LASTING:
        setattr(os, name, points.around(name, getattr(os, name)))
    subprocess.Popen._execute_child = points.around("start", subprocess.Popen._execute_child)  # type: ignore[attr-defined]
    if sys.argv[1] == "devnet":
        _into_manager(points)
    else:
        _into_worker(points)

    from workers.cli import main as sealflow  # noqa: PLC0415 - what it imports takes our functions of os

    sealflow()


def _into_worker(points: Points) -> None:
    from activities import step  # noqa: PLC0415 - as above
    from sealing.manager.rpc import Rpc  # noqa: PLC0415
    from sealing.stores import mounts, space  # noqa: PLC0415

    mounts.LOOK_AGAIN = space.LOOK_AGAIN = LOOK_AGAIN
    inbound = step._StepInbound
    Rpc.held = points.around_call(lambda _, method, *__: method, Rpc.held)  # type: ignore[method-assign]
    inbound.execute_activity = points.around_call(lambda _, given: given.fn.__name__, inbound.execute_activity)  # type: ignore[method-assign]


def _into_manager(points: Points) -> None:
    from sealing.devnet.database import Database  # noqa: PLC0415 - as above

    Database.run = points.around_call(lambda _, change: _name(change), Database.run)  # type: ignore[method-assign]


def _name(change: Anything) -> str:
    """Return the functions that a change of the database is written in."""
    return change.__qualname__.replace(".<locals>", "").replace(".<lambda>", "")


if __name__ == "__main__":
    main()
