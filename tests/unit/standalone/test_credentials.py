import hashlib
import stat
from pathlib import Path

from slipway_standalone.credentials import NATS_PROVISIONER, admin_key_digest, load_or_create


def test_every_user_gets_a_password_of_its_own(tmp_path: Path) -> None:
    credentials = load_or_create(tmp_path / "credentials.json", services=["api", "builder"])

    assert set(credentials.nats) == {"api", "builder", NATS_PROVISIONER}
    passwords = [*credentials.nats.values(), *credentials.postgres.values()]
    assert len(set(passwords)) == len(passwords)
    assert min(map(len, passwords)) == 64


def test_passwords_are_made_once_and_only_their_owner_may_read_them(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    first = load_or_create(path, services=["api"])

    assert load_or_create(path, services=["api"]) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_service_gets_a_password_and_the_others_keep_theirs(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    before = load_or_create(path, services=["api"])

    after = load_or_create(path, services=["api", "newcomer"])

    assert after.nats["api"] == before.nats["api"]
    assert after.nats["newcomer"]
    assert after.postgres_fingerprint == before.postgres_fingerprint


def test_passwords_are_not_shown_by_accident(tmp_path: Path) -> None:
    credentials = load_or_create(tmp_path / "credentials.json", services=["api"])

    assert credentials.nats["api"] not in repr(credentials)


def test_the_admin_key_is_made_once_and_its_digest_is_that_of_the_key_alone(tmp_path: Path) -> None:
    path = tmp_path / "admin.key"

    digest = admin_key_digest(path)

    key = path.read_text().strip()
    assert key.startswith("slw_")
    assert len(key) > 40
    assert digest == hashlib.sha256(key.encode()).hexdigest() == admin_key_digest(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
