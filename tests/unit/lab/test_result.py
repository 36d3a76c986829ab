"""From recordings to figures."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mmscand_lab import result as results_of
from mmscand_lab.kernel import LabError
from mmscand_lab.result import EVENTS, RESULT, Recording, Result
from mmscand_lab.samples import SAMPLES

MakeResult = Callable[..., Result]


def test_figures_of_a_known_experiment(make_result: MakeResult) -> None:
    result = make_result()
    assert (result["hot_promoted_share"], result["cold_promoted_share"]) == (1.0, 0.0)
    assert (result["pages_hot"], result["pages_cold"]) == (200, 800)
    assert result["app_ops_per_s_before"] == 2e6
    assert result["app_ops_per_s_after"] == 3e6
    assert result["app_ops_ratio"] == 1.5
    assert result["pages_promoted"] == 200
    assert result["pages_promoted_to"] == {"0": 199, "1": 1}
    assert result["pages_failed"] == {"EBUSY": 3, "ENOMEM": 4}
    assert result["daemon_start_s"] == pytest.approx(2.0)
    assert result["passes"] == 15


def test_moments_are_those_of_the_batches(make_result: MakeResult) -> None:
    result = make_result()
    # The first sample that shows 99 % is at 104.6, when another pass is over.
    assert result["seconds_to_99"] == pytest.approx(3.9)
    assert result["seconds_to_99_9"] == pytest.approx(5.1)
    assert result["passes_to_99_9"] == 3


def test_passes_are_no_fewer_than_it_took_to_find_the_pages(make_result: MakeResult) -> None:
    result = make_result()
    # The batch was through at 103.9, before the pass that found its pages ended at 104.
    assert (result["pass_found_99"], result["passes_to_99"]) == (2, 2)
    assert result["pass_found_99_9"] == 3


def test_what_moves_until_a_pass_reads_was_found_by_the_one_before(recorded: Path) -> None:
    rows = [
        {"event": "pass_start", "at": 10.0, "number": 1},
        {
            "event": "pass_end",
            "at": 11.0,
            "seconds": 1.0,
            "number": 1,
            "hot": 60,
            "shared": 0,
            "aged": 1,
        },
        {"event": "moved", "at": 11.5, "seconds": 0.2, "promoted": 60, "failed": {}},
        {"event": "pass_start", "at": 12.0, "number": 2},
        # Its seconds begin with the clearing of bits, before these pages moved.
        {
            "event": "pass_end",
            "at": 13.0,
            "seconds": 1.9,
            "number": 2,
            "hot": 40,
            "shared": 0,
            "aged": 1,
        },
    ]
    (recorded / EVENTS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert Recording.load(recorded).finding_pass(0.99, 100) == 2


def test_a_read_that_clears_no_bit_is_part_of_the_pass_before(recorded: Path) -> None:
    counts = {"seconds": 0.1, "shared": 0}
    rows = [
        {"event": "pass_end", "at": 10.0, "number": 1, "hot": 0, "aged": 100, **counts},
        {"event": "pass_end", "at": 11.0, "number": 2, "hot": 0, "aged": 0, **counts},
        {"event": "pass_end", "at": 12.0, "number": 3, "hot": 100, "aged": 0, **counts},
    ]
    (recorded / EVENTS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    recording = Recording.load(recorded)
    assert recording.finding_pass(0.99, 100) == 2
    assert recording.passes_until(11.5, None) == 1


def test_passes_that_end_while_pages_are_moved_count(recorded: Path) -> None:
    record = Recording.load(recorded)
    assert record.passes_until(105.5, 2) == 3
    assert record.passes_until(105.5, None) == 3


def test_a_batch_of_pages_that_are_up_already_is_not_the_one(recorded: Path) -> None:
    again = {"event": "moved", "at": 104.2, "seconds": 0.1, "promoted": 50, "failed": {}}
    append(recorded / EVENTS, again)
    assert Recording.load(recorded).reached(0.99, 200, 100.0) == pytest.approx(103.9)


def test_a_share_that_another_hand_brought_up_has_the_moment_before_its_sample(
    recorded: Path,
) -> None:
    lines = [line for line in (recorded / EVENTS).read_text().splitlines() if "moved" not in line]
    (recorded / EVENTS).write_text("\n".join(lines))
    reached = Recording.load(recorded).reached(0.99, 200, 100.0)
    assert reached == pytest.approx(103.7)  # the last sample that did not show it


def test_what_was_never_reached_is_none(recorded: Path) -> None:
    record = Recording.load(recorded)
    assert record.reached(1.1, 200, 100.0) is None
    assert record.passes_until(None, 3) is None


def test_a_daemon_that_did_nothing_gives_figures_too(
    recorded: Path, make_result: MakeResult
) -> None:
    (recorded / EVENTS).write_text("")
    (recorded / "workload" / "ops.csv").write_text("monotonic_s,ops_per_s\n")
    result = make_result()
    assert (result["passes"], result["pages_promoted"], result["pages_failed"]) == (0, 0, {})
    assert result["daemon_start_s"] is None
    assert result["app_ops_ratio"] == 0.0


def test_no_samples_is_an_error(recorded: Path, make_result: MakeResult) -> None:
    (recorded / SAMPLES).write_text("")
    with pytest.raises(LabError, match="no sample"):
        make_result()


def test_saved_result_comes_back_and_leaves_no_part(
    make_result: MakeResult, tmp_path: Path
) -> None:
    result = make_result()
    results_of.save(result, tmp_path / RESULT)
    assert results_of.load(tmp_path) == result
    assert not list(tmp_path.glob("*.part"))


def test_without_a_result_the_error_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no result") as caught:
        results_of.load(tmp_path)
    assert str(tmp_path) in caught.value.hint


def append(path: Path, row: dict[str, object]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")
