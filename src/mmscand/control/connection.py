"""One client of the control socket: its lines in, the answers out, and nothing that waits."""

import selectors
import socket

from mmscand.control.answers import Answers
from mmscand.control.wire import MAX_REQUEST_BYTES
from mmscand.errors import UsageError

IDLE_S = 30.0
"""For a whole request, and for the client to take its answer."""
_TOO_LONG = UsageError("the line is larger than 64 KiB", hint="all knobs at once are 1 KiB")


class Connection:
    """Holds one request and one answer at most. Reads on only when its answer was taken."""

    def __init__(self, sock: socket.socket, answers: Answers, now_s: float) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._answers = answers
        self._received = b""
        self._unsent = memoryview(b"")
        self._last = False
        """The connection ends with the answer that is unsent."""
        self.deadline_s = now_s + IDLE_S

    @property
    def events(self) -> int:
        """What to wait for. A line that is here already is answered when the next can be sent."""
        waits_for_room = self._unsent or b"\n" in self._received
        return selectors.EVENT_WRITE if waits_for_room else selectors.EVENT_READ

    def serve(self, now_s: float) -> bool:
        """Do what can be done now, one answer at most; False when the connection is over."""
        try:
            if self._unsent:
                self._send()
            elif b"\n" not in self._received:
                self._receive()
            if not self._unsent and not self._last:
                self._answer(now_s)
        except BlockingIOError:
            return True
        except (OSError, EOFError):
            return False
        return bool(self._unsent) or not self._last

    def _receive(self) -> None:
        data = self.sock.recv(MAX_REQUEST_BYTES)
        if not data:
            raise EOFError
        self._received += data

    def _send(self) -> None:
        self._unsent = self._unsent[self.sock.send(self._unsent) :]

    def _answer(self, now_s: float) -> None:
        line, end, rest = self._received.partition(b"\n")
        if len(line) > MAX_REQUEST_BYTES:
            answer, self._last = self._answers.refusal(_TOO_LONG), True
        elif end:
            answer, speaks = self._answers.line(line)
            self._received, self._last = rest, not speaks
        else:
            return
        self.deadline_s = now_s + IDLE_S
        self._unsent = memoryview(answer)
        self._send()

    def close(self) -> None:
        """Hang up."""
        self.sock.close()
