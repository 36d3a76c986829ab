"""The history as a table."""

from pathlib import Path

import pytest

from mmscand.cli.app import main
from support.samples import sample
from unit.history.test_summary import BEGIN, history


def exported(tmp_path: Path, *options: str, code: int = 0) -> Path:
    out = tmp_path / "history.parquet"
    file = str(tmp_path / "history.db")
    arguments = ["export", file, "--history", "--to", "parquet", "--out", str(out), *options]
    assert main(arguments) == code
    return out


def test_each_sample_has_a_line_for_each_number_of_the_daemon_and_of_each_group(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pandas as pd

    groups = {"app": {"promoted": 7}}
    with history(tmp_path, *(sample(1, groups, promoted=n) for n in (100, 110, 130))):
        pass
    period = ["--since", str(BEGIN), "--until", str(BEGIN + 10)]
    frame = pd.read_parquet(exported(tmp_path, *period))
    assert capsys.readouterr().out.endswith(f"history.parquet: {len(frame)} lines\n")
    promoted = frame[(frame.field == "counters") & (frame.key == "promoted") & frame.group.isna()]
    assert promoted.value.to_list() == [100, 110]  # the third is not before the end
    assert str(promoted.time.iloc[1]) == str(pd.Timestamp(BEGIN + 5, unit="s", tz="UTC"))
    assert set(frame.field) >= {"cpu_seconds", "start_timestamp_s"}
    app = frame[frame.group == "app"]
    assert sorted(set(zip(app.field, app.value, strict=True))) == [
        ("processes", 1.0),
        ("promoted_pages", 7.0),
    ]


def test_a_period_without_samples_is_an_empty_table(tmp_path: Path) -> None:
    import pandas as pd

    with history(tmp_path, sample(promoted=1)):
        pass
    period = ["--since", "2001-01-01", "--until", "2001-01-02"]
    assert pd.read_parquet(exported(tmp_path, *period)).empty


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--to", "parquet"]) == 2
    assert "name a recording, or give --history" in capsys.readouterr().err
    assert not exported(tmp_path, "--since", "now", "--until", "1h", code=2).exists()
    assert "is not before" in capsys.readouterr().err
    exported(tmp_path, code=1)
    assert "there is no history in" in capsys.readouterr().err
