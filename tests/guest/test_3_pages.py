"""Tutorial and how-to pages, typed in this guest: each page's commands in one shell."""

import os
import sys
from pathlib import Path

import pytest

from support.page_blocks import PAGES, ROOT, blocks_of, run_script

_SCRIPTS = {
    page: "".join(block.script for block in blocks_of(page) if block.world == "guest")
    for page in PAGES
}


@pytest.mark.parametrize(
    "page", [page for page, script in _SCRIPTS.items() if script], ids=lambda page: page.stem
)
def test_commands_of_a_page(page: Path) -> None:
    programs = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "COLUMNS": "100",
        "LINES": "40",
    }
    run_script(_SCRIPTS[page], ROOT, environment)
