"""Where mmscand is installed, and whether a service could start it there."""

import sys
from pathlib import Path

from mmscand.errors import UsageError
from mmscand.shown import quoted

_IN_UNITS = "/usr/bin/env "
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
"""What a service does not see: ProtectHome, PrivateTmp (systemd.exec(5))."""
_PIPX = "PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin pipx install"


def program_of(argument: str, root: Path = Path("/")) -> Path:
    """Where `mmscand` is, of the first argument that this process was started with.

    As the file system below `root` has it, where it is in there. UsageError when it is no installed
    command, or nothing that a service could start.
    """
    program = Path(argument).resolve()
    if program.name != "mmscand" or not program.is_file():
        program = Path(sys.executable).with_name("mmscand")  # `python -m mmscand`
        if not program.is_file():
            hint = "install it first (pip install, in an environment), or name it: --program"
            raise UsageError("mmscand is not installed as a command", hint=hint)
    # A command of an environment needs the interpreter behind the links too.
    for path in (program, Path(sys.executable).resolve()):
        _require_seen(_inside(path, root))
    return _inside(program, root)


def _inside(path: Path, root: Path) -> Path:
    root = root.resolve()
    return Path("/") / path.relative_to(root) if path.is_relative_to(root) else path


def _require_seen(path: Path) -> None:
    for folder in _HIDDEN:
        if path.is_relative_to(folder):
            raise UsageError(
                f"a service does not see {folder}, and {path} is there",
                hint=f"install it elsewhere: a venv in /opt with /usr/bin/python3, or {_PIPX}",
            )


def started_from(unit: str, program: Path) -> str:
    """The text of a unit with the commands of this installation in the place of those from PATH."""
    folder = str(program.parent)
    # systemd.service(5): the path of a command may hold no quotes; `%` begins a specifier.
    if any(character in folder for character in "\"'\\") or not folder.isprintable():
        hint = "install it into a folder with a plain name"
        raise UsageError(f"systemd takes no path like {quoted(str(program))}", hint=hint)
    escaped = folder.replace("%", "%%")
    lines = []
    for line in unit.splitlines():
        key, _, command = line.partition("=" + _IN_UNITS)
        if command and not key.startswith("#"):
            name, _, arguments = command.partition(" ")
            path = f"{escaped}/{name}"
            path = f'"{path}"' if " " in path else path
            line = f"{key}={path} {arguments}".rstrip()  # noqa: PLW2901
        lines.append(line)
    return "\n".join(lines) + "\n"
