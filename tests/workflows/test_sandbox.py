"""What the workflow sandbox takes from outside is what was meant, and workflows import nothing heavy."""

from __future__ import annotations

import subprocess
import sys

from workers.sandbox import PASSED_THROUGH, sandbox

LIGHT = {"flow", "sector", "failures", "values", "stores", "metrics"}
"""What workflows may import of the domain; of the stores the layout alone, which the sector's paths come from, of the
metrics what they are."""


def test_only_our_own_modules_are_passed_through_beside_the_sdks_defaults() -> None:
    """Another one would let state and clocks into workflows: each needs its reason beside it."""
    extra = sandbox().restrictions.passthrough_modules - type(sandbox().restrictions).passthrough_modules_default
    assert extra == set(PASSED_THROUGH) == {"sealing", "workflows"}


def test_workflows_import_the_light_part_of_the_domain_only() -> None:
    """No client, no processes, no stores: what a workflow imports it could call."""
    script = "import sys, workflows.sealer, workflows.thread; print(*sorted(m for m in sys.modules if 'sealing.' in m))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    imported = done.stdout.split()
    assert {name.split(".")[1] for name in imported} <= LIGHT
    assert {name for name in imported if name.startswith("sealing.stores.")} == {
        "sealing.stores.layout",
        "sealing.stores.names",
    }
    assert {name for name in imported if name.startswith("sealing.metrics.")} == {"sealing.metrics.definitions"}
