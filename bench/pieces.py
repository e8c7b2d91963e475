"""How long it takes to add an 8 MiB piece, fetched and checked, beside the crate's stage alone: 1.2 times at most.

Run by ``make bench-pieces``. The piece comes from a local folder, and from a piece store that is a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.spread import spread
from sealing.cache import find_processor, proof_environment
from sealing.processors.processor import Processor
from sealing.processors.tasks import AddPieces, SourcePiece, unpadded
from sealing.proofs import seal_proof
from sealing.stores import durable
from tests.pieces.adding import Machine
from tests.pieces.store import deal_of

PROOF_TYPE = 6
SIZE = 8 << 20
ROUNDS = 15
LIMIT = 1.2
ALONE, LOCAL = "the crate alone", "from a local folder"


def crate_alone(folder: Path, program: Processor, data: Path) -> None:
    """Run the stage as anybody would, without a worker."""
    piece = SourcePiece(piece_file={"local": str(data)}, payload_size=unpadded(SIZE), piece_size=unpadded(SIZE))
    task = AddPieces(
        seal_proof_type=seal_proof(PROOF_TYPE).name, pieces=(piece,), staged_filepath=str(folder / "staged")
    )
    (folder / "task.json").write_text(json.dumps(task.wire()))
    command = [*program.argv, task.stage, "--task", str(folder / "task.json"), "--output", str(folder / "output.json")]
    subprocess.run(command, check=True, env=program.environment(), stderr=subprocess.DEVNULL)  # noqa: S603 - our own


@contextlib.contextmanager
def piece_store(folder: Path) -> Iterator[str]:
    """Serve ``folder``, which has a folder ``piecestore``."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # noqa: S603 - Python
    with child:
        first = child.stdout.readline() if child.stdout else ""
        yield f"http://127.0.0.1:{first.partition(' port ')[2].split()[0]}"
        child.kill()


async def measure(folder: Path, rounds: dict[str, Callable[[], Awaitable[object]]]) -> dict[str, list[float]]:
    """Return the seconds of each, by round; they take turns, so that what else the machine does meets all alike.

    Each begins with none of the files of the one before in ``folder``.
    """
    seconds: dict[str, list[float]] = {name: [] for name in rounds}
    for _ in range(ROUNDS):
        for name, run in rounds.items():
            durable.remove(folder / "thread")
            (folder / "thread").mkdir()
            began = time.perf_counter()
            await run()
            seconds[name].append(time.perf_counter() - began)
    return seconds


async def main() -> None:
    """Measure, and tell whether the limit is kept."""
    program = Processor("add_pieces", (str(find_processor()),), proof_environment())
    with tempfile.TemporaryDirectory(prefix="sealflow-bench-") as name:
        folder = Path(name)
        (folder / "piecestore").mkdir()
        deal = deal_of(data := os.urandom(unpadded(SIZE)), SIZE)
        source = folder / "piecestore" / deal.piece_cid
        source.write_bytes(data)
        with piece_store(folder) as manager:
            far = Machine(folder, program, manager, PROOF_TYPE)
            near = replace(far, local=source.parent)
            found = await measure(
                folder,
                {
                    ALONE: partial(asyncio.to_thread, crate_alone, folder / "thread", program, source),
                    LOCAL: partial(near.add, deal),
                    "from a piece store": partial(far.add, deal),
                },
            )
    _tell(found)


def _tell(found: dict[str, list[float]]) -> None:
    ratios = {}
    for what, seconds in found.items():
        ratios[what] = [one / base for one, base in zip(seconds, found[ALONE], strict=True)]
        sys.stdout.write(f"{what:20} {spread([1000 * each for each in seconds], 1)} ms  {spread(ratios[what])} x\n")
    kept = statistics.median(ratios[LOCAL]) <= LIMIT
    sys.stdout.write(
        f"adding an 8 MiB piece, {ROUNDS} rounds, limit {LIMIT} x the crate alone: {'kept' if kept else 'MISSED'}\n"
    )


if __name__ == "__main__":
    asyncio.run(main())
