"""A real server at the far end, a pair of sockets in place of QEMU and its port."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from mmscand.control.client import ControlClient
from mmscand.control.listener import ControlServer
from mmscand.errors import MmscandError
from mmscand_lab.far_socket import FarSocket, serve_port


@pytest.fixture
def far(tmp_path: Path) -> Iterator[FarSocket]:
    folder = tmp_path / "far"
    folder.mkdir()
    far = FarSocket(folder)
    yield far
    far.close()


def connected(far: FarSocket) -> socket.socket:
    """As QEMU is."""
    options = dict(word.split("=", 1) for word in far.qemu[1].split(",") if "=" in word)
    port = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    port.connect(options["path"])
    return port


def boot(far: FarSocket, daemon: Path) -> socket.socket:
    """A guest that answers for the daemon; it ends when the port's socket is shut down."""
    port = connected(far)
    threading.Thread(target=serve_port, args=(port.dup().detach(), daemon), daemon=True).start()
    return port


def test_a_client_here_asks_the_daemon_there(
    server: ControlServer, socket_path: Path, far: FarSocket
) -> None:
    with boot(far, socket_path) as port:
        client = ControlClient(far.path)
        assert client.process(7) == ControlClient(socket_path).process(7)
        assert client.rates() == ControlClient(socket_path).rates()
        port.shutdown(socket.SHUT_RDWR)


def test_no_daemon_there_is_one_line_here(tmp_path: Path, far: FarSocket) -> None:
    with boot(far, tmp_path / "none.sock") as port:
        for _ in range(2):
            with pytest.raises(MmscandError, match="is not mmscand, or was stopped just now"):
                ControlClient(far.path).status()
        port.shutdown(socket.SHUT_RDWR)


def test_a_guest_that_is_booted_again_answers(
    server: ControlServer, socket_path: Path, far: FarSocket
) -> None:
    with boot(far, socket_path) as ended:
        ended.shutdown(socket.SHUT_RDWR)
    with boot(far, socket_path) as port:
        # The first request may meet the guest that has ended.
        answers = []
        while not answers:
            try:
                answers.append(ControlClient(far.path).process(7)["pid"])
            except MmscandError:
                continue
        assert answers == [7]
        port.shutdown(socket.SHUT_RDWR)


def test_a_client_that_leaves_early_takes_no_answer_of_the_next(
    server: ControlServer, socket_path: Path, far: FarSocket
) -> None:
    with boot(far, socket_path) as port:
        for words in (b"", b"half a li", b'{"ask": "status"}\n'):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as hasty:
                hasty.connect(str(far.path))
                hasty.sendall(words)
        assert ControlClient(far.path).process(7)["pid"] == 7
        port.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("booted", [False, True])
def test_closing_ends_a_request_that_waits(far: FarSocket, booted: bool) -> None:
    with ExitStack() as stack:
        if booted:  # and says nothing
            stack.enter_context(connected(far))
        client = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        client.connect(str(far.path))
        client.sendall(b"a line\n")
        far.close()
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""
