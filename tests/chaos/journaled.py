"""A processor that runs another and writes down what it began and completed. A program, not a module of ours.

Run as ``python -B -I -S journaled.py JOURNAL PROGRAM... -- STAGE --task FILE --output FILE``. A line of the journal is
written at once or not at all: ``{"what": "begun" | "made" | "completed", "job": FOLDER, "inputs": DIGEST, "boot": ID,
"at": SECONDS}``. The digest is of the task and of the files that it names, taken here and not the product's. The output
is seen between ``made`` and ``completed``: killed between these two, the stage may be completed, or not.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

BOOT_ID = "/proc/sys/kernel/random/boot_id"


def digest(task: Path) -> str:
    """Return the SHA-256 of a task and of what the outputs of earlier stages hold that it names."""
    text = task.read_bytes()
    found = hashlib.sha256(text)
    for value in json.loads(text).values():
        if isinstance(value, dict) and "$file" in value:
            found.update(hashlib.sha256(Path(value["$file"]).read_bytes()).digest())
    return found.hexdigest()


def note(journal: str, entry: dict[str, object]) -> None:
    """Write a line, which outlives whatever kills this process next."""
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, json.dumps({**entry, "at": time.time()}).encode() + b"\n")
    os.close(descriptor)


def main() -> int:
    """Run the other program and return its exit status."""
    journal, *program = sys.argv[1 : sys.argv.index("--")]
    arguments = sys.argv[sys.argv.index("--") + 1 :]
    task, output = [Path(arguments[arguments.index(name) + 1]) for name in ("--task", "--output")]
    made = output.with_name("made.json")
    boot = Path(os.environ.get("SEALFLOW_BOOT_ID", BOOT_ID)).read_text().strip()
    entry: dict[str, object] = {"job": str(task.parent), "inputs": digest(task), "boot": boot}
    note(journal, {"what": "begun", **entry})
    made.unlink(missing_ok=True)
    arguments[arguments.index("--output") + 1] = str(made)
    status = subprocess.run([*program, *arguments], check=False).returncode
    is_whole = status == 0 and json.loads(made.read_bytes())["err_msg"] is None
    if is_whole:
        note(journal, {"what": "made", **entry})
    if made.exists():
        made.replace(output)
    if is_whole:
        note(journal, {"what": "completed", **entry})
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
