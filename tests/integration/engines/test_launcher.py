"""The launcher by itself, started as supervisord starts it: by a parent that holds its input open."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from contract.engines.apps import FAMILY, SERVER, ask
from contract.engines.images import tar_of
from eventually import eventually
from slipway_engines.supervisor import launcher
from slipway_engines.supervisor.launcher import process_tree
from slipway_engines.supervisor.launcher.launch_config import LaunchConfig
from slipway_engines.supervisor.launcher.layout import Layout
from slipway_engines.supervisor.launcher.ports import any_free
from slipway_engines.supervisor.launcher.replica_record import ReplicaRecord
from slipway_engines.supervisor.settings import base_python

START = Path(launcher.__path__[0]) / "start.py"
DIGEST = "sha256:" + "a" * 64


class Bench:
    """An engine folder with one replica in it."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(str(root))
        self.folder = Path(self.layout.replica_folder("p"))
        self.image = Path(self.layout.image_root(DIGEST))
        for folder in (self.layout.programs, self.layout.records, self.folder, self.image / "app"):
            Path(folder).mkdir(parents=True)
        (self.image / "app/server.py").write_text(SERVER)
        (self.image / "app/family.py").write_text(FAMILY)
        Path(self.layout.program_file("p")).touch()
        self.running: list[subprocess.Popen[bytes]] = []

    def launch(self, *argv: str, **overrides: Any) -> subprocess.Popen[bytes]:
        values: dict[str, Any] = {
            "program": "p",
            "installation": "here",
            "target": "local",
            "group": "default",
            "deployment": "digits",
            "endpoint": "predict",
            "workload": "00000000000000aa",
            "replica": "0-1",
            "argv": list(argv),
            "shell": None,
            "working_dir": "/app",
            "environment": {},
            "port": any_free(),
            "fixed_port": False,
            "health": None,
            "grace_seconds": 1.0,
            "image": {"digest": DIGEST, "variables": {}, "layers": []},
            **overrides,
        }
        Path(self.layout.config_file("p")).write_text(LaunchConfig(**values).dump())
        return self.relaunch()

    def relaunch(self) -> subprocess.Popen[bytes]:
        command = [str(base_python()), "-I", "-S", str(START), str(self.folder)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.running.append(process)
        return process

    def record(self) -> ReplicaRecord | None:
        return ReplicaRecord.load(self.layout.record_file("p"))

    async def until(self, status: str) -> ReplicaRecord:
        def reached() -> ReplicaRecord | None:
            record = self.record()
            assert record is not None
            assert record.status == status, vars(record)
            return record

        record = await eventually(reached, timeout=15)
        assert record is not None
        return record

    async def answers(self) -> ReplicaRecord:
        record = await self.until("running")

        async def answered() -> bool:
            with suppress(OSError):
                return bool(await ask(f"127.0.0.1:{record.port}"))
            return False

        await eventually(answered)
        return record

    def processes(self) -> list[int]:
        return process_tree.holders(str(self.folder))

    def withdraw(self) -> None:
        Path(self.layout.program_file("p")).unlink()

    def obstacle(self) -> tuple[Callable[[], None], Callable[[], None]]:
        """Return what makes writing the record fail, as a full disk does, and what lets it succeed again."""
        folder = Path(f"{self.layout.record_file('p')}.tmp")
        return folder.mkdir, folder.rmdir

    def packed_image(self) -> dict[str, Any]:
        """Put the image into a layer, and return what the engine would plan."""
        blob = self.folder / "blob"
        blob.write_bytes(tar_of({"app/server.py": SERVER}))
        shutil.rmtree(self.image)
        return {"digest": DIGEST, "variables": {}, "layers": [{"digest": DIGEST, "path": str(blob)}]}

    def layers(self) -> list[Path]:
        return [each for each in Path(self.layout.layers).iterdir() if each.is_dir()]

    def close(self) -> None:
        for process in self.running:
            process.kill()
            process.communicate()
        process_tree.kill(self.processes())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "engine")
    yield bench
    bench.close()


def ends(process: subprocess.Popen[bytes]) -> Callable[[], bool]:
    return lambda: process.poll() is not None


async def test_a_killed_launcher_takes_its_replica_along(bench: Bench) -> None:
    launched = bench.launch("python", "server.py")
    await bench.answers()

    launched.kill()

    await eventually(lambda: bench.processes() == [])


async def test_a_new_launcher_ends_what_a_killed_one_left_before_it_starts(bench: Bench) -> None:
    launched = bench.launch("python", "family.py")
    first = await bench.answers()
    launched.kill()
    await eventually(lambda: len(bench.processes()) == 2)
    orphans = set(bench.processes())

    bench.relaunch()

    await eventually(lambda: (record := bench.record()) is not None and record.pid != first.pid)
    second = await bench.answers()
    assert not orphans & set(bench.processes())
    assert second.port == first.port


async def test_a_launcher_whose_parent_is_gone_ends_the_family_within_its_short_grace(
    bench: Bench,
) -> None:
    launched = bench.launch("python", "family.py", grace_seconds=60.0)
    await bench.answers()

    assert launched.stdin is not None
    launched.stdin.close()

    await eventually(ends(launched))
    assert bench.processes() == []
    assert (await bench.until("stopped")).signal == "SIGTERM"


