"""An experiment that never ran: everything it would have written, small and known.

The daemon starts at 100, watches from 102, its passes take 0.3 s and end at 103, 104, ... Two
batches, through at 103.9 (in the second pass) and 105.1, bring up 99.5 % and then all hot pages.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmscand_lab.result import (
    EVENTS,
    WORKLOAD,
    DaemonUse,
    Observed,
    Recording,
    Result,
    compute,
)
from mmscand_lab.samples import SAMPLES
from mmscand_lab.scenario import SCENARIOS
from mmscand_lab.truth import Truth

START, END = 100.0, 120.0
TRUTH = Truth(1, 0, 1000, 1, huge=False, seed=1, hot=np.arange(1000) < 200)

SOME_FAILED = {"EBUSY": 2, "ENOMEM": 4}
HOT = {number: {2: 199, 3: 1}.get(number, 0) for number in range(1, 16)}

MakeResult = Callable[..., Result]


def _event(name: str, at: float, **fields: object) -> dict[str, Any]:
    return {"event": name, "at": at, **fields}


def _events() -> list[dict[str, Any]]:
    return [
        {"event": "start", "reader": "bpf", "dry_run": False},
        _event("process_entered", 102.0),
        *(
            _event("pass_end", 102.0 + n, number=n, seconds=0.3, hot=HOT[n], shared=0, aged=1)
            for n in HOT
        ),
        _event("moved", 103.9, target=0, seconds=0.1, promoted=199, failed={"EBUSY": 1}),
        _event("moved", 105.1, target=1, seconds=0.2, promoted=1, failed=SOME_FAILED),
    ]


def _sample(at: float) -> dict[str, Any]:
    phase = "fast" if at < 94 else "before" if at < START else "promote" if at < 110 else "after"
    hot = 0.0 if at < 103.9 else 0.995 if at < 105.1 else 1.0
    return {"at": at, "phase": phase, "hot": hot, "cold": 0.0}


def _ops() -> str:
    speed = {
        at: 5e6 if at < 94 else 2e6 if at <= START else 4e6 if at <= 110 else 3e6
        for at in range(88, 122)
    }
    speed |= {97: 9e6, 115: 1.0}  # one outlier in each phase, which a median ignores
    return "monotonic_s,ops_per_s\n" + "".join(f"{at}.0,{ops},1.0\n" for at, ops in speed.items())


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put shell scripts of the given text first on PATH; gives their folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def install(**scripts: str) -> Path:
        for name, text in scripts.items():
            path = folder / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(0o755)
        return folder

    return install


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A folder as an experiment leaves it."""
    samples = [{"at": 85.0, "phase": "fill", "hot": 0.0, "cold": 0.0}]
    samples += [_sample(90.2 + number * 0.9) for number in range(33)]
    for name, rows in ((EVENTS, _events()), (SAMPLES, samples)):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / WORKLOAD).mkdir()
    (tmp_path / WORKLOAD / "ops.csv").write_text(_ops())
    return tmp_path


@pytest.fixture
def make_result(recorded: Path) -> MakeResult:
    """Computes the experiment's result, with some of its figures replaced."""

    def make(**change: object) -> Result:
        use = DaemonUse(cpu_share=0.25, cpu_share_steady=0.02, peak_mib=51.5)
        seen = Observed(START, 110.0, END, use, 0.75, thp_splits=0, kernel_promoted=0)
        measured = compute(SCENARIOS["random"], Recording.load(recorded), TRUTH, seen)
        machine = {"accelerator": "kvm", "kernel": "6.12.0", "tier_speeds": None}
        fields: dict[str, Any] = {**measured, **machine, **change}
        return Result(**fields)  # type: ignore[typeddict-item]

    return make
