"""pytest inside a guest, from this checkout."""

import compileall
import sys
from collections.abc import Mapping
from pathlib import Path

from mmscand_lab.guest import STDERR, STDOUT, run_in_guest
from mmscand_lab.guest_modules import bring_module
from mmscand_lab.kernel import GuestKernel, fetch_kernel
from mmscand_lab.kvm_modules import bring_kvm
from mmscand_lab.spec import GuestSpec
from support.live_world import NULL_DISK

ROOT = Path(__file__).resolve().parents[2]
GUEST_SUITE = ["tests/live/test_live_surroundings.py", "tests/guest"]
"""In this order: the last test of the guest's own locks the kernel down."""
_TEST_LIMIT_S = 1200
"""Ends a test that hangs; nothing is judged by it."""


def run_guest_tests(
    spec: GuestSpec,
    arguments: list[str],
    results: Path,
    limit_s: float,
    env: Mapping[str, str] | None = None,
    kernel: GuestKernel | None = None,
) -> tuple[int, str]:
    """Exit code and report; `results` has what support.kernel_areas has found."""
    kernel = fetch_kernel() if kernel is None else kernel
    results.mkdir(parents=True, exist_ok=True)
    bring_kvm(kernel, results)
    bring_module(kernel, NULL_DISK, results)
    # The guest cannot write into the checkout, and would compile each module at each start.
    for folder in ("src", "lab", "tests"):
        compileall.compile_dir(ROOT / folder, quiet=2)
    # Those of the environment take a minute to import in emulation, and none is needed but one. The
    # cache would be written to the checkout, which is read-only there.
    plugins = ["-p", "pytest_timeout", "-p", "no:cacheprovider"]
    # A start of Python takes half a minute in emulation, and minutes beside a busy host.
    plugins += ["-p", "support.kernel_areas", "-o", f"timeout={_TEST_LIMIT_S}"]
    status = run_in_guest(
        [sys.executable, "-m", "pytest", "-v", "--durations=20", *plugins, *arguments],
        spec=spec,
        kernel=kernel,
        results=results,
        timeout_s=limit_s,
        cwd=ROOT,
        # This checkout, wherever the installed package comes from.
        env={
            "MMSCAND_NO_SKIPS": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "MMSCAND_GUEST_FILES": str(results.resolve()),
            "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'lab'}:{ROOT / 'tests'}",
            **(env or {}),
        },
    )
    return status, (results / STDOUT).read_text() + (results / STDERR).read_text()
