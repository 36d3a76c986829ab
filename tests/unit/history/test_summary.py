"""What a period brought: sums over restarts of both programs, and gaps."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mmscand.errors import MmscandError
from mmscand.history.changes import Change
from mmscand.history.reader import HistoryReader, reading, step_for
from mmscand.history.summary import summary_of
from mmscand.history.writer import HistoryWriter
from mmscand.model import Process
from mmscand.observe.counters import Counters
from mmscand.observe.events import Moved
from mmscand.reasons import failures
from support.samples import sample

BEGIN = 1_700_000_000


@contextmanager
def history(tmp_path: Path, *samples: dict[str, Any], step: int = 5) -> Iterator[HistoryReader]:
    with HistoryWriter(tmp_path / "history.db") as writer:
        for number, each in enumerate(samples):
            writer.add(BEGIN + number * step, each)
    with reading(tmp_path / "history.db") as reader:
        yield reader


def test_what_was_before_the_period_does_not_count(tmp_path: Path) -> None:
    counts = [100, 110, 130, 160, 200]
    with history(tmp_path, *(sample(promoted=each) for each in counts)) as reader:
        found = summary_of(reader, BEGIN + 10, BEGIN + 20, BEGIN + 100)
        assert found.counters["promoted"] == 50  # from the sample before it on
        assert found.samples == 2
        assert found.cpu_s == {"scanning": pytest.approx(0.05)}
        everything = summary_of(reader, BEGIN - 60, BEGIN + 60, BEGIN + 60)
        assert everything.counters["promoted"] == 100


def test_a_daemon_that_was_started_again_begins_at_0(tmp_path: Path) -> None:
    samples = [sample(1, promoted=100), sample(2, promoted=130), sample(2, promoted=140)]
    with history(tmp_path, *samples) as reader:
        found = summary_of(reader, BEGIN, BEGIN + 60, BEGIN + 60)
        assert found.counters["promoted"] == 140


def test_sums_of_groups_begin_at_0_with_each_mmscand_api(tmp_path: Path) -> None:
    def of(**groups: float) -> dict[str, Any]:
        return sample(groups={name: {"saved_s": value} for name, value in groups.items()})

    with history(tmp_path, of(a=5), of(a=7, b=1), of(b=2), of(a=1, b=0.5)) as reader:
        found = summary_of(reader, BEGIN, BEGIN + 60, BEGIN + 60)
        assert {name: each["saved_s"] for name, each in found.groups.items()} == {
            "a": 2 + 1,
            "b": 1 + 1 + 0.5,
        }
        assert found.saved_s == 5.5


def test_failures_are_by_reason(tmp_path: Path) -> None:
    samples = [sample(failed_EBUSY=1), sample(failed_EBUSY=4, failed_ENOMEM=2, shared=7)]
    with history(tmp_path, *samples) as reader:
        found = summary_of(reader, BEGIN, BEGIN + 60, BEGIN + 60)
        assert found.failed == {"EBUSY": 3, "ENOMEM": 2}
        assert found.kept_back == {"shared": 7, "held": 0, "bound": 0}


def test_gaps_are_reported_and_the_future_is_none(tmp_path: Path) -> None:
    with history(tmp_path, *[sample()] * 60) as reader:
        found = summary_of(reader, BEGIN - 200, BEGIN + 1000, BEGIN + 400)
        assert found.missing_s == 200
        found = summary_of(reader, BEGIN + 5000, BEGIN + 6000, BEGIN + 9000)
        assert (found.samples, found.missing_s, found.counters) == (0, 1000, {})


def test_changes_are_those_of_the_period(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path / "history.db") as writer:
        for at in (0, 5, 10):
            writer.add(BEGIN + at, None, [Change("setting", f"at {at}")])
    with reading(tmp_path / "history.db") as reader:
        found = summary_of(reader, BEGIN + 5, BEGIN + 10, BEGIN + 60)
        assert [each.words for each in found.changes] == ["at 5"]


def test_of_each_step_the_last_sample_is_read(tmp_path: Path) -> None:
    with history(tmp_path, *(sample(promoted=each) for each in range(24))) as reader:
        every = [each.time - BEGIN for each in reader.samples(BEGIN + 5, BEGIN + 100)]
        assert every == list(range(5, 100, 5))
        # Steps are those of Unix time, of which BEGIN is 20 s behind a whole minute.
        found = [each.time - BEGIN for each in reader.samples(BEGIN + 5, BEGIN + 100, 60)]
        assert found == [35, 95]
        assert [each.time - BEGIN for each in reader.samples(BEGIN, BEGIN + 35, 60)] == [30]
        assert list(reader.samples(BEGIN + 500, BEGIN + 900, 60)) == []


def test_an_answer_has_no_more_samples_than_it_may() -> None:
    assert step_for(0, 60) == 5
    assert step_for(0, 60, 30) == 30
    assert 365 * 86_400 / step_for(0, 365 * 86_400) <= 720


def test_what_is_no_history_is_reported(tmp_path: Path) -> None:
    with pytest.raises(MmscandError, match="there is no history"), reading(tmp_path / "none"):
        pass
    (tmp_path / "junk").write_text("junk" * 5000)
    with pytest.raises(MmscandError, match="cannot be read"), reading(tmp_path / "junk"):
        pass


def test_failures_are_those_that_the_counters_count() -> None:
    counters = Counters()
    counters(Moved(Process(1, 1, "app"), 0, 0.1, 5, 0, {"ENOMEM": 7, "EBUSY": 2}))
    assert failures(counters.total()) == {"EBUSY": 2, "ENOMEM": 7}
