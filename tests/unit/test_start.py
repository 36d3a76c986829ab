"""What a command imports: most of the time and memory of a start are imports.

script/bench start measures both; this holds the modules, which no noise of the machine changes.
"""

import json
import os
import subprocess
import sys

HTTP = {"fastapi", "starlette", "uvicorn", "httpx", "h11", "anyio", "asyncio", "pydantic"}
TERMINAL = {"rich", "typer", "click"}
MODULES_AFTER = """
import json, sys
from mmscand.__main__ import main
sys.argv[0] = "mmscand"
try:
    main()
finally:
    print(json.dumps([name for name in sys.modules if name != "__main__"]))
"""


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a command leaves in its interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", MODULES_AFTER, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_version_needs_nothing() -> None:
    loaded = loaded_by("--version")
    assert not loaded & (HTTP | TERMINAL | {"numpy"})
    assert {name for name in loaded if name.startswith("mmscand.cli.")} == {
        "mmscand.cli.app",
        "mmscand.cli.output",
    }


def test_help_imports_no_command() -> None:
    loaded = loaded_by("--help")
    assert not loaded & (HTTP | {"numpy", "rich"})
    assert {name for name in loaded if name.startswith("mmscand.cli.")} == {
        "mmscand.cli.app",
        "mmscand.cli.commands",
        "mmscand.cli.output",
    }
