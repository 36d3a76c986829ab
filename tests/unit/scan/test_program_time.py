"""Seconds in which a process stood still are no observation of its memory."""

import pytest

from mmscand.scan.idle import ProgramTime


class Program:
    """Uses CPU time at a rate."""

    def __init__(self) -> None:
        self.now = 0.0
        self._cpu_s = 100.0
        self.time = ProgramTime(lambda: round(self._cpu_s * 1e9))
        self.time.stood_still(self.now)

    def run(self, seconds: float, cores: float) -> float:
        """Seconds in which it is said to have stood still."""
        self.now += seconds
        self._cpu_s += seconds * cores
        return self.time.stood_still(self.now)


@pytest.mark.parametrize("cores", [0.05, 1.0, 16.0])
def test_a_program_that_runs_as_usual_does_not_stand_still(cores: float) -> None:
    program = Program()
    assert [program.run(0.25, cores * busy) for busy in (1.0, 0.8, 1.1, 0.7, 0.9)] == [0.0] * 5


def test_a_program_that_waits_for_its_pages_stands_still() -> None:
    program = Program()
    program.run(1.0, 1.0)
    assert program.run(0.8, 0.0) == pytest.approx(0.8)
    assert program.run(1.0, 0.25) == pytest.approx(0.75, abs=0.08)
    assert program.run(1.0, 1.0) == 0.0


def test_a_program_that_needs_less_from_now_on_is_believed_to() -> None:
    program = Program()
    program.run(1.0, 1.0)
    lost = [program.run(1.0, 0.2) for _ in range(20)]
    assert lost[0] > 0.7
    assert lost[-8:] == [0.0] * 8


def test_what_is_too_short_to_judge_is_reported_with_what_follows() -> None:
    program = Program()
    program.run(1.0, 1.0)
    assert [program.run(0.01, 0.0) for _ in range(4)] == [0.0] * 4
    assert program.run(0.01, 0.0) == pytest.approx(0.05)


def test_a_process_that_does_next_to_nothing_has_no_usual_cpu_time() -> None:
    program = Program()
    program.run(1.0, 0.005)
    assert program.run(1.0, 0.0) == 0.0


def test_time_asleep_counts_once() -> None:
    program = Program()
    program.run(1.0, 1.0)
    program.now += 60.0
    assert program.time.slept(program.now) == pytest.approx(60.0)
    assert program.run(1.0, 1.0) == 0.0
