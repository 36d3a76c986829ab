"""The end of a demo: mmscand's own commands against a daemon."""

from pathlib import Path

import pytest

from mmscand.control.listener import ControlServer
from mmscand_lab import views
from mmscand_lab.kernel import LabError


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One look in place of five seconds."""
    quick = {**views._VIEWS, "heat.txt": ("heat", "--seconds", "0", "--color", "none")}
    monkeypatch.setattr(views, "_VIEWS", quick)


@pytest.mark.usefixtures("at_once")
def test_the_heat_map_and_the_curve_are_written_and_read(
    server: ControlServer, socket_path: Path, tmp_path: Path
) -> None:
    views.write_views(7, tmp_path, "--socket", str(socket_path))
    seen = views.read_views(tmp_path)
    assert seen.index("scale rank") < seen.index("knee: 3.9 MiB serve 91 %")
    views.remove_views(tmp_path)
    assert views.read_views(tmp_path) == ""


@pytest.mark.usefixtures("at_once")
def test_a_command_that_fails_is_named_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="`mmscand heat` failed: mmscand: no daemon on"):
        views.write_views(7, tmp_path, "--socket", str(tmp_path / "none.sock"))
