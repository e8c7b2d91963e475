"""Writes the generated pages of docs/ anew."""

from pathlib import Path

from sealing.flow.registry import LATEST
from sealing.flow.render import page

if __name__ == "__main__":
    (Path(__file__).parents[1] / "docs" / "flows.md").write_text(page(LATEST.values()))
