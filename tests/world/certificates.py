"""Authorities and certificates, made for one test."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

SERVER_NAME = "temporal.test"
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """The files of a certificate and its key."""

    cert: Path
    key: Path


class Authority:
    """Vouches for others; ``file`` is its own certificate."""

    def __init__(self, folder: Path, name: str) -> None:
        """Make it."""
        self._folder, self._name = folder, _named(name)
        self._key = generate_private_key(SECP256R1())
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._vouched(self._name, self._key, is_authority=True).public_bytes(Encoding.PEM))

    def pair(self, name: str, *, expired: bool = False) -> Pair:
        """Make a certificate for a name, which is also good for this machine's loopback."""
        key, pair = generate_private_key(SECP256R1()), Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        certificate = self._vouched(_named(name), key, expired=expired)
        pair.cert.write_bytes(certificate.public_bytes(Encoding.PEM))
        pair.key.touch(mode=0o600)
        pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return pair

    def _vouched(
        self, name: x509.Name, key: EllipticCurvePrivateKey, *, is_authority: bool = False, expired: bool = False
    ) -> x509.Certificate:
        now = datetime.now(UTC) - (3 * DAY if expired else timedelta())
        names = x509.SubjectAlternativeName([x509.DNSName(SERVER_NAME), x509.IPAddress(ip_address("127.0.0.1"))])
        return (
            x509.CertificateBuilder(
                self._name, name, key.public_key(), x509.random_serial_number(), now - DAY, now + DAY
            )
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(names, critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
