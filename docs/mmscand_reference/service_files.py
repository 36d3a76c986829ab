"""Files of the package that are made from the code: manual pages, example, completions."""

import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from mmscand.api.command import api
from mmscand.cli.commands import group
from mmscand.config_rules import RULE_KEYS
from mmscand.settings import KNOBS
from mmscand_reference.manual import mmscand_8, mmscand_api_8, mmscand_toml_5
from mmscand_reference.roff import page
from mmscand_reference.settings import written

SERVICE_FILES = Path(__file__).resolve().parents[2] / "src/mmscand/service/files"
_COLUMNS = 100
_SHELLS: Mapping[str, type[ShellComplete]] = {
    "{}.bash": BashComplete,
    "_{}": ZshComplete,
    "{}.fish": FishComplete,
}


def service_files() -> Mapping[str, str]:
    """The text of each file, by its name."""
    manual = {name: page(lines()) for name, lines in _PAGES.items()}
    return manual | {"mmscand.toml": "\n".join(_example()) + "\n"} | _completions()


def _completions() -> dict[str, str]:
    """click's own, for all versions from 8.1 on: the shell asks the command at each Tab."""
    made = {}
    for command, program in ((group, "mmscand"), (api, "mmscand-api")):
        variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
        for name, kind in _SHELLS.items():
            shell = kind(command, {}, program, variable)
            made[name.format(program)] = shell.source_template % shell.source_vars()
    return {name: text.strip() + "\n" for name, text in made.items()}


def _example() -> Iterator[str]:
    yield "# /etc/mmscand.toml: configuration of mmscand, see mmscand.toml(5)."
    yield "# All is as it would be without this file: remove a `#` and change the value."
    yield "# `mmscand check --config /etc/mmscand.toml` prints all mistakes."
    yield "# `mmscand reload` takes a changed file over."
    yield ""
    yield "[control]"
    yield from _comment(
        "Where the daemon is controlled, and whose members may do that beside root."
    )
    yield '# socket = "/run/mmscand.sock"'
    yield '# group = "mmscand"'
    yield ""
    yield "[nodes]"
    yield from _comment(
        "Which nodes are slow and which fast, where the kernel sees one tier: mostly where the "
        "firmware presents slow memory as ordinary RAM (before Linux 6.7, or without HMAT). One "
        "line is enough: all other nodes are the other side."
    )
    yield '# slow = "1"'
    yield '# fast = "0"'
    yield ""
    yield "[settings]"
    for name, knob in KNOBS.items():
        yield ""
        yield from _comment(knob.description)
        unit = f", {knob.unit}" if knob.unit else ""
        allowed = knob.allowed.replace("|", ", ").replace("on, off", "true, false")
        yield from _comment(f"Allowed: {allowed}{unit}")
        value = written(knob.default)
        yield f"# {name} = " + (f'"{value}"' if isinstance(knob.default, str) else value)
    yield ""
    yield "# Which processes are scanned, and how hard. The most specific rule decides. Keys:"
    for name, key in RULE_KEYS.items():
        yield from _comment(f"{name}: {key.help}".replace("`", ""), "  ")
    yield from ("#", "# [[rule]]", '# cgroup = "/system.slice/redis-server.service"')
    yield from ("# aggressiveness = 3", "#", "# [[rule]]", '# name = "^backup"', "# exclude = true")


def _comment(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        _COLUMNS,
        initial_indent=f"# {indent}",
        subsequent_indent=f"# {indent}{indent}",
        break_on_hyphens=False,
    )


_PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    "mmscand.8": mmscand_8,
    "mmscand-api.8": mmscand_api_8,
    "mmscand.toml.5": mmscand_toml_5,
}
