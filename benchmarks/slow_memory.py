"""How well slow memory is slow in the lab, and what that costs code that does not use it.

Boots a guest in emulation. A step of a pointer chase on each node against what the machine's
specification says, two readers of a saturated link against its bandwidth, and code that is not
instrumented against the same code without the plug-in's hook.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import tell
from mmscand_lab.ending import exit_status
from mmscand_lab.experiment import prove_slow_memory
from mmscand_lab.kernel import COMPILER_PACKAGES, LabError
from mmscand_lab.scenario import QUIET_GUEST


def _measure(json_file: Path | None) -> None:
    with tempfile.TemporaryDirectory(prefix="mmscand-bench-") as folder:
        proof = prove_slow_memory(Path(folder))
    if proof is None:
        raise LabError("no compiler here", hint=f"apt-get install {' '.join(COMPILER_PACKAGES)}")
    fast, slow = (node.latency_ns for node in QUIET_GUEST.nodes)
    figures: dict[str, object] = {
        "core_slower_by": round(proof["factor"], 1),
        "chase_slow_to_fast": round(proof["latency_ns"][1] / proof["latency_ns"][0], 2),
        "chase_specified": round(slow / fast, 2),
        "two_readers_of_link": round(proof["two_readers_mb_s"] / proof["link_mb_s"], 2),
    }
    for name, speed in proof["other_code_speed"].items():
        figures[f"{name}_of_speed_without"] = round(speed, 2)
    tell(figures, json_file)


def main() -> int:
    """The program; returns its exit status."""
    parser = argparse.ArgumentParser(prog="script/bench slow_memory", description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    return exit_status("slow_memory", lambda: _measure(options.json))


if __name__ == "__main__":
    sys.exit(main())
