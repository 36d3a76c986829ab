"""Command blocks of pages, and how each is run.

A line `<!-- run: WORLD -->` before a block names what the block is run in:

* `here`: an empty folder with a recording, `app.mms`; neither a daemon nor two tiers
* `simulated`: the same, and a daemon on the simulated machine, which watches processes from 1234 on
* `parsed`: it is not run, as it never ends or changes the machine: its `mmscand` lines are parsed
* `guest`: a virtual machine with two tiers (tests/guest/test_3_pages.py)
* `FILE::TEST`: that test runs the same commands; FILE is below tests/

TOML blocks need no line: each is a configuration that `mmscand check --config` accepts.
"""

import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    ROOT / "README.md",
    *sorted((ROOT / "docs/tutorial").glob("*.md")),
    *sorted((ROOT / "docs/how-to").glob("*.md")),
)
SHELL, TRANSCRIPT, CONFIG = "sh", "console", "toml"
NO_COMMANDS = ("text", "diff", "json", "yaml", "ini", "html", "python", "sql", "xml")
"""Languages of blocks that nobody types in."""
_BLOCK = re.compile(
    r"(?:^[ ]*<!-- run: (?P<world>\S+) -->\n\s*?)?"
    r"^(?P<indent>[ ]*)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    language: str
    world: str
    """'' where the page names none."""
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def script(self) -> str:
        """What a person types; of a transcript the lines after a prompt."""
        if self.language != TRANSCRIPT:
            return self.text
        lines = (re.match(r"(?:\$|>) (.*)", line) for line in self.text.splitlines())
        return "".join(f"{line[1]}\n" for line in lines if line)

    @property
    def has_commands(self) -> bool:
        """Whether it is one to run."""
        return self.language in (SHELL, TRANSCRIPT)


def blocks() -> list[Block]:
    """All of PAGES, in order."""
    return [block for page in PAGES for block in blocks_of(page)]


def blocks_of(page: Path) -> Iterator[Block]:
    """Those of one page."""
    text = page.read_text()
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("language")) + 1
        inside = textwrap.dedent(found["text"])
        yield Block(page, line, found["language"], found["world"] or "", inside)


def run_script(script: str, folder: Path, environment: dict[str, str]) -> None:
    """Run commands in bash; AssertionError with their output at the first that fails."""
    # A file, not a pipe: what a block leaves in the background must not keep it open.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
        output.seek(0)
        text = output.read()
    print(text)
    assert done.returncode == 0, f"exit code {done.returncode}:\n{script}\n{text}"


def write_program(folder: Path, name: str, module: str, socket: Path | None = None) -> None:
    """A program in `folder`: `python -m module`, whose commands use this socket of a daemon."""
    asks = "status|ps|why|size|top|get|set|reset|enable|disable|reload|heat"
    cases = f'{asks}) set -- "$1" --socket "{socket}" "${{@:2}}";; '
    cases += f'config) [ "$2" != diff ] || set -- config diff --socket "{socket}" "${{@:3}}";;'
    here = f'case "$1" in {cases} esac\n'
    program = folder / name
    program.write_text(
        f'#!/bin/bash\n{here if socket else ""}exec {sys.executable} -m {module} "$@"\n'
    )
    program.chmod(0o755)
