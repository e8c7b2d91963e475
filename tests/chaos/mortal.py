"""``sealflow`` with points at which it dies by -9, each with a name, and a clock that can be wrong. A program.

A point lies before and after whatever outlives the process: each change of the file system, each start of a program,
each call of the manager, each activity. It is named after the function of ours that comes to it. SEALFLOW_MORTAL
names a JSON file, ``{"die_at": POINT or null, "clock": SECONDS that it is ahead}``; the points that the process comes
to are written beside it, ``<name>.seen``, one a line.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import FrameType
from typing import Any

VARIABLE = "SEALFLOW_MORTAL"
OURS = ("sealing.", "activities.", "workers.")
LASTING = ("replace", "rename", "link", "symlink", "unlink", "rmdir", "mkdir", "fsync")
"""Functions of ``os`` whose effect outlives the process."""

Anything = Callable[..., Any]


class Points:
    """The points that were come to, and the one that is the last."""

    def __init__(self, file: Path) -> None:
        """Read what is ordered."""
        ordered = json.loads(file.read_text())
        self._last: str | None = ordered["die_at"]
        self._seen: set[str] = set()
        self._file = file.with_name(file.name + ".seen")

    def reach(self, point: str) -> None:
        """Come to a point."""
        if point not in self._seen:
            self._seen.add(point)
            with self._file.open("a") as seen:
                seen.write(f"{point}\n")
        if point == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

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
    """Put the points in, set the clock, and be sealflow."""
    file = Path(os.environ[VARIABLE])
    ahead, points = json.loads(file.read_text())["clock"], Points(file)
    right = time.time
    time.time = lambda: right() + ahead
    for name in LASTING:
        setattr(os, name, points.around(name, getattr(os, name)))
    subprocess.Popen._execute_child = points.around("start", subprocess.Popen._execute_child)  # type: ignore[attr-defined]

    from activities import step  # noqa: PLC0415 - as it says
    from sealing.manager.rpc import Rpc  # noqa: PLC0415
    from workers.cli import main as sealflow  # noqa: PLC0415

    inbound = step._StepInbound
    Rpc.call = points.around_call(lambda _, method, *__: method, Rpc.call)  # type: ignore[method-assign]
    inbound.execute_activity = points.around_call(lambda _, given: given.fn.__name__, inbound.execute_activity)  # type: ignore[method-assign]
    sealflow()


if __name__ == "__main__":
    main()
