"""Whatever a client sends, each line of it is answered by one line, until the connection ends."""

import json
import socket
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mmscand.control.answers import Answers
from mmscand.control.connection import Connection
from support.fake_daemon import FakeDaemon

ASKS = ["status", "process", "knob", "set", "reset", "enable", "reload", "x"]
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
arguments = st.dictionaries(st.sampled_from(["pid", "name", "names", "values", "version"]), junk)
requests = st.builds(
    lambda ask, rest: {"ask": ask, **rest}, st.sampled_from(ASKS) | junk, arguments
)
whole = (requests | junk).map(lambda value: json.dumps(value).encode())
sent = st.lists(whole | st.binary(max_size=40), max_size=5).map(b"\n".join)


def answered(pieces: list[bytes]) -> list[Any]:
    """What one client gets that sends these and then hangs up."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.settimeout(60)
        connection = Connection(theirs, Answers(FakeDaemon(), "1"), 0.0)
        got, alive = b"", True
        for piece in (*pieces, b""):
            if piece:
                ours.send(piece)
            else:
                ours.shutdown(socket.SHUT_WR)
            for _ in range(20):
                alive = alive and connection.serve(0.0)
                while (data := received(ours)) is not None:
                    got += data
        assert not alive
    return [json.loads(line) for line in got.splitlines()]


def received(sock: socket.socket) -> bytes | None:
    try:
        return sock.recv(1 << 20) or None
    except BlockingIOError:
        return None


@settings(max_examples=200, deadline=None)
@given(sent, st.integers(1, 200))
def test_each_line_has_one_answer(text: bytes, piece: int) -> None:
    pieces = [text[at : at + piece] for at in range(0, min(len(text), 10 * piece), piece)]
    answers = answered(pieces)
    lines = b"".join(pieces).split(b"\n")[:-1]
    assert len(answers) <= len(lines)
    for answer in answers:
        assert answer.keys() in ({"version", "data"}, {"version", "error"})
    if len(answers) < len(lines):
        assert "is no JSON object" in answers[-1]["error"]["message"]
