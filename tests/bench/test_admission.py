"""The measurement of a shared GPU runs in both orders, and sees the GPU held."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import Client

import bench.admission
from bench.admission import ORDERS, seal_all

QUICK = {"pc1": 0.2, "pc2": 0.1, "c2": 0.1}


@pytest.mark.server
@pytest.mark.parametrize("order", ORDERS)
async def test_all_are_sealed_in_either_order(
    temporal: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """Two sectors are sealed; the GPU is seen held for as long as they compute on it at least."""
    monkeypatch.setattr(bench.admission, "TIMES", QUICK)
    monkeypatch.setattr(bench.admission, "EPOCH", 0.001)
    with ORDERS[order]():
        seconds, gpu = await seal_all(temporal, tmp_path / "plant", 2)
    assert 2 * (QUICK["pc2"] + QUICK["c2"]) <= gpu.held <= seconds
    assert gpu.kept_waiting < seconds
