"""What Prometheus would read from a worker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import httpx
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

METRICS = '[metrics]\nenable = true\nhttp_listen = "127.0.0.1:{port}"\n'


@dataclass(frozen=True)
class Scrape:
    """One answer: the families, and each sample by name and labels."""

    families: Mapping[str, Metric]
    samples: Mapping[tuple[str, frozenset[tuple[str, str]]], float]

    @classmethod
    def of(cls, families: Iterable[Metric]) -> Self:
        """Read the families."""
        by_name = {family.name: family for family in families}
        samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in by_name.values()
            for sample in family.samples
        }
        return cls(by_name, samples)

    def value(self, name: str, **labels: str) -> float:
        """Return a sample's value, 0 where there is none."""
        return self.samples.get((name, frozenset(labels.items())), 0.0)

    def total(self, name: str, **where: str) -> float:
        """Return the sum of a name's samples that have at least these labels."""
        return sum(self.rows(name, **where).values())

    def by(self, name: str, label: str, **where: str) -> dict[str, float]:
        """Return the values of a name, summed by a label; ``where`` are labels that the samples must have."""
        return {key[0]: value for key, value in self.rows(name, label, **where).items()}

    def rows(self, name: str, *labels: str, **where: str) -> dict[tuple[str, ...], float]:
        """Return the same by several labels."""
        sums: dict[tuple[str, ...], float] = {}
        for (one, pairs), value in self.samples.items():
            if one == name and pairs >= where.items():
                key = tuple(dict(pairs)[label] for label in labels)
                sums[key] = sums.get(key, 0.0) + value
        return sums


async def scrape(port: int) -> Scrape:
    """Ask the worker that serves its metrics at a port."""
    async with httpx.AsyncClient(timeout=30, verify=False) as http:  # noqa: S501 - loading certificates would be most of it
        answer = await http.get(f"http://127.0.0.1:{port}/metrics")
    answer.raise_for_status()
    return Scrape.of(text_string_to_metric_families(answer.text))
