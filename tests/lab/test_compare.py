"""`mmscand lab compare` in a guest: a load that knows its pages, and a server that does not."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from mmscand_lab.experiment import run_contest

_LIMIT_S = 3600.0
"""Ends what hangs: ten times what it takes in emulation on two quiet cores."""
_TOO_SLOW = 40.0
"""Times that a core of the guest is slower than one of the host: 12 to 22 on a quiet host. At 62 a
contest of fixed length has three passes of the daemon in it, and no page moves."""
_HOT_PAGES = (256 << 20) // 4096 // 10
_HOT_SHARE = 0.9
"""Of the accesses of the workload `gups` go to them."""


@pytest.mark.lab
@pytest.mark.timeout(_LIMIT_S)
def test_policies_are_measured_by_what_a_load_knows(tmp_path: Path) -> None:
    runs = run_contest(tmp_path, ["gups"], ["nothing", "mmscand"], [1])
    nothing, ours = (run.figures for run in runs)
    print(nothing, ours)
    assert nothing["hit_share"] == nothing["pages_moved"] == 0
    assert nothing["seconds_to_95"] is None
    _require_moves(ours)
    # Of what moves on a slow host most belongs to the programs around the load.
    hot_up = (ours["hit_share"] or 0) / _HOT_SHARE * _HOT_PAGES
    assert hot_up > 100 or (ours["core_slower_by"] or 0) >= _TOO_SLOW
    assert (ours["wrong_pages"] or 0) <= max(10, hot_up / 4)


@pytest.mark.lab
@pytest.mark.soak
@pytest.mark.timeout(_LIMIT_S)
def test_a_folder_goes_on_where_it_ended_with_a_server_that_knows_no_pages(tmp_path: Path) -> None:
    (first,) = run_contest(tmp_path, ["gups"], ["mmscand"], [1])
    again, redis = run_contest(tmp_path, ["gups", "redis"], ["mmscand"], [1])
    print(again, redis)
    assert again == first
    _require_moves(redis.figures)
    assert redis.figures["memory_share"]
    assert "seconds_to_95" not in redis.figures


def _require_moves(figures: Mapping[str, float | None]) -> None:
    assert figures["ops_alone"]
    assert figures["p99_ms_alone"]
    if (figures["core_slower_by"] or 0) < _TOO_SLOW:
        # A slow host moves fewer pages: 2186 of 6554 once.
        assert (figures["pages_moved"] or 0) > 100
