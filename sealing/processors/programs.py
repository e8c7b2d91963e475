"""Programs of ours that do stages."""

import sys
from pathlib import Path

SIMULATED: tuple[str, ...] = (sys.executable, "-I", "-S", str(Path(__file__).with_name("simulated.py")))
"""The simulated processor: for load tests and workflow tests only."""
