"""Programs of ours that do stages."""

import sys
from pathlib import Path

SIMULATED: tuple[str, ...] = (sys.executable, "-B", "-I", "-S", str(Path(__file__).with_name("simulated.py")))
"""The simulated processor: for load tests and workflow tests only.

It writes no bytecode: on a full disk Python leaves a truncated file there, on which every later start fails.
"""
