"""Secrets on a real server: created once, opened by their recipient only, gone when removed."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from eventually import eventually
from servers import NatsServer
from slipway_chassis.connection import Connection
from slipway_chassis.errors import ConflictError, LogUnavailableError, SecretMissingError, VaultLockedError
from slipway_chassis.secrets import LARGEST_VALUE, KeyPair, Recipients, Secrets, Vault, make_key_pair
from slipway_contracts.size import SecretRef

CANARY = "canary-4711"
GROUP = "team-a"
PAIR = make_key_pair()
RECIPIENTS = Recipients({"deployer": PAIR.public, "builder": make_key_pair().public})


def make_ref(secret: str = "hf-token", version: int = 1) -> SecretRef:  # noqa: S107 - a name
    return SecretRef(secret=secret, version=version)


@pytest.fixture
def secrets(connection: Connection) -> Secrets:
    return Secrets(connection=connection)


def make_vault(secrets: Secrets, folder: Path, *, pair: KeyPair = PAIR, service: str = "deployer") -> Vault:
    file = folder / "key"
    file.touch(mode=0o600)
    file.write_text(pair.private.get_secret_value() + "\n")
    return Vault(service=service, key_file=file, secrets=secrets)


async def test_what_was_sealed_opens_again_under_the_names_asked_for(
    secrets: Secrets, tmp_path: Path
) -> None:
    awkward = "zwei\nZeilen, \U0001f512 '\"$x " + "x" * 1000
    await secrets.put(GROUP, make_ref(), RECIPIENTS.seal(CANARY))
    await secrets.put(GROUP, make_ref("other"), RECIPIENTS.seal(awkward))
    await secrets.put(GROUP, make_ref("empty"), RECIPIENTS.seal(""))

    opened = await make_vault(secrets, tmp_path).open(
        GROUP, {"HF_TOKEN": make_ref(), "OTHER": make_ref("other"), "EMPTY": make_ref("empty")}
    )

    assert opened == {"HF_TOKEN": CANARY, "OTHER": awkward, "EMPTY": ""}


async def test_the_largest_value_fits_a_message(secrets: Secrets, tmp_path: Path) -> None:
    await secrets.put(GROUP, make_ref(), RECIPIENTS.seal("x" * LARGEST_VALUE))

    opened = await make_vault(secrets, tmp_path).open(GROUP, {"X": make_ref()})

    assert len(opened["X"]) == LARGEST_VALUE


async def test_a_version_is_never_written_over(secrets: Secrets, tmp_path: Path) -> None:
    await secrets.put(GROUP, make_ref(), RECIPIENTS.seal("first"))

    with pytest.raises(ConflictError, match="has had a version 1; take the next one"):
        await secrets.put(GROUP, make_ref(), RECIPIENTS.seal("second"))
    await secrets.put(GROUP, make_ref(version=2), RECIPIENTS.seal("second"))

    vault = make_vault(secrets, tmp_path)
    assert await vault.open(GROUP, {"A": make_ref(), "B": make_ref(version=2)}) == {
        "A": "first",
        "B": "second",
    }


async def test_repeating_a_put_whose_confirmation_was_lost_changes_nothing(secrets: Secrets) -> None:
    sealed = RECIPIENTS.seal(CANARY)
    await secrets.put(GROUP, make_ref(), sealed)

    await secrets.put(GROUP, make_ref(), sealed)

    assert await secrets.get(GROUP, make_ref()) == sealed


async def test_removing_takes_every_version_of_that_secret_and_no_other(
    secrets: Secrets, tmp_path: Path
) -> None:
    for version in (1, 2):
        await secrets.put(GROUP, make_ref(version=version), RECIPIENTS.seal(CANARY))
    await secrets.put(GROUP, make_ref("hf-token-2"), RECIPIENTS.seal("kept"))
    await secrets.put("team-b", make_ref(), RECIPIENTS.seal("theirs"))

    await secrets.remove(GROUP, "hf-token")
    await secrets.remove(GROUP, "hf-token")

    assert await secrets.get(GROUP, make_ref(version=1)) is None
    assert await secrets.get(GROUP, make_ref(version=2)) is None
    vault = make_vault(secrets, tmp_path)
    assert await vault.open(GROUP, {"X": make_ref("hf-token-2")}) == {"X": "kept"}
    assert await vault.open("team-b", {"X": make_ref()}) == {"X": "theirs"}


async def test_a_removed_version_never_gets_another_value(secrets: Secrets) -> None:
    await secrets.put(GROUP, make_ref(), RECIPIENTS.seal("first"))
    await secrets.remove(GROUP, "hf-token")

    with pytest.raises(ConflictError):
        await secrets.put(GROUP, make_ref(), RECIPIENTS.seal("second"))


async def test_missing_versions_are_named_all_together(secrets: Secrets, tmp_path: Path) -> None:
    await secrets.put(GROUP, make_ref(), RECIPIENTS.seal(CANARY))
    vault = make_vault(secrets, tmp_path)

    with pytest.raises(SecretMissingError, match="hf-token version 2, other version 7") as caught:
        await vault.open(GROUP, {"A": make_ref(), "B": make_ref("other", 7), "C": make_ref(version=2)})

    assert CANARY not in str(caught.value)


async def test_secrets_survive_a_restart_of_the_server(
    secrets: Secrets, fresh_nats: NatsServer, tmp_path: Path
) -> None:
    await secrets.put(GROUP, make_ref(), RECIPIENTS.seal(CANARY))

    fresh_nats.restart()

    async def opened() -> dict[str, str]:
        with suppress(LogUnavailableError):
            return await make_vault(secrets, tmp_path).open(GROUP, {"X": make_ref()})
        return {}

    assert await eventually(opened) == {"X": CANARY}


async def test_nothing_to_open_needs_no_key(secrets: Secrets) -> None:
    vault = Vault(service="deployer", key_file=None, secrets=secrets)

    assert await vault.open(GROUP, {}) == {}


async def test_a_vault_without_a_key_file_names_the_setting(secrets: Secrets) -> None:
    vault = Vault(service="deployer", key_file=None, secrets=secrets)

    with pytest.raises(
        VaultLockedError, match="deployer cannot open secrets: SLIPWAY_SECRET_KEY_FILE is not"
    ):
        await vault.open(GROUP, {"X": make_ref()})


@pytest.mark.parametrize(
    ("content", "mode", "complaint"),
    [
        (None, 0o600, "No such file"),
        (PAIR.private.get_secret_value(), 0o644, "chmod it to 0600"),
        ("canary-4711", 0o600, "holds no base64 private key"),
        ("", 0o600, "holds no base64 private key"),
    ],
    ids=["missing", "readable by others", "no key", "empty"],
)
async def test_an_unusable_key_file_is_named_without_what_it_holds(
    secrets: Secrets, tmp_path: Path, content: str | None, mode: int, complaint: str
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_text(content)
        file.chmod(mode)
    vault = Vault(service="deployer", key_file=file, secrets=secrets)

    with pytest.raises(VaultLockedError, match=f"SLIPWAY_SECRET_KEY_FILE: .*{complaint}") as caught:
        await vault.open(GROUP, {"X": make_ref()})

    assert not content or content not in str(caught.value)


async def test_a_mended_key_file_is_taken_without_a_restart(secrets: Secrets, tmp_path: Path) -> None:
    await secrets.put(GROUP, make_ref(), RECIPIENTS.seal(CANARY))
    vault = make_vault(secrets, tmp_path)
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(VaultLockedError):
        await vault.open(GROUP, {"X": make_ref()})

    (tmp_path / "key").chmod(0o600)

    assert await vault.open(GROUP, {"X": make_ref()}) == {"X": CANARY}


@pytest.mark.parametrize("service", ["deployer", "monitor"])
async def test_another_key_or_another_service_opens_nothing(
    secrets: Secrets, tmp_path: Path, service: str
) -> None:
    await secrets.put(GROUP, make_ref(), RECIPIENTS.seal(CANARY))
    vault = make_vault(secrets, tmp_path, pair=make_key_pair(), service=service)

    with pytest.raises(VaultLockedError, match=f"not sealed to the key that {service} has") as caught:
        await vault.open(GROUP, {"X": make_ref()})

    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("stored", [b"null", b"[]", b"{", json.dumps({"deployer": 7}).encode()])
async def test_bytes_that_are_no_boxes_open_nothing(secrets: Secrets, tmp_path: Path, stored: bytes) -> None:
    await secrets.put(GROUP, make_ref(), stored)

    with pytest.raises(VaultLockedError, match="set it again"):
        await make_vault(secrets, tmp_path).open(GROUP, {"X": make_ref()})
