"""The worker's configuration: damocles' worker's TOML, checked whole before anything starts.

fields.py      the kinds of values
tables.py, machine.py, threads.py, stores.py, processors.py, ours.py
               the tables, with what docs/config.md says of each key
model.py       the whole file
older.py       older names of keys
keys.py        which keys a table knows, and which have no effect
lines.py       on which line each key stands
parsing.py     from a file to its values
validating.py  from values to a model, or to what is wrong with them
places.py      checks of the folders that a file names
trust.py       checks of who may call, and of how secrets travel
scanned.py     stores that are found by patterns
hot.py         a thread's hot configuration
reading.py     from a file to a Config, or to every problem at once
shown.py       what was understood, for people and programs
page.py        docs/config.md
"""

from sealing.config.fields import OUR_PROGRAM, SIMULATED, STAGES
from sealing.config.hot import HotFiles, as_it_is
from sealing.config.model import Config
from sealing.config.ours import Policy, Temporal
from sealing.config.problems import ConfigError, Note, Problem
from sealing.config.processors import Cgroup, Processor, Processors
from sealing.config.reading import Reading, load, read
from sealing.config.stores import Attached
from sealing.config.threads import HotThread, Sealing, Thread

__all__ = [
    "OUR_PROGRAM",
    "SIMULATED",
    "STAGES",
    "Attached",
    "Cgroup",
    "Config",
    "ConfigError",
    "HotFiles",
    "HotThread",
    "Note",
    "Policy",
    "Problem",
    "Processor",
    "Processors",
    "Reading",
    "Sealing",
    "Temporal",
    "Thread",
    "as_it_is",
    "load",
    "read",
]
