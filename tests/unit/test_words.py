"""Words: spelling, and phrases of tests/words.txt that are gone from the tree."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "tests/words.txt"
PLACES = (
    "src lab tests docs benchmarks script packaging changes README.md CHANGELOG.md CONTRIBUTING.md"
)
_NO_TEXT = (".png", ".json", ".mms", ".npz")


def files() -> list[Path]:
    """Files of the checkout with words in them, but for the list itself."""
    found = [place for name in PLACES.split() for place in (ROOT / name, *(ROOT / name).rglob("*"))]
    return [
        path
        for path in found
        if path.is_file()
        and path.suffix not in _NO_TEXT
        and path != LIST
        and not {"__pycache__", "data"} & set(path.parts)
        and not any(part.endswith(".egg-info") for part in path.parts)
    ]


def phrases() -> Iterator[tuple[re.Pattern[str], str]]:
    """Each phrase, and what to write instead."""
    for line in LIST.read_text().splitlines():
        if line and not line.startswith("#"):
            phrase, instead = re.split(r" {2,}", line)
            yield re.compile(phrase), instead


def test_phrases_of_the_list_are_gone() -> None:
    wanted = list(phrases())
    any_of_them = re.compile("|".join(phrase.pattern for phrase, _ in wanted), re.MULTILINE)
    texts = ((path, path.read_text(encoding="utf-8").replace("_", " ")) for path in files())
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]!r}: {instead}"
        for path, text in texts
        if any_of_them.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        for phrase, instead in wanted
        if (match := phrase.search(line))
    ]
    assert found == [], "\n" + "\n".join(found)


def test_each_phrase_has_a_replacement_that_is_not_on_the_list() -> None:
    wanted = list(phrases())
    assert len(wanted) > 20
    for phrase, instead in wanted:
        assert instead
        assert not any(other.search(instead) for other, _ in wanted), phrase


def test_spelling() -> None:
    command = [sys.executable, "-m", "codespell_lib", *map(str, files())]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
