"""Small disks of memory, for tests of what becomes full or is not mounted, where this user may mount."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Disk:
    """A mount point, and how many KiB the disk has that is mounted there."""

    path: Path
    kib: int

    def mount(self, again_from: Path | None = None) -> None:
        """Mount an empty disk, or the one that is at another place too. Skips the test where this user may not."""
        program = shutil.which("mount")
        if program is None:
            pytest.skip("there is no program mount")
        made = ["-t", "tmpfs", "-o", f"size={self.kib}k", "none"]
        command = [program, *(["--bind", str(again_from)] if again_from else made), str(self.path)]
        mounted = subprocess.run(command, check=False, capture_output=True, text=True)
        if mounted.returncode:
            pytest.skip(f"this user may not mount a disk: {mounted.stderr.strip()}")

    def unmount(self) -> None:
        """Take the disk away, also where it is in use; nothing happens where there is none."""
        subprocess.run([shutil.which("umount") or "umount", "-l", str(self.path)], check=False, capture_output=True)

    def fill(self) -> Path:
        """Use up what is left of it, and return the file that does."""
        ballast = self.path / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        return ballast


@contextmanager
def small_disk(path: Path, kib: int) -> Iterator[Disk]:
    """Mount a disk of so many KiB at a folder, for the time of the block."""
    path.mkdir(parents=True, exist_ok=True)
    disk = Disk(path, kib)
    disk.mount()
    try:
        yield disk
    finally:
        disk.unmount()
