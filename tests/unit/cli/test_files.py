"""A disk that is full is named."""

import shutil
from pathlib import Path

import pytest

from mmscand.cli.files import os_errors_named, write_text
from mmscand.errors import MmscandError


def test_a_full_disk_is_named_though_its_error_does_not() -> None:
    with pytest.raises(MmscandError, match="cannot write /dev/full: No space left on device: free"):
        write_text(Path("/dev/full"), "x")


def test_the_file_that_the_error_names_is_the_one(tmp_path: Path) -> None:
    missing = tmp_path / "none" / "file"
    with (
        pytest.raises(MmscandError, match=f"cannot write {missing}: No such file"),
        os_errors_named(tmp_path),
    ):
        missing.write_text("x")


def test_an_error_that_is_not_the_kernels_says_what_it_is(tmp_path: Path) -> None:
    reported = os_errors_named(tmp_path)
    with pytest.raises(MmscandError, match="3 files are there already"), reported:
        raise shutil.Error("3 files are there already")
