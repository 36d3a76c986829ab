"""Answers of the daemon, one after another, become one picture."""

from typing import Any

import pytest

from mmscand.errors import MmscandError, UsageError
from mmscand.heatmap.live import gathered_of, watched
from mmscand.heatmap.model import Sum

MIB = 1 << 20


def piece(start: int, end: int, heat: float | None, mapping: int | None = 0) -> dict[str, Any]:
    """All pages in it, a quarter of them fast; addresses in MiB."""
    pages = (end - start) * 256
    return {
        "mapping": mapping,
        "start": start * MIB,
        "end": end * MIB,
        "heat": heat,
        "told_pages": 0 if heat is None else pages,
        "slow_pages": pages * 3 // 4,
        "fast_pages": pages // 4,
    }


def answer(*pieces: dict[str, Any], names: tuple[str, ...] = ("[heap]",)) -> dict[str, Any]:
    mappings = [{"name": name, "start": at << 40, "end": 0} for at, name in enumerate(names, 1)]
    return {"pid": 7, "name": "a\x1bpp", "unit": "rate", "mappings": mappings, "pieces": [*pieces]}


def test_earlier_pieces_count_for_those_that_they_overlap() -> None:
    found = gathered_of(
        [answer(piece(0, 8, 1.0)), answer(piece(0, 4, 2.0), piece(4, 8, None))], [0.0, 1.0], 9.0
    )
    assert found.bands == (("[heap]", 2),)
    assert found.sums[Sum.PRESENT].tolist() == [[1024, 1024]] * 2
    assert found.sums[Sum.SLOW].tolist() == [[768, 768]] * 2
    assert found.sums[Sum.HEAT].tolist() == [[1024, 1024], [2048, 0]]
    assert found.sums[Sum.KNOWN].tolist() == [[1024, 1024], [1024, 0]]
    assert (found.title, found.unit) == (r"a\x1bpp[7]", "rate")


def test_memory_that_is_gone_keeps_its_rows_and_its_name() -> None:
    before = answer(piece(0, 4, 1.0), piece(90, 94, 3.0, 1), names=("[heap]", "/srv/old"))
    after = answer(piece(0, 2, 2.0), piece(2, 4, 2.0))
    found = gathered_of([before, after], [0.0, 1.0], 9.0)
    assert found.bands == (("[heap]", 2), ("/srv/old", 1))
    assert found.sums[Sum.PRESENT, :, 2].tolist() == [1024, 0]


def test_memory_without_a_name_is_called_by_its_address() -> None:
    found = gathered_of([answer(piece(0, 4, 1.0), piece(4, 8, 1.0, None), names=("",))], [0.0], 0.0)
    assert [label for label, _ in found.bands] == ["anon 10000000000", "unmapped"]


def test_nothing_known_yet_is_an_error() -> None:
    with pytest.raises(UsageError, match="nothing is known of its memory yet"):
        gathered_of([answer()], [0.0], 0.0)


class Daemon:
    """Answers so often, then the process is gone."""

    def __init__(self, answers: int) -> None:
        self.left = answers
        self.waits: list[float] = []

    def ask(self) -> dict[str, Any]:
        if not self.left:
            raise UsageError("there is no process 7")
        self.left -= 1
        return answer(piece(0, 4, 1.0))

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return len(self.waits) < 5


def test_it_asks_until_the_time_is_over_or_somebody_has_enough() -> None:
    daemon = Daemon(99)
    assert watched(daemon.ask, 0.0, 1.0, daemon.wait).sums.shape[1] == 1
    assert watched(daemon.ask, 600.0, 1.0, daemon.wait).sums.shape[1] == 5
    assert daemon.waits == [1.0] * 5


def test_what_there_is_is_drawn_when_the_process_exits() -> None:
    daemon = Daemon(2)
    assert watched(daemon.ask, 600.0, 1.0, daemon.wait).sums.shape[1] == 2
    with pytest.raises(MmscandError, match="there is no process"):
        watched(daemon.ask, 600.0, 1.0, daemon.wait)
