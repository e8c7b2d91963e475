"""Where the configured processors are to run, and which of it this machine lets one do."""

from __future__ import annotations

from functools import partial

from sealing.config import STAGES, Processors
from sealing.processors.placement import cpus_text, group_problem, machine_cpus, numactl, parse_cpus
from workers.doctor.checks import Answer, Check, ok, warning, wrong


def checks(processors: Processors) -> list[Check]:
    """Return the check of CPUs and memory nodes, where a processor asks for some."""
    wanted: dict[str, str] = {}
    nodes = False
    for stage in STAGES:
        for index, each in enumerate(processors.of(stage)):
            nodes = nodes or each.numa_preferred is not None
            if each.cgroup is not None and each.cgroup.cpuset is not None:
                wanted[f"{stage}[{index}]"] = each.cgroup.cpuset
    return [Check("placement", partial(_placement, wanted, nodes=nodes))] if wanted or nodes else []


async def _placement(wanted: dict[str, str], *, nodes: bool) -> Answer:
    there = machine_cpus()
    for name, cpus in wanted.items():
        try:
            missing = parse_cpus(cpus) - there
        except ValueError as error:
            return wrong(f'{name}: cgroup.cpuset = "{cpus}": {error}', "correct it")
        if missing:
            text = f'{name}: cgroup.cpuset = "{cpus}" names CPUs {cpus_text(missing)}, there are {cpus_text(there)}'
            return wrong(text, "correct it: its tasks would be parked")
    if nodes and numactl() is None:
        return warning("numactl is not installed: numa_preferred has no effect", "apt-get install numactl")
    problem = group_problem() if wanted else None
    how = {"control groups": wanted and problem is None, "affinity": bool(wanted), "numactl": nodes}
    text = f"by {', '.join(name for name, is_used in how.items() if is_used)}"
    return ok(f"{text}; no control groups, which is no harm: {problem}" if problem else text)
