"""A location's claim: what a worker leaves that is killed while it writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sealing.stores.claim import claim_path, probe_claim

DIES = """\
import os, signal, sys
from sealing.stores import claim, durable
durable.sync = lambda path: os.kill(os.getpid(), signal.SIGKILL)
claim.probe_claim(sys.argv[1])
"""
"""A worker that is killed before what it has written takes its place."""


def test_what_a_killed_writer_leaves_goes_with_the_next_look(tmp_path: Path) -> None:
    """A look whether a claim can be written removes it, and not the claim."""
    claim = claim_path(tmp_path)
    claim.parent.mkdir()
    claim.write_text("{}")
    for _ in range(2):
        subprocess.run([sys.executable, "-c", DIES, tmp_path], check=False)
        assert len(list(claim.parent.iterdir())) == 2
    probe_claim(str(tmp_path))
    assert list(claim.parent.iterdir()) == [claim]
