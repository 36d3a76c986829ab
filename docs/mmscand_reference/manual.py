"""The manual pages, from click's commands and from the tables of knobs and rules."""

from collections.abc import Iterator
from typing import Any

from mmscand import __version__
from mmscand.api.command import api
from mmscand.cli.commands import COMMANDS
from mmscand.config_rules import RULE_KEYS
from mmscand.errors import MachineCannot, MmscandError, UsageError
from mmscand.settings import KNOBS
from mmscand_reference.commands import command_of, metavar, option_row
from mmscand_reference.roff import example, item, opening, paragraph, section, subsection
from mmscand_reference.settings import written
from mmscand_reference.text import one_line

_LAB = "Its commands: `mmscand lab --help`, where mmscand-lab is installed."
_RULES_TAIL = (
    "Every condition of a rule must hold. One rule decides, and rules never add up: a pid is more "
    "specific than a cgroup (of two, the longer path), that than a name, that than a uid; between "
    "equals the one with more conditions, then the later one. A process that no rule matches has "
    "the rule of the process that it was forked from."
)
_NODES_TAIL = (
    "Without this table the kernel's memory tiers count. It is needed where the kernel sees one "
    "tier: mostly where the firmware presents slow memory as ordinary RAM, on Linux before 6.7 or "
    "without an HMAT table. `mmscand run`, `check`, "
    "`record` and `node-labels` read it; where one of `--fast-nodes` and `--slow-nodes` is given, "
    "the table does not count. A change takes a restart of the daemon."
)


def mmscand_8() -> Iterator[str]:
    """mmscand(8)."""
    summary = "promotes hot pages of running processes from slow memory to fast memory"
    yield from opening(
        "mmscand", 8, __version__, summary, "`mmscand` COMMAND [OPTIONS] [ARGUMENTS]"
    )
    yield from paragraph(
        "`mmscand run` reads the Accessed bits in the page tables of running processes, finds "
        "pages in slow memory (CXL, persistent memory, remote nodes) that are in use, and moves "
        "them to fast memory. It needs root, or the capabilities CAP_SYS_ADMIN, CAP_SYS_PTRACE, "
        "CAP_SYS_NICE and CAP_DAC_READ_SEARCH. `mmscand check` says whether it would work here."
    )
    yield from section("commands")
    for name in COMMANDS:
        yield from _command(f"mmscand {name}", command_of(name))
        if name == "lab":
            yield from paragraph(_LAB)
    yield from _exit_status()
    yield from section("files")
    yield from item("/etc/mmscand.toml", "The configuration, see mmscand.toml(5).")
    yield from item("/run/mmscand.sock", "The daemon's socket, for root and a group.")
    yield from item("/run/mmscand.lock", "There is one daemon on a machine.")
    yield from section("signals")
    yield from paragraph(
        "SIGTERM and SIGINT end `mmscand run`; SIGHUP has it read its configuration again."
    )
    yield from _see_also(
        "mmscand.toml(5), mmscand-api(8), move_pages(2), process_madvise(2), numa(7)"
    )


def mmscand_api_8() -> Iterator[str]:
    """mmscand-api(8)."""
    summary = "HTTP API, metrics and history of mmscand"
    yield from opening("mmscand-api", 8, __version__, summary, "`mmscand-api` [OPTIONS]")
    yield from paragraph(one_line(api.help or ""))
    yield from paragraph(
        "It is a process without root's rights: it asks the daemon over its socket. Requests are "
        "described at `/openapi.json`, metrics for Prometheus are at `/metrics`, and with "
        "`--listen` a browser shows a dashboard at `/`."
    )
    yield from section("options")
    yield from _options(api)
    yield from _exit_status()
    yield from section("files")
    yield from item("/run/mmscand-api.sock", "Where it serves.")
    yield from item("/var/lib/mmscand-api/", "The history.")
    yield from _see_also("mmscand(8), mmscand.toml(5), curl(1)")


def mmscand_toml_5() -> Iterator[str]:
    """mmscand.toml(5)."""
    summary = "configuration of mmscand"
    yield from opening("mmscand.toml", 5, __version__, summary, "`/etc/mmscand.toml`")
    yield from paragraph(
        "A file in TOML with tables `[settings]`, `[control]`, `[nodes]` and any number of "
        "`[[rule]]`. All of it may be left out, and so may the file. `mmscand check --config` FILE "
        "prints all mistakes; `mmscand reload` takes a changed file over, or nothing of it."
    )
    yield from section("example")
    yield from example(_EXAMPLE)
    yield from section("settings")
    yield from paragraph("Each with its default and its bounds.")
    for name, knob in KNOBS.items():
        unit = f", in {knob.unit}" if knob.unit else ""
        allowed = knob.allowed.replace("|", ", ").replace("on, off", "true, false")
        yield from item(f"{name} = {written(knob.default)}", f"{allowed}{unit}. {knob.description}")
    yield from section("control")
    yield from item("socket", "Where the daemon is controlled: a path from / on.")
    yield from item("group", "Whose members may use it beside root.")
    yield from section("nodes")
    yield from item("fast", 'Nodes to promote to, as text: "0,2-3".')
    yield from item("slow", "Nodes to promote from. All other nodes are the other side.")
    yield from paragraph(_NODES_TAIL)
    yield from section("rules")
    for name, key in RULE_KEYS.items():
        yield from item(name, key.help)
    yield from paragraph(_RULES_TAIL)
    yield from _see_also("mmscand(8)")


_EXAMPLE = (
    "[settings]",
    "migrate_rate_mb_s = 500",
    "",
    "[[rule]]",
    'cgroup = "/system.slice/redis-server.service"',
    "aggressiveness = 3",
    "",
    "[[rule]]",
    'name = "^backup"',
    "exclude = true",
)


def _command(name: str, command: Any) -> Iterator[str]:  # noqa: ANN401 - click's
    arguments = [metavar(one) for one in command.params if one.param_type_name == "argument"]
    yield from subsection(" ".join([name, *arguments]))
    for text in (command.help or "").split("\n\n"):
        yield from paragraph(text)
    yield from _options(command)
    if name != "mmscand lab":
        for part, inner in getattr(command, "commands", {}).items():
            yield from _command(f"{name} {part}", inner)


def _options(command: Any) -> Iterator[str]:  # noqa: ANN401
    for option in command.params:
        if option.param_type_name == "option":
            names, meaning, default = (cell.replace("`", "") for cell in option_row(option))
            value = "" if option.is_flag or option.secondary_opts else f" {_value(option)}"
            tail = f" Default: {default}." if default else ""
            yield from item(names + value, meaning + tail)


def _value(option: Any) -> str:  # noqa: ANN401
    if option.type.name == "path":
        return "FILE"
    return str(option.metavar or option.opts[0].lstrip("-").upper())


def _exit_status() -> Iterator[str]:
    yield from section("exit status")
    yield from item("0", "Done.")
    for kind in (MmscandError, UsageError, MachineCannot):
        yield from item(str(kind.exit_code), one_line(kind.__doc__ or ""))
    yield from item("130", "Interrupted.")


def _see_also(pages: str) -> Iterator[str]:
    yield from section("see also")
    yield from paragraph(pages)
