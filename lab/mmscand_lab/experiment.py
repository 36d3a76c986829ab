"""The host's side of an experiment: boot the guest, follow the samples, bring the result home."""

from __future__ import annotations

import compileall
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmscand
from mmscand_lab import result as results_of
from mmscand_lab import slowmem
from mmscand_lab.building import INSTALL
from mmscand_lab.far_socket import FarSocket
from mmscand_lab.guest import STDERR, STDOUT, kvm_works, run_in_guest
from mmscand_lab.host_load import HostLoad
from mmscand_lab.kernel import (
    GuestKernel,
    LabError,
    ensure_packages,
    fetch_kernel,
)
from mmscand_lab.kernels import fetch_series
from mmscand_lab.loads import LOADS
from mmscand_lab.pg_cluster import make_archive
from mmscand_lab.result import EVENTS, RESULT, WORKLOAD, Result
from mmscand_lab.samples import SAMPLES, Sample, SampleReader
from mmscand_lab.scenario import QUIET_GUEST, Scenario
from mmscand_lab.slowness import work_s
from mmscand_lab.spec import GuestSpec
from mmscand_lab.standings import Run, load_runs, missing
from mmscand_lab.verdict import EMULATION
from mmscand_lab.views import remove_views

#: What is going on; a sample comes with it once the guest measures.
Progress = Callable[[str, Sample | None], None]

# Limits only end what hangs. Without KVM a boot and the starts of three Python programs take 30 s
# on a quiet host; beside other guests a boot alone was seen to take 80 s.
_LIMIT_S = 1800.0
# Two phases of half a minute, and starts.
_CONTEST_LIMIT_S = 900.0
_FOLLOW_PERIOD_S = 0.25

SLOW_MEMORY = "slow-memory"
"""The plug-in's folder in the folder of the results."""

_STATES = {
    "fill": "the workload fills slow memory",
    "fast": "the workload runs as if all its memory were fast",
    "before": "the workload runs alone",
    "promote": "mmscand watches the workload",
    "after": "hot pages are up, both go on",
}


def ignore(state: str, sample: Sample | None) -> None:
    """The follower that is not interested."""


def run_scenario(
    scenario: Scenario,
    results: Path,
    *,
    brief: bool = False,
    views: bool = False,
    far: FarSocket | None = None,
    progress: Progress = ignore,
) -> Result:
    """Run the scenario in a guest; its files and `result.json` are in `results` afterwards.

    `brief` is for those that do not ask for throughput: half a minute less. `views`: with what
    `mmscand heat` and `size` show at the end (lab.views); `far` sees the daemon then.
    `progress` is called from another thread. Raises LabError, also when the machine lacks what
    the lab needs.
    """
    ensure_packages()
    progress("looking for the guest's kernel", None)
    kernel = fetch_kernel() if scenario.kernel is None else fetch_series(scenario.kernel)
    use_kvm = kvm_works(kernel=kernel)
    accelerator = "kvm" if use_kvm else EMULATION
    prepare(results)
    slow = NOT_SLOW if use_kvm else slow_memory_of(results, scenario.guest, progress)
    progress(f"booting {kernel.release} ({accelerator})", None)
    argv = ["mmscand_lab.inside", scenario.name, "--results", str(results.resolve())]
    argv += ["--accelerator", accelerator, *slow.program]
    argv += [*(["--brief"] if brief else []), *(["--views"] if views else [])]
    qemu = [*slow.qemu, *(() if far is None else far.qemu)]
    with _following(results, progress):
        in_guest(argv, kernel, results, _LIMIT_S, spec=scenario.guest, kvm=use_kvm, qemu=qemu)
    return results_of.load(results)


@dataclass(frozen=True, slots=True)
class SlowMemory:
    """Options that make slow memory slow; without them all memory is as fast as the host's."""

    qemu: Sequence[str] = ()
    program: Sequence[str] = ()
    """Of the program in the guest, with how fast a core of the host is."""


NOT_SLOW = SlowMemory()


def slow_memory_of(results: Path, spec: GuestSpec, progress: Progress) -> SlowMemory:
    """For a guest in emulation; `NOT_SLOW`, and a line, without a compiler. Raises LabError."""
    folder = (results / SLOW_MEMORY).resolve()
    options = slowmem.prepare(folder, spec)
    if options is None:
        progress(f"no compiler, so all memory is equally fast: {INSTALL}", None)
        return NOT_SLOW
    program = ["--slow-memory", str(folder), "--native-s", f"{work_s():g}"]
    return SlowMemory(options, program)


def run_postgres(
    results: Path, *, shared_memory: bool, progress: Progress = ignore
) -> dict[str, Any]:
    """Run PostgreSQL with its buffers on slow memory; what `lab.postgres` found, as it wrote it.

    Raises LabError, also when the machine lacks what it needs.
    """
    ensure_packages()
    kernel = fetch_kernel()
    prepare(results)
    progress("making the tables", None)
    make_archive(results)
    option = "--shared-memory" if shared_memory else "--no-shared-memory"
    progress(f"booting {kernel.release}: clients read one table of two", None)
    argv = ["mmscand_lab.postgres", "--results", str(results.resolve()), option]
    in_guest(argv, kernel, results, _LIMIT_S)
    found: dict[str, Any] = json.loads((results / RESULT).read_text(encoding="utf-8"))
    return found


