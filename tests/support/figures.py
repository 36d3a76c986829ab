"""What the daemon's threads cost, by the kernel's own counts."""

import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Cost:
    """Sums over threads of the daemon."""

    cpu_s: float
    wakeups: int

    @classmethod
    def now(cls, names: str = "mmscand") -> Self:
        """Of all threads whose names begin so."""
        threads = [t for t in threading.enumerate() if t.name.startswith(names)]
        assert "mmscand-scan" in {thread.name for thread in threads}
        folders = [Path(f"/proc/self/task/{thread.native_id}") for thread in threads]
        ns = sum(int((folder / "schedstat").read_text().split()[0]) for folder in folders)
        slept = [
            re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.MULTILINE)
            for text in ((folder / "status").read_text() for folder in folders)
        ]
        return cls(ns / 1e9, sum(int(found[1]) for found in slept if found))

    def __sub__(self, before: "Cost") -> "Cost":
        return Cost(self.cpu_s - before.cpu_s, self.wakeups - before.wakeups)