async def test_a_new_launcher_waits_until_the_old_one_has_ended_its_replica(bench: Bench) -> None:
    launched = bench.launch("python", "family.py")
    first = await bench.answers()
    assert launched.stdin is not None
    launched.stdin.close()

    bench.relaunch()

    await eventually(lambda: (record := bench.record()) is not None and record.pid not in (None, first.pid))
    assert launched.poll() is not None
    await bench.answers()
    assert len(bench.processes()) == 3


async def test_a_new_launcher_ends_an_old_one_that_hangs(bench: Bench) -> None:
    launched = bench.launch("python", "server.py")
    first = await bench.answers()
    launched.send_signal(signal.SIGSTOP)

    bench.relaunch()

    await eventually(
        lambda: (record := bench.record()) is not None and record.pid not in (None, first.pid), timeout=15
    )
    await bench.answers()
    assert len(bench.processes()) == 1


async def test_a_replica_that_exited_by_itself_is_not_run_again(bench: Bench) -> None:
    launched = bench.launch("python", "-c", "import sys; sys.exit(3)")
    before = await bench.until("exited")
    await eventually(ends(launched))

    again = bench.relaunch()

    await eventually(ends(again))
    after = bench.record()
    assert after is not None
    assert vars(after) == vars(before)


async def test_a_replica_that_was_told_to_end_is_run_again(bench: Bench) -> None:
    launched = bench.launch("python", "server.py")
    first = await bench.answers()
    launched.terminate()
    await eventually(ends(launched))
    assert (await bench.until("stopped")).signal == "SIGTERM"

    bench.relaunch()

    await eventually(lambda: (record := bench.record()) is not None and record.pid not in (None, first.pid))
    assert (await bench.answers()).port == first.port


async def test_a_launcher_without_a_wish_runs_nothing(bench: Bench) -> None:
    bench.withdraw()

    launched = bench.launch("python", "server.py")

    await eventually(ends(launched))
    assert bench.record() is None


async def test_a_port_that_was_taken_meanwhile_is_replaced(bench: Bench) -> None:
    launched = bench.launch("python", "server.py")
    first = await bench.answers()
    launched.terminate()
    await eventually(ends(launched))
    assert first.port is not None

    with socket.create_server(("127.0.0.1", first.port)):
        bench.relaunch()

        await eventually(lambda: (r := bench.record()) is not None and r.status == "running")
        second = await bench.answers()
        assert second.port != first.port


async def test_a_fixed_port_is_waited_for_until_its_holder_has_ended(bench: Bench) -> None:
    port = any_free()

    with socket.create_server(("127.0.0.1", port)):
        bench.launch("python", "server.py", port=port, fixed_port=True)
        await eventually(lambda: (record := bench.record()) is not None and str(port) in str(record.detail))
        assert (await bench.until("preparing")).pid is None

    assert (await bench.answers()).port == port


async def test_a_full_disk_for_the_log_does_not_disturb_the_replica(bench: Bench) -> None:
    (bench.folder / "0.log").symlink_to("/dev/full")

    launched = bench.launch("python", "server.py")
    record = await bench.answers()
    await ask(f"127.0.0.1:{record.port}", "/say/0/100/1000")

    assert launched.poll() is None
    assert (await bench.until("running")).pid == record.pid
    assert (await ask(f"127.0.0.1:{record.port}"))["pid"] == record.pid


async def test_a_record_that_cannot_be_written_is_written_when_it_can(bench: Bench) -> None:
    obstruct, clear = bench.obstacle()
    obstruct()
    launched = bench.launch("python", "-c", "import sys; sys.exit(3)")
    await eventually((bench.folder / "0.log").exists)
    assert launched.poll() is None

    clear()

    assert (await bench.until("exited")).exit_code == 3
    await eventually(ends(launched))


async def test_a_replica_may_print_much_and_die_and_all_of_it_is_kept(bench: Bench) -> None:
    script = (
        "import os, sys\nfor n in range(20000): print('line', n)\nsys.stdout.flush(); os.kill(os.getpid(), 9)"
    )

    bench.launch("python", "-c", script)

    assert (await bench.until("exited")).signal == "SIGKILL"
    lines = (bench.folder / "0.log").read_text().splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == [f"line {number}" for number in range(20000)]


async def test_an_idle_launcher_uses_no_time_and_little_memory(bench: Bench) -> None:
    launched = bench.launch("python", "server.py")
    record = await bench.answers()
    before = _switches(launched.pid)

    for _ in range(20):
        await ask(f"127.0.0.1:{record.port}")

    assert _switches(launched.pid) == before
    assert _pss_kib(launched.pid) < 8000


async def test_an_image_is_unpacked_at_its_first_use(bench: Bench) -> None:
    image = bench.packed_image()

    bench.launch("python", "server.py", image=image)

    await bench.answers()
    (layer,) = bench.layers()
    assert (layer / "app/server.py").samefile(bench.image / "app/server.py")


async def test_the_launchers_record_names_itself_and_its_parent(bench: Bench) -> None:
    launched = bench.launch("python", "server.py")

    record = await bench.answers()

    assert record.launcher_pid == launched.pid
    assert process_tree.is_alive(record.launcher_pid, record.launcher_ticks)
    assert record.supervisor_pid == os.getpid()
    assert process_tree.is_alive(record.supervisor_pid, record.supervisor_ticks)


def _pss_kib(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))


def _switches(pid: int) -> str:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line for line in status if line.startswith("voluntary_ctxt_switches"))
