"""A real supervisord in a folder of its own, with an engine's files beside it."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Self

from contract.engines.images import ImageShelf
from eventually import eventually
from pydantic import SecretStr
from servers import die_with_parent
from slipway_engines.engine import Engine
from slipway_engines.select import make_engine
from slipway_engines.supervisor.launcher.process_tree import holders
from slipway_engines.supervisor.rpc import SupervisorClient
from slipway_engines.supervisor.secret_files import SHARED_MEMORY
from slipway_engines.supervisor.settings import SupervisorSettings

PASSWORD = SecretStr("secret")
CONFIG = """
[unix_http_server]
file={socket}
chmod=0700
username=someone
password=secret

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisord]
nodaemon=true
logfile=%(here)s/supervisord.log
pidfile=%(here)s/supervisord.pid
loglevel=info

[include]
files=engine/programs/*.conf
"""


class LocalTarget:
    """This machine as a target; it can be taken down and brought back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shelf = ImageShelf(folder / "blobs")
        self._sockets = Path(tempfile.mkdtemp(prefix="engine-"))
        self.memory = Path(tempfile.mkdtemp(prefix="engine-", dir=SHARED_MEMORY))
        self._process: subprocess.Popen[bytes] | None = None
        self.settings = SupervisorSettings(
            installation="here",
            folder=folder / "engine",
            socket=self._sockets / "s.sock",
            username="someone",
            password=PASSWORD,
            blob_root=folder / "blobs",
            runtime_folder=self.memory,
        )
        (folder / "supervisord.conf").write_text(CONFIG.format(socket=self.settings.socket))

    def engine(self) -> Engine:
        """Return another engine for the same target."""
        return make_engine("supervisor", self.settings)

    def client(self) -> SupervisorClient:
        """Return what asks supervisord itself."""
        settings = self.settings
        return SupervisorClient(
            socket=settings.socket, username=settings.username, password=settings.password
        )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Begin to start the target; it need not be up when this returns."""
        command = [str(Path(sysconfig.get_path("scripts")) / "supervisord"), "-c", "supervisord.conf"]
        self._process = subprocess.Popen(
            command,
            cwd=self.folder,
            env={**os.environ, "PLATFORM_SECRET": "not for replicas"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent(),  # noqa: PLW1509
        )

    async def up(self) -> Self:
        """Start the target and wait until it takes wishes."""
        self.start()
        await eventually(self._listens)
        return self

    def _listens(self) -> bool:
        # The socket's file is there a moment before anybody listens.
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.settings.socket)) == 0

    async def down(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the target by a signal and wait for the end of its own process."""
        assert self._process is not None
        self._process.send_signal(number)
        await asyncio.to_thread(self._process.wait)
        self._process = None
        self.settings.socket.unlink(missing_ok=True)

    def lose_secrets(self) -> None:
        """Lose what is kept in memory only, as a reboot does."""
        for each in self.memory.iterdir():
            shutil.rmtree(each)

    def processes(self) -> list[int]:
        """Return every process of any replica of this target."""
        return holders(str(self.folder / "engine" / "replicas"))

    async def clear(self) -> None:
        """End and delete everything."""
        if self._process is not None:
            await self.down(signal.SIGKILL)
        await eventually(lambda: not self.processes(), timeout=20)
        shutil.rmtree(self._sockets)
        shutil.rmtree(self.memory)
