"""A client that reads keys of a server by a zipf law, 64 at a time.

``python -m mmscand_lab.key_client --protocol redis --socket PATH --keys 1000 --state DIR`` fills a
server of Redis or memcached with the keys, writes `ready` into DIR once it reads, and reads until
SIGTERM. A block, a line of `ops.csv`, is 64 keys asked for at once. Which keys are hot follows
from the seed.

Exit status: 0 done, 1 the server did not answer as it should, 2 bad arguments.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import NoReturn

import numpy as np

from mmscand_lab.key_protocols import KEY_PROTOCOLS, Connection, KeyProtocol
from mmscand_lab.ops import OpsLog
from mmscand_lab.truth import ZIPF_EXPONENT, zipf_rates

_BLOCK = 64


def read(server: Connection, protocol: KeyProtocol, keys: int, seed: int) -> Iterator[int]:
    """Read blocks of keys forever; yields the keys read after each."""
    bounds = np.cumsum(zipf_rates(keys, ZIPF_EXPONENT, seed))
    rng = np.random.default_rng([seed, 1])  # another stream than the rates'
    words = [protocol.word(number) for number in range(keys)]
    answers = _BLOCK * protocol.answer_bytes + protocol.answer_tail_bytes
    while True:
        drawn = np.searchsorted(bounds, rng.random(_BLOCK) * bounds[-1], side="right")
        asked = [words[number] for number in drawn.tolist()]
        server.swap(b"".join([protocol.head, *asked, protocol.tail]), answers)
        yield _BLOCK


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mmscand_lab.key_client", description=__doc__)
    parser.add_argument("--protocol", choices=list(KEY_PROTOCOLS), required=True)
    parser.add_argument("--socket", type=Path, required=True, help="of the server")
    parser.add_argument("--keys", type=int, required=True, help="how many there are to be")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same hot keys")
    parser.add_argument("--state", type=Path, required=True, help="folder for ready and ops.csv")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status, or exits 0 on SIGTERM and 2 on bad arguments."""
    options = _parse(argv)
    protocol = KEY_PROTOCOLS[options.protocol]
    signal.signal(signal.SIGTERM, _stop)
    try:
        with closing(Connection(options.socket)) as server:
            protocol.fill(server, options.keys)
            blocks = read(server, protocol, options.keys, options.seed)
            next(blocks)  # to make all requests takes 7 s in emulation: no speed of the server
            (options.state / "ready").write_text("")
            with closing(OpsLog(options.state)) as log:
                for count in blocks:
                    log.add(count)
    except OSError as error:
        print(f"key_client: {error}", file=sys.stderr)
    return 1  # blocks end by an error only; SIGTERM exits by itself


if __name__ == "__main__":
    sys.exit(main())
