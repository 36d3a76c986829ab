"""PostgreSQL's shared buffers, by the pages' contents: hot ones are promoted if that is allowed."""

from pathlib import Path

import pytest

from mmscand_lab.experiment import run_postgres

_LIMIT_S = 3600.0


@pytest.mark.lab
@pytest.mark.timeout(_LIMIT_S)
@pytest.mark.parametrize(
    "shared_memory", [True, pytest.param(False, marks=pytest.mark.soak)], ids=["shared", "left"]
)
def test_shared_buffers_that_are_read_are_promoted_if_shared_memory_is_allowed(
    shared_memory: bool, tmp_path: Path
) -> None:
    found = run_postgres(tmp_path, shared_memory=shared_memory)
    print(found)
    assert found["pages_hot"] > 1500
    assert found["pages_cold"] > 5 * found["pages_hot"]
    if shared_memory:
        assert found["hot_promoted_share"] >= 0.95
        assert found["cold_promoted_share"] <= 0.01
    else:
        assert found["hot_promoted_share"] == 0
