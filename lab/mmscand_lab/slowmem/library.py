"""The library that makes the accesses of workloads, so that they alone pay for slow memory."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path

from mmscand_lab.graph import SearchState
from mmscand_lab.kernel import LabError
from mmscand_lab.slowmem.control import CodeRange
from mmscand_lab.truth import IntArray, WordArray


class TouchLibrary:
    """touch.c. Arrays must be contiguous; OSError where the file cannot be loaded."""

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(str(path))
        self._touch, self._chase, self._sweep = library.touch, library.chase, library.sweep
        self._search = library.search
        pointer, number, size = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_size_t
        self._touch.argtypes = (pointer, pointer, size, size, number)
        self._chase.argtypes = (pointer, number, size)
        self._sweep.argtypes = (pointer, size)
        self._search.argtypes = (pointer, pointer, size)
        self._chase.restype, self._search.restype = number, size
        self.code = code_of(path, Path("/proc/self/maps").read_text(errors="surrogateescape"))

    def touch(self, words: WordArray, index: IntArray, writes: int, value: int) -> None:
        """Write the first `writes` of the words that `index` names, and read the others."""
        self._touch(words.ctypes.data, index.ctypes.data, index.size, writes, value)

    def chase(self, words: WordArray, at: int, count: int) -> int:
        """Follow a chain of indexes, `count` times; where it has come to."""
        return int(self._chase(words.ctypes.data, at, count))

    def search(self, words: WordArray, state: SearchState, edges: int) -> int:
        """Go on with a search for at most `edges` edges; returns accesses. See `bfs.Searches`."""
        return int(self._search(words.ctypes.data, state.ctypes.data, edges))

    def sweep(self, words: WordArray) -> None:
        """Read one word of each cache line."""
        self._sweep(words.ctypes.data, words.size)


def code_of(path: Path, maps: str) -> CodeRange:
    """Where the code of a loaded file is, from the text of /proc/self/maps."""
    for name, code in _code(maps):
        if name == str(path.resolve()):
            return code
    raise LabError(f"{path} is not loaded", hint="this should not happen, please report it")


def code_of_process(pid: int) -> list[CodeRange]:
    """All code that a process has from files: its program and its libraries."""
    maps = Path(f"/proc/{pid}/maps").read_text(errors="surrogateescape")
    return [code for name, code in _code(maps) if name.startswith("/")]


def _code(maps: str) -> Iterator[tuple[str, CodeRange]]:
    """Name and place of each mapping that can be executed, from the text of maps."""
    for line in maps.splitlines():
        fields = line.split(None, 5)
        if len(fields) == 6 and "x" in fields[1]:
            begin, end = (int(number, 16) for number in fields[0].split("-"))
            yield fields[5], CodeRange(begin, end)
