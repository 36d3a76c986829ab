"""The daemon's socket in the guest, as a socket on the host: `mmscand top` there sees that daemon.

A line goes in and a line comes back, one request after the other, over a virtio port of QEMU.
"""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

from mmscand.config_socket import DEFAULT_SOCKET
from mmscand.control.unix_socket import listen

_PORT = "mmscand.control"
_PORTS = Path("/sys/class/virtio-ports")
"""One folder for each port of the guest, its name in `name` (drivers/char/virtio_console.c)."""
_NO_ANSWER = b"\n"
_CLIENT_LIMIT_S = 10.0
"""A client sends its line at once."""


class FarSocket:
    """The host's half. `path` answers as soon as `answer_host` runs in the guest.

    The folder's path is short: that of a socket has at most 107 bytes (unix(7)).
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "daemon.sock"
        self._port_path = folder / "port.sock"
        self._clients, self._ports = listen(self.path, None), listen(self._port_path, None)
        self._guest = threading.Lock()
        self._port: socket.socket | None = None
        """Of the guest that runs."""
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="lab-far-socket", daemon=True)
        self._thread.start()

    @property
    def qemu(self) -> tuple[str, ...]:
        """Options of QEMU, which connects to this when it starts."""
        chardev = f"socket,id=control,path={self._port_path},server=off"
        port = f"virtserialport,name={_PORT},chardev=control"
        return ("-chardev", chardev, "-device", "virtio-serial-pci", "-device", port)

    def close(self) -> None:
        """Listen no more, and wait for no answer."""
        with self._guest:
            self._closed = True
        for sock in filter(None, (self._clients, self._ports, self._port)):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # close(2) would not end a call that waits
        self._thread.join()
        for sock in (self._clients, self._ports):
            sock.close()

    def _serve(self) -> None:
        with suppress(OSError):  # closed
            while True:  # a guest that did not boot is started again
                port, _ = self._ports.accept()
                with port, port.makefile("rb") as answers:
                    while self._is_of(port) and self._serve_client(port, answers):
                        pass

    def _is_of(self, port: socket.socket) -> bool:
        """From now on `close` ends what waits for this guest; False when it is closed already."""
        with self._guest:
            self._port = port
            return not self._closed

    def _serve_client(self, port: socket.socket, answers: BufferedReader) -> bool:
        """False when QEMU has ended. Raises OSError when closed."""
        client, _ = self._clients.accept()
        with client, suppress(OSError):  # a client may leave at any moment
            client.settimeout(_CLIENT_LIMIT_S)
            with client.makefile("rb") as requests:
                request = requests.readline()
            if not request.endswith(b"\n"):
                return True
            try:
                port.sendall(request)
                answer = answers.readline()
            except OSError:
                return False
            if answer == b"":
                return False
            client.sendall(b"" if answer == _NO_ANSWER else answer)
        return True


def answer_host(daemon: Path = DEFAULT_SOCKET) -> None:
    """The guest's half, in a thread that ends with the program; nothing without the port."""
    if (device := _device()) is not None:
        fd = os.open(device, os.O_RDWR)
        threading.Thread(target=serve_port, args=(fd, daemon), daemon=True).start()


def _device() -> Path | None:
    for folder in _PORTS.glob("*"):
        if (folder / "name").read_text(encoding="ascii").strip() == _PORT:
            return Path("/dev") / folder.name
    return None


def serve_port(fd: int, daemon: Path) -> None:
    """Answer each line that comes from the port by that of the daemon's socket."""
    with os.fdopen(fd, "rb") as requests, os.fdopen(os.dup(fd), "wb") as answers:
        for request in requests:
            answers.write(_ask(daemon, request) or _NO_ANSWER)
            answers.flush()


def _ask(daemon: Path, request: bytes) -> bytes:
    """Empty where no daemon answers."""
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(_CLIENT_LIMIT_S)
        sock.connect(str(daemon))
        sock.sendall(request)
        with sock.makefile("rb") as file:
            return file.readline()
    return b""
