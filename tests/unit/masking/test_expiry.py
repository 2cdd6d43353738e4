"""When certificates and tokens expire, in each of their spellings, and values that never do."""

import base64
import json
import secrets
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from omc_runbook.masking.expiry import expiry_of
from omc_runbook.masking.value import Masked

EARLY, LATE, FAR = (datetime(year, 6, 1, 12, tzinfo=UTC) for year in (2024, 2031, 2055))


def certificate(end: datetime) -> str:
    """A certificate that signs itself, in PEM."""
    key, name = Ed25519PrivateKey.generate(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "db.internal")])
    built = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=end - timedelta(days=365),
        not_valid_after=end,
    )
    return built.sign(key, None).public_bytes(Encoding.PEM).decode()


def token(**claims: object) -> str:
    """A JWT with these claims."""
    parts = ({"alg": "HS256"}, claims)
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return ".".join((*encoded, secrets.token_urlsafe(32)))


@pytest.mark.parametrize(
    ("name", "text", "what", "at"),
    [
        ("TLS_CERT", certificate(EARLY), "a certificate", EARLY),
        ("TLS_CERT", certificate(FAR), "a certificate", FAR),
        ("TLS_CERT", certificate(EARLY).replace("\n", "\\n"), "a certificate", EARLY),
        ("TLS_CERT", certificate(EARLY) + certificate(LATE), "a certificate", EARLY),
        ("DB_CA_CERT", certificate(EARLY) + certificate(LATE), "a certificate", LATE),
        ("CACERTS", certificate(EARLY) + certificate(LATE), "a certificate", LATE),
        ("ssl-root-cert", certificate(EARLY) + certificate(LATE), "a certificate", LATE),
        ("IDP_CERTIFICATES", certificate(EARLY) + certificate(LATE), "a certificate", LATE),
        ("CARD_CERT", certificate(EARLY) + certificate(LATE), "a certificate", EARLY),
        ("TLS_CERT", certificate(EARLY) * 5 + certificate(LATE), "a certificate", LATE),
        ("PUSH_TOKEN", token(exp=EARLY.timestamp()), "a token (JWT)", EARLY),
    ],
)
def test_what_expires_says_when(name: str, text: str, what: str, at: datetime) -> None:
    """Of a chain the first certificate counts, of what is trusted the last to expire."""
    found = expiry_of(Masked(text, name), name)
    assert found and (found.what, found.at) == (what, at)


@pytest.mark.parametrize(
    "text",
    [
        "",
        secrets.token_urlsafe(32),
        token(sub="service"),
        token(exp="never"),
        token(exp=0),
        token(exp=None),
        token(exp=10**20),
        f"{secrets.token_hex(8)}.eyJ{secrets.token_hex(9)}.{secrets.token_hex(8)}",
        f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(secrets.token_bytes(90)).decode()}\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        f"-----BEGIN PRIVATE KEY-----\n{base64.b64encode(secrets.token_bytes(48)).decode()}\n-----END PRIVATE KEY-----",
    ],
)
def test_what_tells_no_end_never_expires(text: str) -> None:
    """A value that cannot be read is not said to have expired."""
    assert expiry_of(Masked(text, "A_TOKEN"), "A_TOKEN") is None


@pytest.mark.parametrize(
    ("end", "at"),
    [
        ("2024-06-01T12:00:00Z", EARLY),
        ("2024-06-01T12%3A00%3a00Z", EARLY),
        ("2024-06-01T12:00Z", EARLY),
        ("2024-06-01", EARLY.replace(hour=0)),
        ("2024-16-01", None),
    ],
)
def test_a_shared_access_signature_expires(end: str, at: datetime | None) -> None:
    """In an address, in a connection string, and alone."""
    signed = f"sv=2022-11-02&sp=r&se={end}&sr=c&sig={secrets.token_hex(16)}%3D"
    for text in (signed, f"?{signed}", f"https://omc.blob.core.windows.net/feed?{signed}"):
        expiry = expiry_of(Masked(text, "FEED_URL"), "FEED_URL")
        assert (expiry.at if expiry else None) == at
    assert expiry_of(Masked(f"https://shop.example.com/?se={end}", "FEED_URL"), "FEED_URL") is None


@pytest.mark.parametrize("members", ["sr=sb%3a%2f%2fomc&sig=aB3%3d&se={}&skn=send", "se={}&sig=aB3%3d&sr=omc"])
def test_a_signature_of_a_bus_expires_at_a_second(members: str) -> None:
    """Alone, and in a connection string; in another order of its members too."""
    token = f"SharedAccessSignature {members.format(int(EARLY.timestamp()))}"
    for text in (token, f"Endpoint=sb://omc.servicebus.windows.net/;SharedAccessSignature={token};EntityPath=feed"):
        expiry = expiry_of(Masked(text, "BUS"), "BUS")
        assert expiry and expiry.at == EARLY
    assert expiry_of(Masked(token.replace("sig=", "x="), "BUS"), "BUS") is None
