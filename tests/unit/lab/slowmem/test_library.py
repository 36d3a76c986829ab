"""The library does what numpy would do."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from mmscand_lab.building import build_library
from mmscand_lab.kernel import LabError
from mmscand_lab.slowmem import LIBRARY
from mmscand_lab.slowmem.library import TouchLibrary, code_of, code_of_process


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> TouchLibrary:
    path = build_library(LIBRARY, tmp_path_factory.mktemp("cache"))
    assert path is not None
    return TouchLibrary(path)


def test_it_writes_the_first_words_and_no_other(library: TouchLibrary) -> None:
    words = np.zeros(100, dtype=np.uint64)
    library.touch(words, np.array([5, 50, 99, 7], dtype=np.int64), 3, 9)
    assert np.flatnonzero(words == 9).tolist() == [5, 50, 99]


def test_a_chase_comes_where_the_chain_leads(library: TouchLibrary) -> None:
    chain = np.array([2, 0, 1], dtype=np.uint64)
    assert [library.chase(chain, 0, steps) for steps in range(4)] == [0, 2, 1, 0]


def test_its_code_is_where_it_was_loaded(library: TouchLibrary) -> None:
    assert 0 < library.code.begin < library.code.end
    lines = Path("/proc/self/maps").read_text().splitlines()
    begins = [line for line in lines if line.startswith(f"{library.code.begin:x}-")]
    assert len(begins) == 1
    assert "r-xp" in begins[0]


def test_the_code_of_a_process_is_that_of_its_program_and_its_libraries() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()  # its libraries are loaded
        found = code_of_process(process.pid)
        maps = Path(f"/proc/{process.pid}/maps").read_text()
    lines = [line for line in maps.splitlines() if "r-xp" in line and "/" in line]
    assert len(found) == len(lines) > 1
    assert [f"{code.begin:x}-{code.end:x}" for code in found] == [x.split()[0] for x in lines]


def test_a_file_that_is_not_loaded_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="is not loaded"):
        code_of(tmp_path / "touch.so", "55d0-55d1 r--p 00000000 08:01 7 /usr/bin/true\n")
