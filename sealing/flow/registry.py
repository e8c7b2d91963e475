"""Every flow that a task may run on, by name and version.

A changed table gets a new version, and the old one stays here for as long as a task may run on it.
"""

from sealing.flow.sealer import SEALER
from sealing.flow.snapup import SNAPUP, SNAPUP_1
from sealing.flow.table import Flow

LATEST: dict[str, Flow] = {flow.name: flow for flow in (SEALER, SNAPUP)}

FLOWS: dict[tuple[str, int], Flow] = {(flow.name, flow.version): flow for flow in (*LATEST.values(), SNAPUP_1)}


def flow_of(name: str, version: int) -> Flow:
    """Return a flow. Raises LookupError for one that only a newer build has: a task on it waits for that."""
    try:
        return FLOWS[name, version]
    except KeyError:
        msg = f"this worker has no version {version} of the flow {name}: it waits for a worker of a newer build"
        raise LookupError(msg) from None
