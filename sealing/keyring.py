"""The keys that encrypt what Temporal is given to keep: a file of them, and AES-256-GCM.

A line of the file is a key's id and its 32 bytes in base64. The first key encrypts, each decrypts, so that a new key is
first added below everywhere, then moved to the top, and an old one goes when nothing is left that it encrypted.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
"""GCM's own size; drawn at random for each payload, which is safe for 2^32 payloads of one key."""
FILE_LIMIT = 64 << 10
"""Bytes of a key file that are looked at: some hundred keys."""
SHOWN = 20
"""Wrong lines of a key file that are told; the others are counted."""
EVERYBODY = stat.S_IROTH | stat.S_IWOTH
FILE_VARIABLE = "SEALFLOW_PAYLOAD_KEY_FILE"
"""Names the key file of commands that are given no worker's file."""
PACKAGE = "cryptography"
NO_PACKAGE = "payloads are encrypted by a package that is not installed; install sealflow with its extra: encryption"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class KeyFileError(ValueError):
    """A key file that cannot be used; the text says why and what would be right, and holds no key."""


class UnreadableError(ValueError):
    """Something encrypted that these keys do not open; the text says with which it was, and what to do."""


@dataclass(frozen=True)
class Keyring:
    """The keys by their ids, the one that encrypts first. Without any nothing is encrypted."""

    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def seal(self, plain: bytes) -> tuple[str, bytes]:
        """Encrypt with the first key: its id, and a fresh nonce with what is encrypted behind it."""
        name = next(iter(self.keys))
        nonce = os.urandom(NONCE_BYTES)
        return name, nonce + self._cipher(name).encrypt(nonce, plain, name.encode())

    def open(self, name: str, sealed: bytes) -> bytes:
        """Decrypt what ``seal`` has made. Raises UnreadableError."""
        if name not in self.keys:
            raise UnreadableError(self._missing(name))
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - of the extra encryption

        try:
            return self._cipher(name).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError):
            raise UnreadableError(
                f"a payload says that it is encrypted with the key {name!r} and is not what that key encrypts: it was "
                "changed, or another key has the same id somewhere in the fleet; give all machines one key file"
            ) from None

    def _missing(self, name: str) -> str:
        known = f"only {', '.join(self.keys)}" if self.keys else "no key"
        return (
            f"a payload is encrypted with the key {name!r}, and there is {known} here: add that key's line to "
            f"[temporal] payload_key_file, or name the file by -c or {FILE_VARIABLE}"
        )

    def _cipher(self, name: str) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - of the extra encryption

        return AESGCM(self.keys[name])


def read_keys(file: Path) -> Keyring:
    """Return the keys of a file. Raises KeyFileError with what is wrong with it."""
    if find_spec(PACKAGE) is None:
        raise KeyFileError(NO_PACKAGE)
    keys: dict[str, bytes] = {}
    lines: dict[str, int] = {}
    wrong: list[str] = []
    for number, line in enumerate(_text(file).splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            name, key = _parsed(line)
        except ValueError as error:
            wrong.append(f"line {number} of it: {error}")
            continue
        if (first := lines.setdefault(name, number)) != number:
            wrong.append(f"line {number} of it: the id {name} is that of line {first}; give each key its own")
        keys[name] = key
    if wrong:
        more = [f"and {len(wrong) - SHOWN} more lines are wrong"] if len(wrong) > SHOWN else []
        raise KeyFileError("; ".join([*wrong[:SHOWN], *more]))
    if not keys:
        raise KeyFileError("holds no key; add the line that sealflow codec key prints")
    return Keyring(keys)


def new_line(name: str) -> str:
    """Return a line for a key file, with a key that nobody has seen. Raises ValueError for what can be no id."""
    return " ".join(_checked(name, base64.b64encode(os.urandom(KEY_BYTES)).decode()))


def _text(file: Path) -> str:
    """Return what a key file holds, if nobody else can read it."""
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            content = opened.read(FILE_LIMIT + 1) if stat.S_ISREG(mode) else b""
    except (OSError, ValueError):
        mode, content = 0, b""
    if not stat.S_ISREG(mode):
        raise KeyFileError("is no file that this user can read; correct the path")
    if mode & EVERYBODY:
        raise KeyFileError(f"can be read by every user of this machine; type: chmod 600 {file}")
    if len(content) > FILE_LIMIT:
        raise KeyFileError(f"is larger than {FILE_LIMIT} bytes; is it the key file?")
    return content.decode("utf-8-sig", errors="replace")


def _parsed(line: str) -> tuple[str, bytes]:
    parts = line.split()
    if len(parts) != 2:  # noqa: PLR2004 - an id and a key
        raise ValueError("write an id, a space and 32 bytes in base64, as sealflow codec key prints them")
    name, text = _checked(*parts)
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("the key is no base64; write 32 bytes, as sealflow codec key prints them") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"the key has {len(key)} bytes, {KEY_BYTES} are needed; sealflow codec key prints such a line")
    return name, key


def _checked(name: str, key: str) -> tuple[str, str]:
    if not _ID.fullmatch(name):
        raise ValueError("the id has other characters than letters, digits, dots, - and _, or more than 64 of them")
    return name, key
