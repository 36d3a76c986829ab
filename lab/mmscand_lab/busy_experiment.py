"""The host's side of a busy server: what the guest needs is made here, the result comes home."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mmscand_lab import busy_result
from mmscand_lab.busy_result import BusyResult
from mmscand_lab.busy_world import SCHEMA
from mmscand_lab.experiment import Progress, ignore, in_guest, prepare, repeated, reporter_of
from mmscand_lab.kernel import ensure_packages, fetch_kernel
from mmscand_lab.kvm_modules import bring_kvm
from mmscand_lab.pg_cluster import make_archive
from mmscand_lab.scenario import QUIET_GUEST
from mmscand_lab.slowness import Budget, work_s
from mmscand_lab.spec import FAST_NODE, SLOW_NODE

_APPEARS = replace(SLOW_NODE, memory_mib=256, appears=True)
_FAST = replace(FAST_NODE, memory_mib=1280)
"""Page cache takes 80 MiB beside 300 processes, and hot pages need room."""
_GUEST = replace(
    QUIET_GUEST,
    nodes=(_FAST, *QUIET_GUEST.nodes[1:], _APPEARS),
    kernel_args=(*QUIET_GUEST.kernel_args, "tsc=reliable"),
)
"""Beside a busy host the guest's kernel finds its TSC unstable after minutes, and from then on each
look at the clock is a device access: all was five times slower."""
_LIMIT_S = 7200.0
"""Ends what hangs."""


def run_busy_server(results: Path, shipped: Budget, *, progress: Progress = ignore) -> BusyResult:
    """Run it in a guest; its files and `result.json` are in `results` afterwards.

    Always emulated, as not every KVM lets its guests have machines of their own. Raises LabError.
    """
    ensure_packages()
    kernel = fetch_kernel()
    prepare(results)
    bring_kvm(kernel, results)
    progress("making PostgreSQL's table", None)
    make_archive(results, SCHEMA)
    argv = ["mmscand_lab.busy", "--results", str(results.resolve()), "--native-s", f"{work_s():g}"]
    argv += ["--percent", f"{shipped.percent:g}", "--burst-s", f"{shipped.burst_s:g}"]
    argv += ["--accesses", str(shipped.accesses_per_bit)]
    progress(f"booting {kernel.release} (emulation)", None)
    with repeated(reporter_of(results, progress)):
        in_guest(argv, kernel, results, _LIMIT_S, spec=_GUEST, kvm=False)
    return busy_result.load(results)
