import pytest

from mmscand.errors import ProcessDenied, UsageError
from mmscand.model import Look, Process
from mmscand.scan.selection import choose

RUNNING = [Process(1, 10, "init"), Process(5, 50, "postgres"), Process(6, 60, "postgres")]
LOOK = Look(tuple(RUNNING), frozenset(RUNNING), quiet=False, denied=frozenset({7}))


def test_without_a_wish_every_process_is_watched() -> None:
    assert list(choose(LOOK, [], None)(RUNNING)) == RUNNING


def test_a_pid_means_the_process_that_has_it_now() -> None:
    selection = choose(LOOK, [5], None)
    reused = Process(5, 99, "other")
    assert list(selection([*RUNNING, reused])) == [RUNNING[1]]


def test_a_pattern_takes_later_processes_too() -> None:
    selection = choose(LOOK, [], "^post")
    late = Process(9, 90, "postmaster")
    assert list(selection([*RUNNING, late])) == [*RUNNING[1:], late]


def test_pids_and_a_pattern_add_up() -> None:
    assert list(choose(LOOK, [1], "gres")(RUNNING)) == RUNNING


@pytest.mark.parametrize(
    ("pids", "pattern", "words"),
    [
        ([2], None, "no process 2"),
        ([], "[", "no Python regular expression"),
        ([], "x" * 16, "asks for 16 characters"),
    ],
)
def test_what_names_nothing_is_refused(pids: list[int], pattern: str | None, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        choose(LOOK, pids, pattern)
    assert refused.value.hint


def test_a_pid_that_a_security_module_keeps_from_us_is_there_all_the_same() -> None:
    with pytest.raises(ProcessDenied, match="process 7: a security module"):
        choose(LOOK, [7], None)


def test_a_pattern_that_nothing_matches_yet_waits_and_says_so() -> None:
    selection = choose(LOOK, [], "redis")
    assert "no process has a name that matches 'redis' yet" in selection.waits_for(RUNNING)
    assert selection.waits_for([*RUNNING, Process(9, 90, "redis")]) == ""
    assert choose(LOOK, [1], "redis").waits_for(RUNNING) == ""
    assert choose(LOOK, [], None).waits_for(RUNNING) == ""
