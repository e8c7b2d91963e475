"""The worker's configuration: damocles' worker's TOML, checked whole before anything starts.

fields.py   the kinds of values
model.py    the tables
places.py   checks of the folders that it names
reading.py  from a file to a Config, or to every problem at once
"""

from sealing.config.fields import SIMULATED, STAGES
from sealing.config.model import Attached, Config, Policy, Processor, Processors, Sealing, Temporal, Thread
from sealing.config.reading import ConfigError, Problem, load

__all__ = [
    "SIMULATED",
    "STAGES",
    "Attached",
    "Config",
    "ConfigError",
    "Policy",
    "Problem",
    "Processor",
    "Processors",
    "Sealing",
    "Temporal",
    "Thread",
    "load",
]
