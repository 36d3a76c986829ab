"""The plug-in and the library are compiled once, and without a compiler there is none."""

import shutil
from pathlib import Path

import pytest

from mmscand_lab.kernel import LabError
from mmscand_lab.slowmem import building
from mmscand_lab.slowmem.building import LIBRARY, PLUGIN, build


@pytest.mark.parametrize("name", [PLUGIN, LIBRARY])
def test_it_is_compiled_once(name: str, tmp_path: Path) -> None:
    made = build(name, tmp_path)
    assert made is not None
    before = made.stat()
    assert build(name, tmp_path) == made
    assert made.stat() == before
    assert list(made.parent.iterdir()) == [made]  # nothing else is left


def test_another_source_has_another_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "touch.c"
    other.write_text("int other(void) { return 1; }")
    first = build(LIBRARY, tmp_path)
    monkeypatch.setattr(building, "_source", lambda name: other)
    assert build(LIBRARY, tmp_path) != first


def test_without_a_compiler_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert build(PLUGIN, tmp_path) is None


def test_what_does_not_compile_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "touch.c"
    bad.write_text("int other(void) { return }")
    monkeypatch.setattr(building, "_source", lambda name: bad)
    with pytest.raises(LabError, match=r"touch.c does not compile: .*expected expression") as error:
        build(LIBRARY, tmp_path)
    assert "\n" not in str(error.value)
