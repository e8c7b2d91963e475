"""Prometheus with the scrape jobs and the rules of deploy/prometheus, which compose mounts, and targets of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from deploy.stack.part import Part, reached
from deploy.stack.programs import find_installed
from workers.devserver import LOOPBACK

SHARED = Path(__file__).parents[1] / "prometheus"
FILES = ("prometheus.yml", "rules.yml")
RETENTION = "15d"


class Prometheus(Part):
    """The server of the metrics."""

    name = "Prometheus"

    def __init__(self, folder: Path, log: Path, port: int, targets: Mapping[str, int]) -> None:
        """Take where its data and its log are, where it listens, and the port of each job's target."""
        super().__init__(folder, log)
        self.port = port
        self.targets = targets

    @property
    def url(self) -> str:
        """Its address, without a closing slash."""
        return f"http://{LOOPBACK}:{self.port}"

    def argv(self) -> list[str]:
        """Return how it is started."""
        return [
            str(find_installed("prometheus")),
            f"--config.file={self.folder / FILES[0]}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--storage.tsdb.retention.time={RETENTION}",
            f"--web.listen-address={LOOPBACK}:{self.port}",
            "--log.level=warn",
        ]

    async def prepare(self) -> None:
        """Link the shared files, so that SIGHUP reads them as they are then, and write the targets beside them."""
        await super().prepare()
        for name in FILES:
            link = self.folder / name
            link.unlink(missing_ok=True)
            link.symlink_to(SHARED / name)
        (self.folder / "targets").mkdir(exist_ok=True)
        for job, port in self.targets.items():
            # JSON is YAML, as which the shared configuration names the files.
            target = [{"targets": [f"{LOOPBACK}:{port}"]}]
            (self.folder / "targets" / f"{job}.yml").write_text(json.dumps(target))

    async def answers(self) -> bool:
        """Tell whether it is ready."""
        return await reached(f"{self.url}/-/ready")
