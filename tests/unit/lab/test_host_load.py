"""CPU time of others, as the host counts it and the guest reads it."""

import os
import time
from pathlib import Path

import pytest

from mmscand_lab import host_load
from mmscand_lab.host_load import HostLoad, others_cpu_s


def test_what_this_process_uses_is_not_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = [100.0]
    monkeypatch.setattr(host_load, "_busy_s", lambda: busy[0])
    load = HostLoad(tmp_path)
    begun = time.process_time()
    while time.process_time() < begun + 0.3:
        os.getpid()
    busy[0] += 10.3
    load.write()
    reported = others_cpu_s(tmp_path)
    assert reported is not None
    assert 9.5 < reported < 10.15  # /proc counts in ticks of 10 ms


def test_nobody_reports_without_a_host_or_in_the_middle_of_a_word(tmp_path: Path) -> None:
    assert others_cpu_s(tmp_path) is None
    (tmp_path / "others-cpu").write_text("")
    assert others_cpu_s(tmp_path) is None
