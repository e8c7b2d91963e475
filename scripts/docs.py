"""Writes the generated pages of docs/ anew."""

import json
from pathlib import Path

from sealing.config.page import page as config_page
from sealing.devnet.openapi import document
from sealing.flow.registry import LATEST
from sealing.flow.render import page as flows_page
from sealing.metrics.page import page as metrics_page

if __name__ == "__main__":
    docs = Path(__file__).parents[1] / "docs"
    (docs / "flows.md").write_text(flows_page(LATEST.values()))
    (docs / "config.md").write_text(config_page())
    (docs / "manager.openapi.json").write_text(json.dumps(document(), indent=1) + "\n")
    (docs / "metrics.md").write_text(metrics_page())