def run_contest(
    results: Path,
    loads: Sequence[str],
    policies: Sequence[str],
    seeds: Sequence[int],
    *,
    progress: Progress = ignore,
) -> list[Run]:
    """Run tiering policies one after another in one guest; all runs that the folder then has.

    Those that it has already are not run again. Raises LabError, also when the machine lacks what
    it needs.
    """
    left = missing(load_runs(results), loads, policies, seeds)
    if not left:
        return load_runs(results)
    ensure_packages()
    kernel, needed = fetch_kernel(), [LOADS[name] for name in dict.fromkeys(r.load for r in left)]
    for load in needed:
        load.needs()
    prepare(results)
    for load in needed:
        load.prepare(results)
    progress(f"booting {kernel.release} for {len(left)} runs", None)
    in_kvm = kvm_works(kernel=kernel)
    slow = NOT_SLOW if in_kvm else slow_memory_of(results, QUIET_GUEST, progress)
    argv = ["mmscand_lab.numa", "mmscand_lab.contest", "--results", str(results.resolve())]
    argv += slow.program
    argv += ["--workloads", *loads, "--policies", *policies, "--seeds", *map(str, seeds)]
    with repeated(reporter_of(results, progress)), repeated(HostLoad(results).write):
        limit_s = _LIMIT_S + len(left) * _CONTEST_LIMIT_S
        in_guest(argv, kernel, results, limit_s, qemu=slow.qemu)
    return load_runs(results)


def prove_slow_memory(results: Path, *, progress: Progress = ignore) -> dict[str, Any] | None:
    """What `slowmem.proof` finds in a guest; None without a compiler. Raises LabError."""
    ensure_packages()
    kernel = fetch_kernel()
    prepare(results)
    slow = slow_memory_of(results, QUIET_GUEST, progress)
    if slow is NOT_SLOW:
        return None
    argv = ["mmscand_lab.slowmem.proof", *slow.program]
    in_guest(argv, kernel, results, _LIMIT_S, kvm=False, qemu=slow.qemu)
    found: dict[str, Any] = json.loads((results / STDOUT).read_text(encoding="utf-8"))
    return found


def reporter_of(results: Path, progress: Progress) -> Callable[[], None]:
    """Passes on the last line that the guest has printed."""

    def report() -> None:
        with suppress(FileNotFoundError):
            lines = (results / STDOUT).read_text(encoding="utf-8").splitlines()
            for line in lines[-1:]:
                progress(line, None)

    return report


def in_guest(
    argv: Sequence[str],
    kernel: GuestKernel,
    results: Path,
    limit_s: float,
    *,
    spec: GuestSpec = QUIET_GUEST,
    kvm: bool | None = None,
    qemu: Sequence[str] = (),
) -> None:
    """Run a module of ours in the guest; LabError with its reason if it fails."""
    status = run_in_guest(
        [sys.executable, "-m", *argv],
        spec=spec,
        kernel=kernel,
        results=results,
        timeout_s=limit_s,
        env=_same_package(),
        kvm=kvm,
        qemu=qemu,
    )
    if status != 0:
        raise _failed(results, status)


def _same_package() -> dict[str, str]:
    """Run in the guest what runs here: a checkout that PYTHONPATH names, not the installed one."""
    return {"PYTHONPATH": os.pathsep.join(str(folder.parent) for folder in _packages())}


def _packages() -> tuple[Path, Path]:
    return Path(mmscand.__file__).resolve().parent, Path(__file__).resolve().parent


def prepare(results: Path) -> None:
    """Make the folder, and take away what an earlier run would leave for this one's."""
    results.mkdir(parents=True, exist_ok=True)
    # Of an earlier run: the follower and a reader of the result would take them for this one's.
    for name in (SAMPLES, RESULT, EVENTS, f"{WORKLOAD}/ready", "console.log"):
        (results / name).unlink(missing_ok=True)
    remove_views(results)
    # The guest cannot write into our packages, and would compile it at every start: 2 s each under
    # emulation. Where they cannot be written here either, nothing is lost but these.
    for folder in _packages():
        compileall.compile_dir(folder, quiet=2)


def _failed(results: Path, status: int) -> LabError:
    lines = (results / STDERR).read_text(encoding="utf-8", errors="replace").splitlines()
    reason = lines[-1] if lines else f"exit code {status}"
    hint = f"the guest's output and its console are in {results}"
    return LabError(f"the experiment failed in the guest: {reason}", hint=hint)


@contextmanager
def _following(results: Path, progress: Progress) -> Iterator[None]:
    """Report new samples while the context lasts, and the last of them when it ends."""
    reader = SampleReader(results)

    def report() -> None:
        for sample in reader.new():
            progress(_STATES[sample.phase], sample)

    with repeated(report):
        yield


@contextmanager
def repeated(report: Callable[[], None]) -> Iterator[None]:
    """Call it again and again while the context lasts, and once more when it ends.

    The guest runs in the calling thread, not the follower: it dies with the thread that started
    it, and only the main thread gets the interrupt from the keyboard.
    """
    done = threading.Event()

    def follow() -> None:
        while not done.wait(_FOLLOW_PERIOD_S):
            report()

    thread = threading.Thread(target=follow, name="lab-follow", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    report()
