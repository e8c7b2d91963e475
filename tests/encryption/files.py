"""Files of keys."""

from __future__ import annotations

from pathlib import Path


def key_file(folder: Path, content: str, name: str = "keys") -> Path:
    """Write a file of keys that only its owner can read."""
    file = folder / name
    file.write_text(content)
    file.chmod(0o600)
    return file
