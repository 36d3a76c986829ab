"""What script/release looks for is found when it is wrong; Debian packages of the tree."""

import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mmscand import __version__
from mmscand.service.places import PLACES

ROOT = Path(__file__).resolve().parents[2]
CHECKS: dict[str, Any] = runpy.run_path(str(ROOT / "packaging/release_checks.py"))
needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="there is no dpkg-deb")
SDIST = f"mmscand-{__version__}"
LAB = f"mmscand_lab-{__version__}"


def wheel_of_the_tree(folder: Path) -> Path:
    """As setuptools packs it, but for metadata."""
    wheel = folder / f"{SDIST}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        for path in sorted((ROOT / "src").rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and "egg-info" not in str(path):
                packed.write(path, path.relative_to(ROOT / "src"))
        for name in ("METADATA", "RECORD"):
            packed.writestr(f"{SDIST}.dist-info/{name}", "")
    return wheel


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """What a build leaves."""
    folder = tmp_path / "dist"
    folder.mkdir()
    wheel_of_the_tree(folder)
    with tarfile.open(folder / f"{SDIST}.tar.gz", "w:gz") as packed:
        wanted = [f"src/{CHECKS['SERVICE']}{name}" for name in CHECKS["WANTED"]]
        for name in (*wanted, *CHECKS["IN_SDIST"]):
            packed.add(ROOT / name, f"{SDIST}/{name}")
    for name in (f"{LAB}-py3-none-any.whl", f"{LAB}.tar.gz"):
        (folder / name).write_bytes(b"")
    return folder


def problems(dist: Path, root: Path = ROOT) -> list[str]:
    return list(CHECKS["problems"](dist, root))


def test_a_whole_build_has_no_problem(dist: Path) -> None:
    assert problems(dist) == []


def test_what_was_not_built_is_named(dist: Path) -> None:
    for path in dist.iterdir():
        path.unlink()
    assert len(problems(dist)) == 4


def test_a_wheel_without_units_or_with_more_than_the_package_is_named(dist: Path) -> None:
    wheel = dist / f"{SDIST}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr("tests/test_x.py", "")
    found = problems(dist)
    assert len(found) == len(CHECKS["WANTED"]) + 1
    assert f"{wheel.name} lacks mmscand.service" in found


def test_versions_have_to_agree(dist: Path, tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    for name in ("pyproject.toml", "lab/pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 9.0 (unreleased)\n")
    assert problems(dist, tmp_path) == [
        f"CHANGELOG.md begins with 9.0, and pyproject.toml has {__version__}"
    ]


def test_a_source_distribution_is_the_same_bytes_whenever_it_was_made(tmp_path: Path) -> None:
    files = [tmp_path / "one.tar.gz", tmp_path / "another.tar.gz"]
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    for number, (file, names) in enumerate(zip(files, ("ab", "ba"), strict=True)):
        with tarfile.open(file, "w:gz") as packed:
            for name in names:
                member = packed.gettarinfo(tmp_path / name, name)
                member.mtime, member.uid, member.uname = time.time() - number, number, f"u{number}"
                with (tmp_path / name).open("rb") as content:
                    packed.addfile(member, content)
        CHECKS["normalize"](file, 1_700_000_000)
    assert files[0].read_bytes() == files[1].read_bytes()
    with tarfile.open(files[0]) as packed:
        assert [(each.name, each.mtime) for each in packed] == [
            ("a", 1_700_000_000),
            ("b", 1_700_000_000),
        ]


@pytest.fixture(scope="module")
def debs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built twice."""
    folder = tmp_path_factory.mktemp("debs")
    wheel = wheel_of_the_tree(folder)
    for name in ("one", "another"):
        subprocess.run(
            [ROOT / "packaging/deb/build", "--wheel", wheel, folder / name],
            check=True,
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHON": sys.executable,
                "SOURCE_DATE_EPOCH": "1700000000",
            },
        )
    return folder


def contents(deb: Path) -> set[str]:
    listed = subprocess.run(
        ["dpkg-deb", "--contents", deb], capture_output=True, text=True, check=True
    )
    lines = [line.split() for line in listed.stdout.splitlines()]
    assert {line[1] for line in lines} == {"root/root"}
    return {line[5].removeprefix("./") for line in lines if not line[5].endswith("/")}


@needs_dpkg
def test_debian_packages_are_the_same_bytes_in_each_build(debs: Path) -> None:
    for path in (debs / "one").iterdir():
        assert path.read_bytes() == (debs / "another" / path.name).read_bytes()


@needs_dpkg
def test_debian_packages_have_all_files_once(debs: Path) -> None:
    daemon = contents(debs / f"one/mmscand_{__version__}_all.deb")
    api = contents(debs / f"one/mmscand-api_{__version__}_all.deb")
    assert daemon & api == set()
    for place in PLACES:
        name = f"usr/{place.target}" + (".gz" if "/man/" in place.target else "")
        assert name in daemon | api
    assert {"etc/mmscand.toml", "usr/bin/mmscand"} <= daemon
    assert not [name for name in daemon if name.endswith((".pyc", "RECORD"))]
    assert not [name for name in api if name.endswith(".py")]


@needs_dpkg
def test_debian_packages_ask_for_the_floors(debs: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for package, extras in (("mmscand", []), ("mmscand-api", ["api"])):
        deb = debs / f"one/{package}_{__version__}_all.deb"
        depends = subprocess.run(
            ["dpkg-deb", "--field", deb, "Depends"], capture_output=True, text=True, check=True
        ).stdout
        has = dict(re.findall(r"python3-([\w-]+) \(>= (?:1:)?([\d.]+)\)", depends))
        wanted = [line for extra in extras for line in project["optional-dependencies"][extra]]
        wanted += project["dependencies"] if not extras else []
        assert has == dict(line.split(">=") for line in wanted)
