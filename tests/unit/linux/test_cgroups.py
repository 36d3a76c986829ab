"""What the first process' cgroup and our own say."""

from pathlib import Path

import pytest

from mmscand.linux.cgroups import cgroup_view


@pytest.mark.parametrize(
    ("own", "first", "view"),
    [
        (b"0::/user.slice\n", b"0::/init.scope\n", "whole"),
        (b"0::/\n", b"0::/../../init.scope\n", "namespace"),
        (b"0::/../x\n", b"0::/\n", "namespace"),
        (b"4:memory:/x\n1:name=systemd:/\n", b"4:memory:/\n", "none"),
        (b"4:memory:/x\n0::/caf\xe9\n", b"0::/\n", "whole"),
    ],
)
def test_how_paths_look(tmp_path: Path, own: bytes, first: bytes, view: str) -> None:
    for pid, text in (("self", own), ("1", first)):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cgroup").write_bytes(text)
    assert cgroup_view(tmp_path) == view


def test_where_nothing_can_be_read_nothing_is_said(tmp_path: Path) -> None:
    assert cgroup_view(tmp_path) == "whole"
