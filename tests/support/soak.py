"""The real daemon under load for as long as wanted: who loads it, and what it says meanwhile."""

import itertools
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Self

from mmscand.control.client import ControlClient
from mmscand.errors import UsageError

KNOBS: tuple[Mapping[str, Any], ...] = (
    {"scan_period_ms": 400},
    {"profile": "v1"},
    {"migrate_rate_mb_s": 20},
    {"scan_size_mb": 256},
    {"profile": "auto", "hot_passes": 1},
    {"cpu_budget_percent": 1},
    {"target_policy": "nearest", "migrate_batch_pages": 64},
    {"mms_to_scan": 2, "scan_sleep_ms": 0},
)
_REFUSED = {"scan_period_ms": -1}


class SoakDaemon:
    """`mmscand run --json`, whose events are added up as they come."""

    def __init__(self, folder: Path, rules: str) -> None:
        socket, config = folder / "mmscand.sock", folder / "mmscand.toml"
        config.write_text(rules)
        options = ["--json", "--socket", str(socket), "--config", str(config)]
        self._complaints = (folder / "complaints").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mmscand", "run", *options],
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
        )
        self.pid = self._process.pid
        self.client = ControlClient(socket)
        self.events: Counter[str] = Counter()
        self.reported: Counter[str] = Counter()
        """Sums over events by the names of counters."""
        self.watched: list[tuple[int, int]] = []
        """Processes that were entered and have not left: pid and start time."""
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,))
        self._reader.start()
        while not self.events["start"]:
            self.check()
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._complaints.close()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def check(self) -> None:
        """Fails with its last words if it has ended."""
        code = self._process.poll()
        assert code is None, f"the daemon ended with {code}: {self._last_words()}"

    def _last_words(self) -> str:
        self._complaints.seek(0)
        return self._complaints.read()

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            event = json.loads(line)
            kind = event["event"]
            if kind == "pass_end":
                self.reported.update({k: v for k, v in event.items() if type(v) is int})
            if kind == "moved":
                failed = {f"failed_{name}": pages for name, pages in event["failed"].items()}
                self.reported.update({"promoted": event["promoted"], **failed})
            if kind in ("process_entered", "process_left"):
                self._follow(kind, event["process"])
            self.events[kind] += 1

    def _follow(self, kind: str, process: dict[str, Any]) -> None:
        """A process that cannot be watched leaves without having been entered: one that shares the
        address space of its parent until it calls execve, for example.
        """
        identity = (process["pid"], process["start_time"])
        if kind == "process_entered":
            self.watched.append(identity)
        elif identity in self.watched:
            self.watched.remove(identity)

    def resident_kib(self) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        assert found
        return int(found[1])

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def reload(self) -> None:
        self._process.send_signal(signal.SIGHUP)

    def end(self) -> tuple[int, str]:
        """Exit code, and what it complained of."""
        self._process.terminate()
        code = self._process.wait(timeout=600)
        self._reader.join()
        return code, self._last_words()


def turn_knobs(daemon: SoakDaemon) -> Iterator[None]:
    """One change a step."""
    for number, change in enumerate(itertools.cycle(KNOBS)):
        daemon.client.change(change)
        yield
        if number % 4 == 0:
            daemon.client.disable()
            yield
            daemon.client.enable()
        if number % 4 == 1:
            daemon.client.reset()
            daemon.reload()
            yield
        if number % 4 == 2:
            try:
                daemon.client.change(_REFUSED)
            except UsageError:
                yield
            else:
                raise AssertionError("it took a value that is out of bounds")


@contextmanager
def loads(*steps: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """Each again and again in a thread of its own; asks for the first failure, and ends them."""
    stop, failures = threading.Event(), list[BaseException]()

    def again(step: Callable[[], object]) -> None:
        try:
            while not stop.is_set():
                step()
        except BaseException as error:
            failures.append(error)

    def check() -> None:
        if failures:
            raise failures[0]

    threads = [threading.Thread(target=again, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    try:
        yield check
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    check()


def quarter(samples: list[int], number: int) -> Iterable[int]:
    """The first (0) to last (3) quarter."""
    size = max(1, len(samples) // 4)
    return samples[number * size : (number + 1) * size]
