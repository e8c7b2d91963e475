"""Keys and what they encrypt: a file's lines, and payloads that come back as they were or not at all."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload

from sealing.config import load
from sealing.keyring import KeyFileError, Keyring, UnreadableError, new_line, read_keys
from tests.config.files import Writer
from tests.config.test_problems import the_problem
from tests.encryption.files import key_file
from workers.encryption.codec import ENCODING, ENCRYPTED, KEY_ID, EncryptingCodec

RING = Keyring({"new": bytes(range(32)), "old": bytes(32)})
OLD = Keyring({"old": bytes(32)})

payloads = st.builds(
    Payload, metadata=st.dictionaries(st.text(max_size=9), st.binary(max_size=9), max_size=3), data=st.binary()
)


def encoded(ring: Keyring, given_: list[Payload]) -> list[Payload]:
    """Return payloads as Temporal gets them."""
    return asyncio.run(EncryptingCodec(ring).encode(given_))


def decoded(ring: Keyring, given_: list[Payload]) -> list[Payload]:
    """Return payloads as they are read."""
    return asyncio.run(EncryptingCodec(ring).decode(given_))


@given(st.lists(payloads, max_size=3))
def test_what_is_encrypted_comes_back(found: list[Payload]) -> None:
    """Any payloads with any metadata, under the first key, also where it stands elsewhere in the ring of who reads."""
    sealed = encoded(OLD, found)
    assert [(each.metadata[ENCODING], each.metadata[KEY_ID]) for each in sealed] == [(ENCRYPTED, b"old")] * len(found)
    assert decoded(RING, sealed) == found
    assert encoded(OLD, found) != sealed or not found, "a nonce is never used twice"


@given(payloads, st.data())
def test_a_flipped_bit_is_refused(found: Payload, data: st.DataObject) -> None:
    """Whichever of the nonce, the content and its seal it is in."""
    (sealed,) = encoded(RING, [found])
    at = data.draw(st.integers(0, 8 * len(sealed.data) - 1))
    spoilt = bytearray(sealed.data)
    spoilt[at // 8] ^= 1 << at % 8
    with pytest.raises(UnreadableError, match="'new'"):
        decoded(RING, [Payload(metadata=sealed.metadata, data=bytes(spoilt))])


@given(payloads)
def test_the_keys_id_belongs_to_what_it_encrypted(found: Payload) -> None:
    """The same bytes under another id, or another key under the same id, do not open it."""
    (sealed,) = encoded(OLD, [found])
    for other in (Keyring({"new": bytes(32)}), Keyring({"old": bytes(range(32))})):
        sealed.metadata[KEY_ID] = next(iter(other.keys)).encode()
        with pytest.raises(UnreadableError, match="give all machines one key file"):
            decoded(other, [sealed])


@pytest.mark.parametrize(("ring", "has"), [(Keyring(), "no key"), (OLD, "only old")])
def test_what_no_key_opens_says_what_to_do(ring: Keyring, has: str) -> None:
    """Which key it was, which there are, and where the line is missing."""
    sealed = encoded(RING, [Payload(data=b"x")])
    with pytest.raises(UnreadableError, match=f"the key 'new', and there is {has} here: add .* payload_key_file"):
        decoded(ring, sealed)


@given(payloads)
def test_what_is_plain_passes_through(found: Payload) -> None:
    """What operators' clients send, and what only looks encrypted because it has no key's id."""
    odd = Payload(metadata={ENCODING: ENCRYPTED}, data=found.data)
    for ring in (RING, Keyring()):
        assert decoded(ring, [found, odd]) == [found, odd]
    assert encoded(Keyring(), [found]) == [found]


def test_a_file_of_keys(tmp_path: Path) -> None:
    """The order counts; empty lines and remarks do not."""
    one, two = new_line("one"), new_line("2026-11.b_2")
    file = key_file(tmp_path, f"# ours\n\n{one}\n  {two}  \n")
    assert list(read_keys(file).keys) == ["one", "2026-11.b_2"]
    assert "x" * 32 not in repr(Keyring({"a": b"x" * 32})), "a key is not shown by accident"


SHORT = "YWJj"
WRONG = {
    "alone\n": "line 1 of it: write an id, a space and 32 bytes in base64",
    f"# first\nmine {SHORT}\n": "line 2 of it: the key has 3 bytes, 32 are needed",
    "mine %%%%\n": "line 1 of it: the key is no base64",
    f"a/b {SHORT}": "line 1 of it: the id has other characters",
    "# nothing\n": "holds no key; add the line that sealflow codec key prints",
}


@pytest.mark.parametrize(("content", "right"), WRONG.items())
def test_a_file_that_is_wrong_is_refused_with_its_line(write: Writer, tmp_path: Path, content: str, right: str) -> None:
    """Both lines are told, the configuration's and the key file's, and never what may be a key."""
    file = key_file(tmp_path, content)
    problem = the_problem(write(f'[temporal]\npayload_key_file = "{file}"'))
    assert (problem.key, problem.value) == ("temporal.payload_key_file", f'"{file}"')
    assert problem.line is not None
    assert right in problem.right
    assert SHORT not in problem.right


def test_an_id_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    """Both lines are named, and all that is wrong is told at once."""
    line = new_line("mine")
    with pytest.raises(KeyFileError, match="line 3 of it: the id mine is that of line 1.*; line 4 of it: write an id"):
        read_keys(key_file(tmp_path, f"{line}\n\n{line}\nnonsense\n"))


def test_a_file_that_others_can_read_is_refused(write: Writer, tmp_path: Path) -> None:
    """It says what to type; a group may read it."""
    file = key_file(tmp_path, new_line("mine"))
    named = write(f'[temporal]\npayload_key_file = "{file}"')
    file.chmod(0o640)
    assert load(named).temporal.payload_key_file == file
    file.chmod(0o644)
    assert f"type: chmod 600 {file}" in the_problem(named).right


def test_a_file_that_is_missing_or_none_is_refused(write: Writer, tmp_path: Path) -> None:
    """As other files are, and a folder is none."""
    for path in (tmp_path / "none", tmp_path):
        problem = the_problem(write(f'[temporal]\npayload_key_file = "{path}"'))
        assert problem.right == "is no file that this user can read; correct the path"


def test_without_the_package_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where a file of keys is named."""
    monkeypatch.setattr("sealing.keyring.PACKAGE", "no_such_package")
    with pytest.raises(KeyFileError, match=r"pip install 'sealflow\[encryption\]'"):
        read_keys(key_file(tmp_path, new_line("mine")))
