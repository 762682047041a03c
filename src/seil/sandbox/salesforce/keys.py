"""The key pairs that a stand-in org creates on its first start."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from seil.errors import ConfigurationError, Problem

_BITS = 2048
_VALID = timedelta(days=825)
_NAMES = ("localhost", "login.salesforce.com", "test.salesforce.com")


def key_pair(folder: Path) -> Path:
    """The public key that JWT logins are verified with; its private half lies beside it."""
    private, public = folder / "jwt.key", folder / "jwt.pub"
    if not (private.exists() and public.exists()):
        key = _new_key(private)
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        public.write_bytes(pem)
    return public


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """A self-signed certificate for `host`, and its key. It also names Salesforce's own login
    hosts: clients that have those built in reach the stand-in once their addresses are overridden.

    One that is there already is kept while it is valid and names the host; a new one keeps its
    names.
    """
    chain, private = folder / "tls.crt", folder / "tls.key"
    if not (chain.exists() and private.exists()):
        _new_key(private)
        chain.unlink(missing_ok=True)
    stored, own_name = _load_certificate(chain), _general_name(host)
    names = _names(stored) if stored else [x509.DNSName(name) for name in _NAMES]
    if stored is None or own_name not in names or stored.not_valid_after_utc < datetime.now(UTC):
        chain.write_bytes(
            _sign(_read_or_make_key(private), list(dict.fromkeys([*names, own_name])))
        )
    return chain, private


def authority_and_certificate(folder: Path, host: str) -> tuple[Path, Path, Path]:
    """A CA's certificate, one that it signed for `host`, and that one's key.

    They are made together, and again once they are too old or name another host.
    """
    ca, chain, private = (folder / f"pubsub-{name}" for name in ("ca.crt", "tls.crt", "tls.key"))
    stored = _load_certificate(chain) if ca.exists() and private.exists() else None
    names = list(dict.fromkeys([x509.DNSName("localhost"), _general_name(host)]))
    if (
        stored is None
        or stored.not_valid_after_utc < datetime.now(UTC)
        or (_general_name(host) not in _names(stored))
    ):
        # The CA's key is kept nowhere: nothing else can be signed with it.
        authority = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
        issuer = _name("SEIL stand-in CA")
        ca.write_bytes(_signed(authority, authority, issuer, issuer, names=()))
        subject = _name("SEIL stand-in Pub/Sub API")
        chain.write_bytes(_signed(_new_key(private), authority, subject, issuer, names=names))
    return ca, chain, private


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _load_certificate(chain: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(chain.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _names(existing: x509.Certificate) -> list[x509.GeneralName]:
    return list(existing.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def _sign(key: rsa.RSAPrivateKey, names: list[x509.GeneralName]) -> bytes:
    name = _name("SEIL stand-in org")
    return _signed(key, key, name, name, names=names, is_authority=True)


def _signed(
    key: rsa.RSAPrivateKey,
    authority: rsa.RSAPrivateKey,
    subject: x509.Name,
    issuer: x509.Name,
    *,
    names: Sequence[x509.GeneralName],
    is_authority: bool = False,
) -> bytes:
    """Without names, the certificate of an authority."""
    now = datetime.now(UTC)
    is_authority = is_authority or not names
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _VALID)
        .add_extension(
            x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None),
            critical=True,
        )
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM)


def _read_or_make_key(file: Path) -> rsa.RSAPrivateKey:
    key = load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigurationError([Problem(str(file), "is no RSA key", "remove it")])
    return key


def _new_key(file: Path) -> rsa.RSAPrivateKey:
    """Readable by its owner only at all times."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        target.write(pem)
    return key


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
