"""What script/release does to files and asks of them. Standard library alone."""

import gzip
import io
import re
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

SERVICE = "mmscand/service/files/"
WANTED = ("mmscand.service", "mmscand.8", "mmscand.toml.5", "mmscand.bash", "_mmscand")
WANTED += ("mmscand.fish", "mmscand.toml", "mmscand-api.service", "mmscand-api.socket")
IN_SDIST = ("LICENSE", "README.md", "CHANGELOG.md", "tests/unit/test_start.py", "docs/index.md")
_TOP = re.compile(r"^## (\S+) \((.+)\)$", re.MULTILINE)


def normalize(sdist: Path, epoch: int) -> None:
    """The same files with one time, one owner and in one order.

    setuptools writes the times of files, the time of the build, and the builder's name.
    """
    with tarfile.open(sdist) as old:
        members = sorted(old.getmembers(), key=lambda member: member.name)
        contents = [(each, old.extractfile(each) if each.isfile() else None) for each in members]
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as new:
            for member, content in contents:
                member.mtime, member.uid, member.gid = epoch, 0, 0
                member.uname = member.gname = "root"
                member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
                member.pax_headers = {}
                new.addfile(member, content)
    with sdist.open("wb") as file, gzip.GzipFile("", "wb", 9, file, epoch) as zipped:
        zipped.write(packed.getvalue())


def problems(dist: Path, root: Path) -> Iterator[str]:
    """What is wrong with the built packages of this tree, in words."""
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    lab = tomllib.loads((root / "lab/pyproject.toml").read_text())["project"]["version"]
    top = _TOP.search((root / "CHANGELOG.md").read_text())
    if top is None or top[1] != version:
        found = "no version" if top is None else top[1]
        yield f"CHANGELOG.md begins with {found}, and pyproject.toml has {version}"
    if lab != version:
        yield f"lab/pyproject.toml has {lab}, and pyproject.toml {version}"
    yield from _missing_in_wheel(dist / f"mmscand-{version}-py3-none-any.whl", version)
    yield from _missing_in_sdist(dist / f"mmscand-{version}.tar.gz", f"mmscand-{version}")
    for name in (f"mmscand_lab-{version}-py3-none-any.whl", f"mmscand_lab-{version}.tar.gz"):
        if not (dist / name).is_file():
            yield f"{name} was not built"


def _missing_in_wheel(wheel: Path, version: str) -> Iterator[str]:
    if not wheel.is_file():
        yield f"{wheel.name} was not built"
        return
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        yield from (f"{wheel.name} lacks {name}" for name in WANTED if SERVICE + name not in names)
        for name in names:
            if not name.startswith(("mmscand/", f"mmscand-{version}.dist-info/")):
                yield f"{wheel.name} has {name}, which is no part of it"
        manual = (
            packed.read(SERVICE + "mmscand.8").decode() if SERVICE + "mmscand.8" in names else ""
        )
    if manual and f"mmscand {version}" not in manual.replace(r"\-", "-"):
        yield f"mmscand(8) is of another version than {version}: run script/reference"


def _missing_in_sdist(sdist: Path, folder: str) -> Iterator[str]:
    if not sdist.is_file():
        yield f"{sdist.name} was not built"
        return
    with tarfile.open(sdist) as packed:
        names = set(packed.getnames())
    wanted = [f"src/{SERVICE}{name}" for name in WANTED] + list(IN_SDIST)
    yield from (f"{sdist.name} lacks {name}" for name in wanted if f"{folder}/{name}" not in names)


def main(arguments: list[str]) -> int:
    """`normalize EPOCH SDIST...` or `check DIST ROOT`."""
    verb, first, *others = arguments
    if verb == "normalize":
        for sdist in others:
            normalize(Path(sdist), int(first))
        return 0
    found = list(problems(Path(first), Path(others[0])))
    for problem in found:
        print(f"release: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
