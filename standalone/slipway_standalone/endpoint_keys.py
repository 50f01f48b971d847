"""The Ed25519 key that signs keys of endpoints, as PEM and as a JSON Web Key Set (RFC 7517, RFC 8037)."""

from base64 import urlsafe_b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


def private_key() -> str:
    """Return a new private key as PEM (PKCS 8)."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def jwks(pem: str) -> dict[str, object]:
    """Return the set of the one public key that belongs to a private one.

    It has no `kid`, so that a token is checked against it whatever its header says.

    Raises:
        ValueError: This is no Ed25519 private key.
    """
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("it is of another kind than Ed25519")  # noqa: TRY004 - what it holds is wrong
    public = urlsafe_b64encode(key.public_key().public_bytes_raw()).rstrip(b"=").decode()
    return {"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "x": public}]}
