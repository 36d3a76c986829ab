"""curl as a client of a unix socket."""

import json
import subprocess
from pathlib import Path
from typing import Any


def curl(path: Path, *arguments: str) -> tuple[int, Any]:
    """Status code and answer."""
    command = ["curl", "-sS", "--unix-socket", str(path), "-w", "\n%{http_code}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    body, _, code = done.stdout.rpartition("\n")
    return int(code), json.loads(body)
