"""The changelog by fragments: each file of changes/ has an area, and is in the next version."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AREAS = [
    area["directory"]
    for area in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]["type"]
]


def fragments() -> list[Path]:
    return sorted((ROOT / "changes").glob("*.md"))


def test_each_fragment_has_an_area_and_one_paragraph() -> None:
    for path in fragments():
        assert path.name.count(".") == 2 and path.name.split(".")[1] in AREAS, path.name
        text = path.read_text()
        assert text.endswith("\n") and "\n\n" not in text and not text.startswith("*"), path.name


def test_all_fragments_are_in_the_draft_of_the_next_version(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "CHANGELOG.md"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    (tmp_path / "changes").mkdir()
    (tmp_path / "changes/template.md.jinja").write_text(
        (ROOT / "changes/template.md.jinja").read_text()
    )
    for area in AREAS:
        (tmp_path / f"changes/a-change.{area}.md").write_text(f"Something of {area}.\n")
    subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--keep", "--version", "9.0"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    older = next(line for line in lines if line.startswith("* "))
    _, _, below = (tmp_path / "CHANGELOG.md").read_text().partition("(unreleased)\n")
    for area in AREAS:
        assert below.index(f"* Something of {area}.") < below.index(older)
