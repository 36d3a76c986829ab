"""A client that reads keys of a Redis server by a zipf law, 64 at a time.

``python -m mmscand_lab.redis_client --socket PATH --keys 1000 --state DIR`` has the server make the
keys, writes `ready` into DIR once it reads, and reads until SIGTERM. A block, of which `ops.csv`
tells, is 64 keys asked for at once. Which keys are hot follows from the seed.

Exit status: 0 done, 1 the server did not answer as it should, 2 bad arguments.
"""

from __future__ import annotations

import argparse
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import NoReturn

import numpy as np

from mmscand_lab.ops import OpsLog
from mmscand_lab.truth import ZIPF_EXPONENT, zipf_rates

VALUE_BYTES = 1000
"""As YCSB's records."""
_BLOCK = 64
# 200 000 keys are made in 0.3 s, in emulation in 10 s.
_LIMIT_S = 900.0
_READ_BYTES = 1 << 18


class Connection:
    """Requests of the Redis protocol (RESP) over a unix socket."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_LIMIT_S)
        self._socket.connect(str(path))
        self._buffer = memoryview(bytearray(_READ_BYTES))

    def ask(self, *words: str) -> bytes:
        """One request with a short answer: its line. Raises OSError."""
        self._socket.sendall(request(*words))
        answer = b""
        while not answer.endswith(b"\r\n"):
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


def request(*words: str) -> bytes:
    """An array of strings, as RESP writes it."""
    parts = [f"*{len(words)}", *(part for word in words for part in (f"${len(word)}", word))]
    return "".join(f"{part}\r\n" for part in parts).encode("ascii")


def answer_size(value_bytes: int) -> int:
    """Bytes of an answer that is a string of this length in bytes."""
    return len(f"${value_bytes}\r\n") + value_bytes + len("\r\n")


def fill(server: Connection, keys: int) -> None:
    """Have the server make key:0 and so on. Raises ConnectionError if it does not."""
    said = server.ask("DEBUG", "POPULATE", str(keys), "key", str(VALUE_BYTES))
    if said != b"+OK":
        raise ConnectionError(f"the server said {said.decode(errors='replace')}")


def read(server: Connection, keys: int, seed: int) -> Iterator[int]:
    """Read blocks of keys for ever; yields the keys read after each."""
    bounds = np.cumsum(zipf_rates(keys, ZIPF_EXPONENT, seed))
    rng = np.random.default_rng([seed, 1])  # another stream than the rates'
    requests = [request("GET", f"key:{number}") for number in range(keys)]
    answers = _BLOCK * answer_size(VALUE_BYTES)
    while True:
        drawn = np.searchsorted(bounds, rng.random(_BLOCK) * bounds[-1], side="right")
        server.swap(b"".join([requests[number] for number in drawn.tolist()]), answers)
        yield _BLOCK


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status, or exits 0 on SIGTERM and 2 on bad arguments."""
    parser = argparse.ArgumentParser(prog="python -m mmscand_lab.redis_client", description=__doc__)
    parser.add_argument("--socket", type=Path, required=True, help="of the server")
    parser.add_argument("--keys", type=int, required=True, help="how many there are to be")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same hot keys")
    parser.add_argument("--state", type=Path, required=True, help="folder for ready and ops.csv")
    options = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, _stop)
    try:
        with closing(Connection(options.socket)) as server:
            fill(server, options.keys)
            blocks = read(server, options.keys, options.seed)
            next(blocks)  # to make all requests takes 7 s in emulation: no speed of the server
            (options.state / "ready").write_text("")
            with closing(OpsLog(options.state)) as log:
                for count in blocks:
                    log.add(count)
    except OSError as error:
        print(f"redis_client: {error}", file=sys.stderr)
    return 1  # blocks end by an error only; SIGTERM exits by itself


if __name__ == "__main__":
    sys.exit(main())
