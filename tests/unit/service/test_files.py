"""The files that the package has are what the code says, and what man, systemd and shells take."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmscand.service.places import EXAMPLE, PLACES
from mmscand.service.plan import Plan

FILES = Path(__file__).resolve().parents[3] / "src/mmscand/service/files"
MANUALS = [place.name for place in PLACES if "/man/" in place.target]


def test_every_file_has_a_place_and_every_place_a_file() -> None:
    assert {path.name for path in FILES.iterdir()} == {place.name for place in PLACES} | {EXAMPLE}


def run(*command: str, **environment: str) -> str:
    """What it prints, on standard error too."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | environment,
    )
    return done.stdout


@pytest.mark.skipif(not shutil.which("mandoc"), reason="there is no mandoc")
@pytest.mark.parametrize("name", MANUALS)
def test_mandoc_finds_nothing_wrong(name: str) -> None:
    said = run("mandoc", "-Tlint", "-Wwarning", str(FILES / name)).splitlines()
    # A page without a date is the same bytes in each build.
    assert [line for line in said if "missing date" not in line] == []


@pytest.mark.skipif(not shutil.which("man"), reason="there is no man")
@pytest.mark.parametrize("name", MANUALS)
def test_man_shows_it_without_a_warning(name: str) -> None:
    page = run("man", "-l", "--warnings", str(FILES / name), MANWIDTH="80", LC_ALL="C.UTF-8")
    assert "<standard input>" not in page  # as troff begins a warning
    assert "SEE ALSO" in page
    assert "\\" not in page
    assert max(map(len, page.splitlines())) <= 100


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with the commands, as an installation has them."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, module in (("mmscand", "mmscand"), ("mmscand-api", "mmscand.api")):
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")
def test_systemd_takes_what_is_installed(tmp_path: Path, programs: Path) -> None:
    """Commands and manual pages that units name are looked for too."""
    for step in Plan(tmp_path, Path("/usr"), programs / "mmscand", True, False).install():
        step.do()
    units = tmp_path / "usr/lib/systemd/system"
    manual = str(tmp_path / "usr/share/man")
    assert (
        run("systemd-analyze", "verify", *map(str, sorted(units.glob("*.s*[et]"))), MANPATH=manual)
        == ""
    )


def in_bash(words: str, programs: Path, program: str = "mmscand") -> set[str]:
    """What bash offers at the end of these words."""
    function = f"_{program.replace('-', '_')}_completion"
    script = f"""
        source {FILES / program}.bash
        complete -p {program} >/dev/null || exit
        COMP_WORDS=({words})
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        {function} {program}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = f"{programs}:{os.environ['PATH']}"
    return set(run("bash", "--norc", "-c", script, PATH=path).split())


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("mmscand re", {"record", "replay", "reset", "reload"}),
        ("mmscand install-service --r", {"--root", "--remove"}),
        ("mmscand set split", {"split_huge_pages="}),
        ("mmscand set policy=fi", {"policy=first-touch"}),
        ("mmscand reset shared_m", {"shared_memory"}),
    ],
)
def test_bash_completes(words: str, offered: set[str], programs: Path) -> None:
    found = in_bash(words, programs)
    assert offered <= found
    assert all(word.startswith(words.rpartition(" ")[2]) for word in found)


def test_bash_completes_the_api(programs: Path) -> None:
    assert in_bash("mmscand-api --li", programs, "mmscand-api") == {"--listen"}


@pytest.mark.skipif(not shutil.which("zsh"), reason="there is no zsh")
def test_zsh_reads_its_file() -> None:
    assert run("zsh", "-n", str(FILES / "_mmscand")) == ""


@pytest.mark.skipif(not shutil.which("fish"), reason="there is no fish")
def test_fish_completes(programs: Path) -> None:
    script = f"source {FILES}/mmscand.fish; complete -C 'mmscand rel'"
    path = f"{programs}:{os.environ['PATH']}"
    assert "reload" in run("fish", "--no-config", "-c", script, PATH=path)
