"""Many cases at once, on all cores or on a cluster: one file a case, on from where it stopped."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    ProcessPoolExecutor,
    as_completed,
)
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from itertools import product
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from signal import SIG_DFL, SIGINT, signal
from threading import Thread
from typing import Any

from mmscand.errors import MachineCannot, MmscandError, UsageError
from mmscand.sim.case import Case, Record, run_case

_FOLDERS = ("engine", "heat", "migrate", "policy", "scan", "sim")
"""What decides what comes out: of sim/, and whole folders beside it."""


def cases_of(
    workloads: Sequence[str],
    policies: Sequence[str],
    ratios: Sequence[int],
    intensities: Sequence[float],
    seeds: Sequence[int],
    pages: int,
) -> list[Case]:
    """Every combination."""
    return [
        Case(workload, policy, ratio, intensity, seed, pages)
        for workload, ratio, intensity, seed, policy in product(
            workloads, ratios, intensities, seeds, policies
        )
    ]


def run_all(
    cases: Iterable[Case],
    folder: Path,
    executor: Executor,
    done: Callable[[int], None] = lambda number: None,
) -> list[Record]:
    """Run what `folder` has no result of yet; all records, in the order of the cases."""
    cases, made_by = list(cases), fingerprint()
    found = {case: record for case in cases if (record := _kept(folder, case, made_by))}
    done(len(found))
    running = {executor.submit(run_case, case): case for case in cases if case not in found}
    for future in as_completed(running):
        case = running[future]
        found[case] = future.result()
        _keep(folder, case, made_by, found[case])
        done(1)
    return [found[case] for case in cases]


@contextmanager
def executor_at(address: str | None, workers: int) -> Iterator[Executor]:
    """Processes of this machine, or an existing Dask cluster. What has not begun when the context
    ends by an exception is not done.
    """
    try:
        with _executor_at(address, workers) as executor:
            yield executor
    except (CancelledError, BrokenExecutor) as error:
        # distributed's own kind of the former is one of concurrent.futures.
        where = "this machine" if address is None else address
        raise MmscandError(
            f"the workers of {where} have gone ({type(error).__name__})", hint="run it again"
        ) from None


@contextmanager
def _executor_at(address: str | None, workers: int) -> Iterator[Executor]:
    if address is not None:
        with _client_of(address) as client:
            yield client.get_executor()
        return
    context = get_context("spawn")  # the progress bar is a thread: no fork
    executor = ProcessPoolExecutor(workers, context, _begin_worker)
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        raise
    executor.shutdown()


def _client_of(address: str) -> Any:  # noqa: ANN401 - of a library that may not be there
    try:
        from distributed import Client  # noqa: PLC0415
    except ImportError:
        raise MachineCannot(
            "--address needs a Dask client, not installed here", hint="pip install distributed"
        ) from None
    try:
        return Client(address, timeout="10s")  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise UsageError(
            f"no Dask scheduler at {address} ({error})", hint="tcp://HOST:8786, as it prints"
        ) from None


def _begin_worker() -> None:
    """Ctrl-C ends a worker at once, without a message, and so does the end of its parent."""
    signal(SIGINT, SIG_DFL)
    if (parent := parent_process()) is not None:
        Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def fingerprint() -> str:
    """Of the code that decides what comes out: results of other code are made again."""
    return sha256(b"".join(file.read_bytes() for file in deciding_files())).hexdigest()[:16]


def deciding_files() -> list[Path]:
    """The sources of it, in order."""
    package = Path(__file__).parent.parent
    return sorted(file for folder in _FOLDERS for file in (package / folder).glob("*.py"))


def _keep(folder: Path, case: Case, made_by: str, record: Record) -> None:
    text = json.dumps({"made_by": made_by, **record}, indent=1)
    part = folder / f".{case.name}.part"
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(folder / f"{case.name}.json")


def _kept(folder: Path, case: Case, made_by: str) -> Record | None:
    try:
        found: dict[str, Any] = json.loads((folder / f"{case.name}.json").read_text())
        if found["made_by"] == made_by and found["case"] == asdict(case):
            return Record(case=found["case"], figures=found["figures"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass  # not there, cut off, or other JSON: it is made again
    return None
