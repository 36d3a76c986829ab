"""What happens to processes, as the kernel's proc connector says it.

A netlink socket on which the kernel puts a message for each fork, exec, exit and so on
(include/uapi/linux/cn_proc.h, drivers/connector/cn_proc.c). Nobody waits on it: messages pile up in
its buffer until they are asked for, so that a storm of processes wakes nobody. When the buffer is
full the rest is lost, and that is reported.
"""

import contextlib
import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterator

from mmscand.errors import MachineCannot

_NETLINK_CONNECTOR = 11
_CN_IDX_PROC = _CN_VAL_PROC = 1
_LISTEN, _IGNORE = 1, 2
_NLMSG_DONE = 3
_NLMSG = struct.Struct("=IHHII")
"""Length, type, flags, sequence number, port."""
_CN_MSG = struct.Struct("=IIIIHH")
"""Index, value, sequence number, ack, length, flags."""
_WHAT = _NLMSG.size + _CN_MSG.size
"""Where the event begins."""
_WORDS = _WHAT + 16
"""And what depends on its kind: pid and process of the thread, of a fork then the child's."""
_EVENT = struct.Struct(f"={_WHAT}xI12x4I")
"""Kind and four words; CPU and time in between."""
_EVENT_NONE, _FORK, _EXEC, _UID, _COMM, _EXIT = 0, 1, 2, 4, 0x200, 0x8000_0000

_SO_ATTACH_FILTER, _SO_RCVBUFFORCE = 26, 33
_BUFFER_BYTES = 1 << 20
"""The kernel doubles it, and a message takes some 800 bytes: 2500, read in 5 ms. More is not worth
it, as a look at all of 500 processes takes as long. Without CAP_NET_ADMIN rmem_max is the limit."""
_MOST_A_LOOK = 20_000
"""Where they come as fast as they are read, the rest waits for the next look."""


class ProcEvents:
    """Which processes something happened to."""

    def __init__(self) -> None:
        """MachineCannot says why not."""
        self._message = bytearray(256)
        with contextlib.ExitStack() as undo:
            with _reasons():
                kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
                self._socket = socket.socket(socket.AF_NETLINK, kind, _NETLINK_CONNECTOR)
                undo.callback(self._socket.close)
                _enlarge(self._socket)
                _attach(self._socket, _FILTER)
                self._socket.bind((0, _CN_IDX_PROC))
                self._ask(_LISTEN)
                self._require_answer()
            self._undo = undo.pop_all()

    def _ask(self, operation: int) -> None:
        body = _CN_MSG.pack(_CN_IDX_PROC, _CN_VAL_PROC, 0, 0, 4, 0) + struct.pack("=I", operation)
        head = _NLMSG.pack(_NLMSG.size + len(body), _NLMSG_DONE, 0, 0, 0)
        self._socket.send(head + body)

    def _require_answer(self) -> None:
        """It is there when `send` returns. In another namespace none comes (cn_proc.c)."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv_into(self._message)
                what, error, *_ = _EVENT.unpack_from(self._message)
                if what == _EVENT_NONE:
                    if error:
                        raise MachineCannot(f"no proc connector: {os.strerror(error)}", hint=_HINT)
                    return
        raise MachineCannot(
            "no proc connector: no answer, as in a container or without CONFIG_PROC_EVENTS",
            hint=_HINT,
        )

    def drain(self) -> set[int] | None:
        """Pids that were forked, called execve, got another name or user, or exited since the last
        call, of processes only; None when some were lost.
        """
        pids: set[int] = set()
        lost = False
        for _ in range(_MOST_A_LOOK):
            try:
                self._socket.recv_into(self._message)
            except BlockingIOError:
                break
            except OSError as error:
                lost = True  # ENOBUFS says it; after anything else nobody knows
                if error.errno != errno.ENOBUFS:
                    break
                continue
            if (pid := parse_event(self._message)) is not None:
                pids.add(pid)
        return None if lost else pids

    def close(self) -> None:
        """Give it back; kernels before 6.6 have to be notified, or they go on making messages."""
        with contextlib.suppress(OSError):
            self._ask(_IGNORE)
        self._undo.close()


def parse_event(message: bytes | bytearray) -> int | None:
    """The process that an event is of; None where it is none, but somebody else's answer."""
    if len(message) < _EVENT.size:
        return None
    what, _, process, _, child = _EVENT.unpack_from(message)
    if what == _EVENT_NONE:
        return None
    return int(child if what == _FORK else process)


def open_events() -> ProcEvents | None:
    """None where the kernel does not let us have them."""
    try:
        return ProcEvents()
    except MachineCannot:
        return None


_HINT = "processes are found by a look at /proc each second"


@contextlib.contextmanager
def _reasons() -> Iterator[None]:
    try:
        yield
    except PermissionError:
        reason = "CAP_NET_ADMIN is missing, which kernels before 6.6 ask for"
    except ConnectionRefusedError:
        reason = "this is not the first network namespace"
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        return
    raise MachineCannot(f"no proc connector: {reason}", hint=_HINT)


def _enlarge(sock: socket.socket) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)


# Classic BPF (linux/filter.h), run by the kernel before a message takes up room. It drops events of
# threads, which share all that counts here with their process, and kinds that change nothing.
_LOAD, _TO_X, _JUMP, _RETURN = 0x20, 0x07, 0x05, 0x06
_IF_EQUAL, _IF_ANY_BIT, _IF_EQUAL_X = 0x15, 0x45, 0x1D
_FILTER = (
    # code, instructions to skip if so, if not, operand; words are loaded as big-endian.
    (_LOAD, 0, 0, _WHAT),
    (_IF_EQUAL, 10, 0, _EVENT_NONE),  # to: keep
    (_IF_EQUAL, 5, 0, socket.htonl(_FORK)),
    (_IF_ANY_BIT, 0, 9, socket.htonl(_EXEC | _UID | _COMM | _EXIT)),  # or to: drop
    (_LOAD, 0, 0, _WORDS),  # the thread
    (_TO_X, 0, 0, 0),
    (_LOAD, 0, 0, _WORDS + 4),  # and its process
    (_JUMP, 0, 0, 3),
    (_LOAD, 0, 0, _WORDS + 8),  # of a fork the child's, which come second
    (_TO_X, 0, 0, 0),
    (_LOAD, 0, 0, _WORDS + 12),
    (_IF_EQUAL_X, 0, 1, 0),
    (_RETURN, 0, 0, 0xFFFF_FFFF),  # keep
    (_RETURN, 0, 0, 0),  # drop
)


def _attach(sock: socket.socket, program: tuple[tuple[int, int, int, int], ...]) -> None:
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    pointer = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, pointer)
