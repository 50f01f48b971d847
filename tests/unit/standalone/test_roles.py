import base64
import hashlib
import hmac

from slipway_standalone.roles import statements, verifier

# The exchange of RFC 7677, section 3.
RFC_SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
RFC_EXCHANGE = (
    "n=user,r=rOprNGfwEbeRWgbNEkqO,"
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
)
RFC_SERVER_SIGNATURE = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
RFC_CLIENT_PROOF = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")


def test_the_verifier_proves_both_sides_of_the_exchange_in_the_rfc() -> None:
    stored, server = (
        base64.b64decode(key) for key in verifier("pencil", salt=RFC_SALT).rpartition("$")[2].split(":")
    )

    signature = hmac.digest(server, RFC_EXCHANGE.encode(), "sha256")
    client_signature = hmac.digest(stored, RFC_EXCHANGE.encode(), "sha256")
    client_key = bytes(a ^ b for a, b in zip(RFC_CLIENT_PROOF, client_signature, strict=True))

    assert base64.b64encode(signature).decode() == RFC_SERVER_SIGNATURE
    assert hashlib.sha256(client_key).digest() == stored


def test_no_statement_holds_a_password() -> None:
    assert not any("open sesame" in statement for statement in statements({"slipway_api": "open sesame"}))


def test_one_password_never_gives_the_same_verifier_twice() -> None:
    assert verifier("pencil") != verifier("pencil")
