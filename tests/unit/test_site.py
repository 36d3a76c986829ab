"""The site is built strictly, and a browser that opens it loads nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_LOADED = re.compile(
    r"""<(?:script|img|iframe|link(?![^>]*rel="(?:canonical|prev|next)"))\b[^>]*
        (?:src|href)=["']?(?:https?:)?//""",
    re.VERBOSE,
)
"""What a browser fetches by itself; a link that a reader follows is none."""


def test_the_site_is_built_without_a_warning_and_loads_nothing_from_elsewhere(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 10
    elsewhere = {
        page.name: found for page in pages if (found := _LOADED.findall(page.read_text("utf-8")))
    }
    assert elsewhere == {}


def test_every_page_is_in_the_table_of_contents() -> None:
    named = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text()))
    there = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert there - named == set()
