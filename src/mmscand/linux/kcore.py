"""The /proc/kcore reader: kernel memory as an ELF core file, one pread a page.

About five times slower than the BPF reader, but it needs no BPF: CONFIG_PROC_KCORE, CAP_SYS_RAWIO
and a lockdown below confidentiality. See proc_kcore(5) and fs/proc/kcore.c.
"""

import contextlib
import os
import struct
from collections import Counter
from pathlib import Path

import numpy as np

from mmscand.errors import MachineCannot
from mmscand.linux.files import out_of_resources
from mmscand.linux.kernel_memory import MOST
from mmscand.linux.surroundings import require_no_confidentiality
from mmscand.model import PAGE_BYTES, PAGES_PER_TABLE, REGION_BYTES, UIntArray

# include/uapi/linux/elf.h: Elf64_Ehdr up to e_phnum, and the type of a loadable segment
_ELF_HEADER = struct.Struct("<16sHHIQQQIHHH")
_PT_LOAD = 1
_PROGRAM_HEADER = np.dtype(
    [
        ("type", "<u4"),
        ("flags", "<u4"),
        ("offset", "<u8"),
        ("vaddr", "<u8"),
        ("paddr", "<u8"),
        ("filesz", "<u8"),
        ("memsz", "<u8"),
        ("align", "<u8"),
    ]
)


def _load_segments(fd: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    header = _ELF_HEADER.unpack(os.pread(fd, _ELF_HEADER.size, 0))
    if not header[0].startswith(b"\x7fELF"):
        raise ValueError(header[0])
    table_at, count = header[5], header[10]
    raw = os.pread(fd, count * _PROGRAM_HEADER.itemsize, table_at)
    headers = np.frombuffer(raw, dtype=_PROGRAM_HEADER)
    return np.sort(headers[headers["type"] == _PT_LOAD], order="vaddr")


def direct_map_bases(path: Path = Path("/proc/kcore")) -> list[int]:
    """Where the direct map starts, by the headers of RAM segments; [] where there is no such file.

    More than one where segments disagree: that of most memory comes first.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    with contextlib.closing(os.fdopen(fd, "rb")):
        try:
            segments = _load_segments(fd)
        except (OSError, struct.error, ValueError):
            return []
    sizes = Counter[int]()
    for segment in segments:  # of what is no RAM the physical address is -1 (fs/proc/kcore.c)
        base = int(segment["vaddr"]) - int(segment["paddr"])
        if base > 0 and base % REGION_BYTES == 0:
            sizes[base] += int(segment["memsz"])
    return [base for base, _ in sizes.most_common()]


class Kcore:
    """KernelMemory by /proc/kcore."""

    name = "kcore"

    def __init__(
        self, path: Path = Path("/proc/kcore"), kallsyms: Path = Path("/proc/kallsyms")
    ) -> None:
        self._kallsyms = kallsyms
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise MachineCannot(
                f"there is no {path}", hint="use a kernel with CONFIG_PROC_KCORE"
            ) from None
        except OSError as error:
            require_no_confidentiality()
            hint = "CAP_SYS_RAWIO is needed, and lockdown below confidentiality"
            lasting = MachineCannot(f"{path}: {error.strerror}", hint=hint)
            raise out_of_resources(error.errno) or lasting from None
        self._pages = np.zeros((MOST, PAGES_PER_TABLE), dtype=np.uint64)
        try:
            self._segments = _load_segments(self._fd)
        except (OSError, struct.error, ValueError):
            os.close(self._fd)
            raise MachineCannot(
                f"{path} is no ELF core file", hint="a container hides it so"
            ) from None

    def read(self, addresses: UIntArray) -> UIntArray:
        """See KernelMemory.read."""
        pages = self._pages[: len(addresses)]
        rows = np.searchsorted(self._segments["vaddr"], addresses, side="right") - 1
        for page, row, address in zip(pages, rows.tolist(), addresses.tolist(), strict=True):
            if not self._read_one(page, row, address):
                page[:] = 0
        return pages

    def _read_one(self, page: UIntArray, row: int, address: int) -> bool:
        if row < 0:
            return False
        segment = self._segments[row]
        inside = address - int(segment["vaddr"])
        if inside + PAGE_BYTES > int(segment["memsz"]):
            return False
        try:
            done = os.preadv(self._fd, [page.data], int(segment["offset"]) + inside)
        except OSError as error:
            if passing := out_of_resources(error.errno):
                raise passing from None
            return False
        return done == PAGE_BYTES

    def any_task(self) -> int:
        """init_task, from /proc/kallsyms."""
        with contextlib.suppress(OSError), self._kallsyms.open() as lines:
            for line in lines:
                if line.endswith(" init_task\n") and (address := int(line.split()[0], 16)):
                    return address
        raise MachineCannot(
            "/proc/kallsyms does not say where init_task is",
            hint="use a kernel with CONFIG_KALLSYMS_ALL, or the BPF reader",
        )

    def refresh(self) -> None:
        """Read the headers again: the kernel makes them when they are read."""
        with contextlib.suppress(OSError, struct.error, ValueError):
            self._segments = _load_segments(self._fd)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
