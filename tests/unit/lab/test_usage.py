"""CPU time of processes, some of which end meanwhile."""

import subprocess
from collections.abc import Callable

import psutil
import pytest

from mmscand_lab.usage import cpu_seconds, system_seconds


@pytest.mark.parametrize("seconds", [cpu_seconds, system_seconds])
def test_a_process_that_has_ended_counts_nothing(
    seconds: Callable[[list[psutil.Process]], float],
) -> None:
    with subprocess.Popen(["true"]) as ended:
        gone = psutil.Process(ended.pid)
    own = psutil.Process()
    assert seconds([gone]) == 0
    assert seconds([own, gone]) >= seconds([own]) - 1 > -1
