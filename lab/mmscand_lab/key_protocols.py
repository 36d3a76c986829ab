"""How a client asks Redis and memcached for values, over a unix socket."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

VALUE_BYTES = 1000
"""As YCSB's records."""
# 200 000 keys are made in 0.3 s by Redis, in emulation in 10 s; memcached is sent each of them.
_LIMIT_S = 900.0
_READ_BYTES = 1 << 18
_SETS = 64
"""Values that are sent to memcached at once."""


class Connection:
    """Requests and answers over a unix socket."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_LIMIT_S)
        self._socket.connect(str(path))
        self._buffer = memoryview(bytearray(_READ_BYTES))

    def send(self, asked: bytes) -> None:
        """Send what has no answer. Raises OSError."""
        self._socket.sendall(asked)

    def ask(self, asked: bytes, end: bytes = b"\r\n") -> bytes:
        """One request, and its answer up to `end`. Raises OSError."""
        self._socket.sendall(asked)
        answer = b""
        while not answer.endswith(end):
            answer += self._received(_READ_BYTES)
        return answer.rstrip()

    def swap(self, asked: bytes, answer_bytes: int) -> None:
        """Send requests and take that many bytes of answers. Raises OSError."""
        self._socket.sendall(asked)
        while answer_bytes:
            answer_bytes -= len(self._received(answer_bytes))

    def _received(self, most: int) -> memoryview:
        count = self._socket.recv_into(self._buffer, min(most, _READ_BYTES))
        if count == 0:
            raise ConnectionError("the server closed the connection")
        return self._buffer[:count]

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


@dataclass(frozen=True, slots=True)
class KeyProtocol:
    """How a server is filled with keys from 0 on, and asked for many at once."""

    fill: Callable[[Connection, int], None]
    """Makes this number of keys. ConnectionError if they are not there afterwards."""
    word: Callable[[int], bytes]
    """What a request has for a key."""
    answer_bytes: int
    """Of the answer for a key that is there."""
    head: bytes = b""
    tail: bytes = b""
    """Of a request for many keys."""
    answer_tail_bytes: int = 0


def resp_request(*words: str) -> bytes:
    """An array of strings, as Redis' protocol (RESP) writes it."""
    parts = [f"*{len(words)}", *(part for word in words for part in (f"${len(word)}", word))]
    return "".join(f"{part}\r\n" for part in parts).encode("ascii")


def _fill_redis(server: Connection, keys: int) -> None:
    """The server makes them by itself."""
    said = server.ask(resp_request("DEBUG", "POPULATE", str(keys), "key", str(VALUE_BYTES)))
    if said != b"+OK":
        raise ConnectionError(f"the server said {said.decode(errors='replace')}")


def _memcached_key(number: int) -> str:
    return f"key:{number:06d}"  # of one length, so that all answers are


def _fill_memcached(server: Connection, keys: int) -> None:
    value = "x" * VALUE_BYTES
    for first in range(0, keys, _SETS):
        names = map(_memcached_key, range(first, min(first + _SETS, keys)))
        sets = [f"set {name} 0 0 {VALUE_BYTES} noreply\r\n{value}\r\n" for name in names]
        server.send("".join(sets).encode("ascii"))
    said = server.ask(b"stats\r\n", b"END\r\n").decode(errors="replace")
    found = re.search(r"^STAT curr_items (\d+)", said, re.MULTILINE)
    if found is None or int(found[1]) != keys:
        raise ConnectionError(f"the server has {found[1] if found else 'no'} keys of {keys}")


KEY_PROTOCOLS: Mapping[str, KeyProtocol] = {
    "redis": KeyProtocol(
        _fill_redis,
        lambda number: resp_request("GET", f"key:{number}"),
        len(f"${VALUE_BYTES}\r\n") + VALUE_BYTES + len("\r\n"),
    ),
    "memcached": KeyProtocol(
        _fill_memcached,
        lambda number: f" {_memcached_key(number)}".encode("ascii"),
        len(f"VALUE {_memcached_key(0)} 0 {VALUE_BYTES}\r\n") + VALUE_BYTES + len("\r\n"),
        b"get",
        b"\r\n",
        len("END\r\n"),
    ),
}
