"""docs/how-to/extend.md: each diff applies, and the test that it adds passes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_DIFF = re.compile(r"<!-- test: (\S+) -->\n```diff\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DIFFS = _DIFF.findall((ROOT / "docs/how-to/extend.md").read_text())


def test_the_page_has_diffs() -> None:
    assert [Path(test).stem for test, _ in DIFFS] == [
        "test_always",
        "test_split_metric",
        "test_devmem",
        "test_arm64",
    ]


@pytest.mark.parametrize(("test", "diff"), DIFFS, ids=[test for test, _ in DIFFS])
def test_a_diff_applies_and_its_test_passes(test: str, diff: str, tmp_path: Path) -> None:
    no_caches = shutil.ignore_patterns("__pycache__")
    for folder in ("src", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=no_caches)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=diff, text=True, check=True)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": "src:tests"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
