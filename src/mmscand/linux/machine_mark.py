"""One daemon a machine, also across containers that have their own /run and their own network.

Files, sockets and locks are of a namespace or of a mount. BPF maps are not: the kernel numbers them
for the whole machine, they have a name, and one goes when the last descriptor of it is closed, also
after kill -9. So a daemon holds a map with our name, and of several the oldest counts.
"""

import contextlib
import ctypes
import errno
import os
import struct
from collections.abc import Iterator

from mmscand.errors import MmscandError
from mmscand.linux.syscalls import bpf

# include/uapi/linux/bpf.h
_MAP_CREATE, _MAP_LOOKUP, _MAP_UPDATE = 0, 1, 2
_MAP_NEXT_ID, _MAP_FD_BY_ID, _OBJECT_INFO = 12, 14, 15
_MAP_TYPE_ARRAY = 2
_ATTRIBUTES_BYTES = 128
_INFO_BYTES = 128
_NAME = b"mmscand"
_NAME_BYTES = 16
_NAME_AT, _ID_AT = 24, 4
"""In struct bpf_map_info."""


@contextlib.contextmanager
def only_daemon() -> Iterator[None]:
    """MmscandError names another daemon of this machine. Without bpf(2) nobody can say."""
    try:
        fd = _create()
    except OSError:  # the kcore reader is used then
        yield
        return
    try:
        _require_oldest(_info(fd)[0])
        yield
    finally:
        os.close(fd)


def _require_oldest(own: int) -> None:
    for number, pid in marks():
        if number < own:
            raise MmscandError(
                f"mmscand already runs as pid {pid or '?'}, where /run is another: in a container",
                hint="stop it first: two would clear each other's Accessed bits",
            )


def marks() -> Iterator[tuple[int, int]]:
    """Number of each mark on this machine, ascending, and the pid of the daemon that holds it.

    Nothing where bpf(2) is refused.
    """
    number = 0
    with contextlib.suppress(OSError):  # ENOENT: that was the last one
        while True:
            attributes = _attributes("<II", number, 0)
            bpf(_MAP_NEXT_ID, attributes)
            (number,) = struct.unpack_from("<I", attributes, 4)
            if (pid := _pid_of(number)) is not None:
                yield number, pid


def _pid_of(number: int) -> int | None:
    """Pid of the holder of the map of this number, if it is a mark; 0 while it starts."""
    try:
        fd = bpf(_MAP_FD_BY_ID, _attributes("<I", number))
    except OSError as error:
        if error.errno == errno.ENOENT:  # gone meanwhile
            return None
        raise
    try:
        return _pid(fd) if _info(fd)[1] == _NAME else None
    finally:
        os.close(fd)


def _create() -> int:
    layout = f"<IIIIIII{_NAME_BYTES}s"
    fd = bpf(_MAP_CREATE, _attributes(layout, _MAP_TYPE_ARRAY, 4, 8, 1, 0, 0, 0, _NAME))
    key, value = ctypes.c_uint32(0), ctypes.c_uint64(os.getpid())
    bpf(_MAP_UPDATE, _element(fd, key, value))
    return fd


def _pid(fd: int) -> int:
    key, value = ctypes.c_uint32(0), ctypes.c_uint64(0)
    bpf(_MAP_LOOKUP, _element(fd, key, value))
    return value.value


def _element(fd: int, key: ctypes.c_uint32, value: ctypes.c_uint64) -> bytearray:
    return _attributes("<IIQQQ", fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0)


def _info(fd: int) -> tuple[int, bytes]:
    """Number and name of a map."""
    info = ctypes.create_string_buffer(_INFO_BYTES)
    bpf(_OBJECT_INFO, _attributes("<IIQ", fd, _INFO_BYTES, ctypes.addressof(info)))
    name = info.raw[_NAME_AT : _NAME_AT + _NAME_BYTES].rstrip(b"\0")
    return struct.unpack_from("<I", info.raw, _ID_AT)[0], name


def _attributes(layout: str, *fields: int | bytes) -> bytearray:
    return bytearray(struct.pack(layout, *fields).ljust(_ATTRIBUTES_BYTES, b"\0"))
