"""The key pairs that a stand-in org creates on its first start."""

from __future__ import annotations

import ipaddress
import os
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


def _load_certificate(chain: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(chain.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _names(existing: x509.Certificate) -> list[x509.GeneralName]:
    return list(existing.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def _sign(key: rsa.RSAPrivateKey, names: list[x509.GeneralName]) -> bytes:
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "SEIL stand-in org")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


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
