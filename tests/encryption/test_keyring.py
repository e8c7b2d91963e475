"""What is encrypted comes back as it was, or not at all."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload

from sealing.keyring import Keyring, UnreadableError
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
