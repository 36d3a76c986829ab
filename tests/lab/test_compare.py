"""`mmscand lab compare` in a guest: a load that knows its pages, and a server that does not."""

from pathlib import Path

import pytest

from mmscand_lab.experiment import run_contest

_LIMIT_S = 3600.0
"""Ends what hangs: ten times what it takes in emulation on two quiet cores."""


@pytest.mark.lab
@pytest.mark.timeout(_LIMIT_S)
def test_ways_of_tiering_are_measured_by_what_a_load_knows(tmp_path: Path) -> None:
    runs = run_contest(tmp_path, ["gups"], ["nothing", "mmscand"], [1])
    runs = run_contest(tmp_path, ["gups", "redis"], ["mmscand"], [1])
    for run in runs:
        print(run)
    nothing, ours, redis = (run.figures for run in runs)
    assert nothing["hit_share"] == nothing["pages_moved"] == 0
    assert nothing["seconds_to_95"] is None
    for figures, share in ((ours, "hit_share"), (redis, "memory_share")):
        moved, level = figures["pages_moved"], figures[share]
        assert moved is not None
        assert moved > 1000
        assert level is not None
        # A tenth of the memory of the server; a third of the accesses, which a tenth of the pages
        # at random would not have.
        assert level > (0.3 if share == "hit_share" else 0.05)
        assert figures["ops_alone"]
        assert figures["p99_ms_alone"]
    assert "seconds_to_95" not in redis
