"""Parts in C are compiled once, and without a compiler there are none."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mmscand_lab.building import build_library, build_program
from mmscand_lab.kernel import LabError
from mmscand_lab.kvm import MACHINE
from mmscand_lab.slowmem import LIBRARY, PLUGIN


@pytest.mark.parametrize("source", [PLUGIN, LIBRARY])
def test_it_is_compiled_once(source: Path, tmp_path: Path) -> None:
    made = build_library(source, tmp_path)
    assert made is not None
    before = made.stat()
    assert build_library(source, tmp_path) == made
    assert made.stat() == before
    assert list(made.parent.iterdir()) == [made]  # nothing else is left


def test_a_program_needs_no_library(tmp_path: Path) -> None:
    made = build_program(MACHINE, tmp_path)
    assert made is not None
    said = subprocess.run(["file", str(made)], capture_output=True, text=True, check=True).stdout
    assert "statically linked" in said


def test_another_source_has_another_place(tmp_path: Path) -> None:
    other = tmp_path / "touch.c"
    other.write_text("int other(void) { return 1; }")
    assert build_library(LIBRARY, tmp_path) != build_library(other, tmp_path)


def test_without_a_compiler_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert build_library(PLUGIN, tmp_path) is None


def test_what_does_not_compile_is_one_line(tmp_path: Path) -> None:
    bad = tmp_path / "touch.c"
    bad.write_text("int other(void) { return }")
    with pytest.raises(LabError, match=r"touch.c does not compile: .*expected expression") as error:
        build_library(bad, tmp_path)
    assert "\n" not in str(error.value)
