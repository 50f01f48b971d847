import json
import stat
import subprocess
import sys
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from slipway_chassis.secrets import Recipients, make_key_pair, public_key_of
from slipway_standalone.errors import StateFolderError
from slipway_standalone.key_files import OPENERS, KeyFiles


@pytest.fixture
def keys(tmp_path: Path) -> KeyFiles:
    keys = KeyFiles(tmp_path)
    keys.complete()
    return keys


def contents(keys: KeyFiles) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in keys.folder.iterdir()}


def fits(keys: KeyFiles) -> bool:
    """Whether each public key is that of the private one beside it."""
    public = json.loads(keys.recipients.read_text())
    return bool(public == {name: public_key_of(keys.opener(name).read_text()) for name in OPENERS})


def test_every_key_is_there_and_only_its_owner_may_read_it(keys: KeyFiles) -> None:
    assert len(contents(keys)) == 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys.folder.iterdir()} == {0o600}


def test_the_api_can_seal_to_every_opener(keys: KeyFiles) -> None:
    sealed = Recipients.load(keys.recipients).seal("x")

    assert set(json.loads(sealed)) == set(OPENERS)
    assert fits(keys)


def test_what_the_private_endpoint_key_signs_the_published_one_checks(keys: KeyFiles) -> None:
    private = load_pem_private_key(keys.endpoints.read_bytes(), password=None)
    (public,) = json.loads(keys.endpoints_public.read_text())["keys"]

    assert isinstance(private, Ed25519PrivateKey)
    assert (public["kty"], public["crv"], public["alg"]) == ("OKP", "Ed25519", "EdDSA")
    raw = urlsafe_b64decode(public["x"] + "=")
    Ed25519PublicKey.from_public_bytes(raw).verify(private.sign(b"token"), b"token")


def test_keys_are_made_once_and_making_them_again_imports_no_cryptography(keys: KeyFiles) -> None:
    before = contents(keys)
    script = (
        "import sys, pathlib; from slipway_standalone.key_files import KeyFiles; "
        f"KeyFiles(pathlib.Path({str(keys.folder)!r})).complete(); "
        "assert not {'nacl', 'cryptography'} & set(sys.modules)"
    )

    subprocess.run([sys.executable, "-c", script], check=True)

    assert contents(keys) == before


@pytest.mark.parametrize("name", ["notifier.secret-key", "deployer.secret-key", "secret-keys.json"])
def test_a_missing_file_of_a_former_run_is_made_and_the_public_keys_fit_again(
    keys: KeyFiles, name: str
) -> None:
    before = contents(keys)
    (keys.folder / name).unlink()

    keys.complete()

    after = contents(keys)
    assert set(after) == set(before)
    assert fits(keys)
    private = {f"{service}.secret-key" for service in OPENERS} - {name} | {"endpoint-key.pem"}
    assert all(after[each] == before[each] for each in private)


def test_a_key_that_an_earlier_release_gave_the_builder_goes_and_nothing_is_sealed_to_it(
    keys: KeyFiles,
) -> None:
    before, pair = contents(keys), make_key_pair()
    keys.opener("builder").write_text(pair.private.get_secret_value())
    known = json.loads(keys.recipients.read_text())
    keys.recipients.write_text(json.dumps({"builder": pair.public} | known))

    keys.complete()

    assert contents(keys) == before


def test_a_missing_public_endpoint_key_is_derived_again(keys: KeyFiles) -> None:
    before = contents(keys)
    keys.endpoints_public.unlink()

    keys.complete()

    assert contents(keys) == before


@pytest.mark.parametrize("name", ["deployer.secret-key", "endpoint-key.pem"])
def test_a_damaged_private_key_is_named_and_stays(keys: KeyFiles, name: str) -> None:
    (keys.folder / name).write_text("damaged")
    keys.recipients.unlink()
    keys.endpoints_public.unlink()

    with pytest.raises(StateFolderError, match=name) as refused:
        keys.complete()

    assert "is damaged" in refused.value.fact
    assert (keys.folder / name).read_text() == "damaged"
