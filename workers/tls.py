"""TLS to Temporal: its files, and in words what a handshake that fails means. None of that gets better by waiting."""

from __future__ import annotations

from collections.abc import Mapping

from temporalio.client import TLSConfig

from sealing import foreign
from sealing.config import Temporal

REASONS: Mapping[str, str] = {
    "UnknownIssuer": "the server's certificate is from no authority in {ca}: name the right one by tls_ca_file",
    "NotValidForName": "the server's certificate is for another name: set tls_server_name to one that is in it",
    "InvalidCertificate(Expired": "the server's certificate has expired: renew it, or set this machine's clock",
    "InvalidCertificate(NotValidYet": "the server's certificate is not valid yet: set this machine's clock",
    "InvalidCertificate": "the server's certificate cannot be used",
    "CertificateRequired": "the server wants this worker's certificate: set tls_cert_file and tls_key_file",
    "NoCertificatesPresented": "tls_cert_file holds no certificate: it must be PEM",
    "PrivateKeyParseError": "tls_key_file holds no private key: it must be PEM",
    "KeyMismatch": "tls_key_file is not the key of the certificate in tls_cert_file",
    "received fatal alert": "the server refuses this worker's certificate: is its authority one that the server knows?",
    "InvalidContentType": "the server speaks no TLS at this port: correct address, or remove the tls keys",
}
"""What the SDK's TLS says, by a part of its words; the first that fits counts."""


def why(settings: Temporal, said: str) -> str | None:
    """Return in words why a handshake failed, with what to do; None where ``said`` is of something else."""
    ca = f"{settings.tls_ca_file}" if settings.tls_ca_file else "this machine's own list"
    return next((reason.format(ca=ca) for part, reason in REASONS.items() if part in said), None)


def tls_of(settings: Temporal) -> TLSConfig | bool:
    """Return how the connection is encrypted, if it is. Raises ValueError for a file that cannot be read."""
    files = {name: getattr(settings, name) for name in ("tls_ca_file", "tls_cert_file", "tls_key_file")}
    if not any(files.values()) and settings.tls_server_name is None:
        return settings.tls
    content: dict[str, bytes | None] = dict.fromkeys(files)
    for name, file in files.items():
        try:
            content[name] = foreign.read(file, foreign.DOCUMENT_LIMIT) if file else None
        except OSError as error:
            raise ValueError(f"[temporal] {name} = {file}: {error.strerror}") from None
    ca, cert, key = content.values()
    return TLSConfig(server_root_ca_cert=ca, domain=settings.tls_server_name, client_cert=cert, client_private_key=key)
