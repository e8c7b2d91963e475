"""A processor that runs another and writes down what it began and completed. A program, not a module of ours.

Run as ``python -B -I -S journaled.py JOURNAL PROGRAM... -- STAGE --task FILE --output FILE``. A line of the journal is
written at once or not at all: ``{"what": "begun" | "completed", "job": FOLDER, "mark": FINGERPRINT, "at": SECONDS}``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def note(journal: str, what: str, job: Path) -> None:
    """Write a line, which outlives whatever kills this process next."""
    mark = json.loads((job / "job.json").read_bytes())["fingerprint"]
    line = json.dumps({"what": what, "job": str(job), "mark": mark, "at": time.time()})
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode() + b"\n")
    os.close(descriptor)


def main() -> int:
    """Run the other program and return its exit status."""
    journal, *program = sys.argv[1 : sys.argv.index("--")]
    arguments = sys.argv[sys.argv.index("--") + 1 :]
    job = Path(arguments[arguments.index("--task") + 1]).parent
    note(journal, "begun", job)
    status = subprocess.run([*program, *arguments], check=False).returncode
    if status == 0:
        note(journal, "completed", job)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
