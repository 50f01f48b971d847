"""Who listens where, asked of the kernel about this very process."""

import os
import socket
import subprocess
import sys

import pytest
from slipway_engines.supervisor import listeners
from slipway_engines.supervisor.listeners import ListeningPorts, holds_port, listening_ports
from slipway_engines.supervisor.socket_diag import LISTEN, sockets


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::")])
def test_a_listening_port_belongs_to_its_process(family: socket.AddressFamily, host: str) -> None:
    with socket.socket(family) as listener:
        listener.bind((host, 0))
        port = listener.getsockname()[1]

        assert holds_port(port, pid=os.getpid(), ancestor=os.getpid()) is None
        listener.listen()

        assert holds_port(port, pid=os.getpid(), ancestor=os.getpid()) is True
        assert port in listening_ports(os.getpid())
        assert port in ListeningPorts()


@pytest.mark.parametrize(("family", "name"), [(socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")])
def test_the_table_says_what_the_kernel_answers(family: socket.AddressFamily, name: str) -> None:
    with socket.create_server(("", 0), family=family) as listener:
        inode = os.fstat(listener.fileno()).st_ino
        port = listener.getsockname()[1]

        assert (inode, port) in [(each.inode, each.port) for each in sockets(LISTEN)]
        assert dict(listeners._table(name))[inode] == port


def test_a_port_of_another_process_is_not_ours() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
            assert holds_port(port, pid=child.pid, ancestor=child.pid) is False
            assert port not in listening_ports(child.pid)
            child.kill()


def test_a_port_of_a_descendant_is_ours() -> None:
    script = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); "
        "input()"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())

        assert holds_port(port, pid=1, ancestor=os.getpid()) is True
        assert port in listening_ports(os.getpid())
        child.kill()
