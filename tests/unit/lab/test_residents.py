"""Forks that a busy server consists of; where memory goes is tried in tests/lab."""

import json
import subprocess
import sys
from typing import Any

from mmscand_lab import residents
from mmscand_lab.residents import Resident


def run(code: str) -> list[dict[str, Any]]:
    """The lines that a Python prints which has both modules."""
    argv = [sys.executable, "-c", f"from mmscand_lab import crowd, residents; import os; {code}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_one_that_cannot_live_says_so_in_one_line() -> None:
    live = "lambda: open('/nonexistent')"
    (answer,) = run(f"os.waitpid(residents.start('kvm', {live}), 0)")
    assert answer["error"].startswith("kvm: FileNotFoundError")


def test_one_that_lives_has_its_name_and_says_where_its_memory_is() -> None:
    live = "lambda: (residents._area(3).say(open('/proc/self/comm').read()), os._exit(0))"
    (answer,) = run(f"os.waitpid(residents.start('pinned', {live}), 0)")
    found = Resident(**answer)
    assert (found.name, found.pages, found.address % residents.PAGE) == ("pinned\n", 3, 0)


def test_pages_are_touched_one_byte_each() -> None:
    area = residents._area(4)
    area.touch(3)
    assert [area.memory[page * residents.PAGE] for page in range(4)] == [1, 1, 1, 0]
    assert area.memory[1] == 0


def test_a_storm_leaves_nobody_behind() -> None:
    left = "print(int(os.popen('ps -o pid= --ppid %d | wc -l' % os.getpid()).read()) - 1)"
    assert run(f"crowd._storm(45); {left}") == [{"storm": 45}, 0]


def test_names_are_what_the_kernel_takes() -> None:
    assert len(residents.CONTAINER_NAME) <= 15
    assert b"\n" in residents.CONTAINER_NAME
    assert b"\n" not in residents.CONTAINER_CGROUP
