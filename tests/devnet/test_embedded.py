"""The embedded manager's file: what is wrong with it is told in one line, whatever is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.embedded import EmbeddedError, read_config


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{}", "is wrong: data: Field required"),
        (b"{", "is wrong: the file: Invalid JSON"),
        (b'{"data": "/d", "data_dir": "/d"}', "is wrong: data_dir: Extra inputs are not permitted"),
        (b"\xff\xfe", "is not UTF-8 text at byte 0"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_is_wrong(tmp_path: Path, content: bytes | None, told: str) -> None:
    """It is named, with what is wrong in it."""
    file = tmp_path / "devnet.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(EmbeddedError) as raised:
        read_config(file)
    assert f"{file} {told}" in str(raised.value)
    assert "\n" not in str(raised.value)
