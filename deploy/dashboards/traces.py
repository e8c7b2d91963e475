"""A search in the trace store, which the SDK has no builder for: Grafana's form of a query to Jaeger."""

from __future__ import annotations

from dataclasses import dataclass

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery

SERVICE = "sealflow"
"""The service's name in traces."""


class _Query(Dataquery):
    def __init__(self, search: Traces) -> None:
        self._search = search

    def to_json(self) -> dict[str, object]:
        search = self._search
        return {
            "refId": "A",
            "datasource": {"type": "jaeger", "uid": "${jaeger}"},
            "queryType": "search",
            "service": SERVICE,
            "tags": search.tags,
            "limit": search.limit,
        }


@dataclass(frozen=True)
class Traces(Builder[Dataquery]):
    """A search by tags, each ``name=value``, with a blank between two of them."""

    tags: str
    limit: int = 50

    def build(self) -> Dataquery:
        """Return the query."""
        return _Query(self)
