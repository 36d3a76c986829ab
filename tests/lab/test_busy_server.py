"""A whole server in one guest, by shipped defaults: what moves, what stays, how the daemon ends."""

from pathlib import Path

import pytest

from mmscand_lab.busy_experiment import run_busy_server
from mmscand_lab.busy_result import rows
from mmscand_lab.programs import as_shipped

_LIMIT_S = 7200.0


@pytest.mark.lab
@pytest.mark.timeout(_LIMIT_S)
def test_a_busy_server_gets_what_is_hot_and_keeps_what_may_not_move(tmp_path: Path) -> None:
    result = run_busy_server(tmp_path, as_shipped(), progress=lambda text, _: print(text))
    table = rows(result)
    for row in table:
        print(f"{row.figure}: {row.value} (target {row.target or 'none'}) {row.word}")
    assert [row.figure for row in table if row.ok is False] == []
