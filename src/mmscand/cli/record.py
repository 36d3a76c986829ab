"""`mmscand record`: what passes see, in a file."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmscand.cli.options import PATH, max_mib_type, period_ms_type
from mmscand.cli.run import one_daemon
from mmscand.cli.signals import Signals, signals_taken
from mmscand.cli.wiring import NodeOptions, readable_machine
from mmscand.clock import SystemClock
from mmscand.config_nodes import nodes_in_force
from mmscand.linux.machine import LinuxMachine
from mmscand.node_lists import nodes_of_options
from mmscand.scan.selection import choose
from mmscand.shown import json_text, shown

if TYPE_CHECKING:
    from mmscand.record.recorder import Recorded

_FOREVER_S = float("inf")


@click.command()
@click.argument("file", type=PATH)
@click.option("--pid", type=int, multiple=True, help="Record this process; more than once too.")
@click.option("--match", help="Record processes whose name has this pattern in it.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    help="End after so long.  [default: SIGTERM or SIGINT]",
)
@click.option("--period-ms", type=period_ms_type, default=1000, help="Time between two passes.")
@click.option(
    "--max-mib",
    type=max_mib_type,
    default=256,
    help="End when the file would be larger than this.",
)
@click.option(
    "--fast-nodes", help="Nodes that are fast, like 0,2-3; those of the file if left out."
)
@click.option("--slow-nodes", help="Nodes that are slow; those of the file if left out.")
@click.option("--names/--no-names", default=True, help="Names of programs, files and cgroups too.")
@click.option("--json", "as_json", is_flag=True, help="Print the sums as JSON.")
def record(
    file: Path,
    pid: tuple[int, ...],
    match: str | None,
    seconds: float | None,
    period_ms: int,
    max_mib: int,
    fast_nodes: str | None,
    slow_nodes: str | None,
    names: bool,
    as_json: bool,
) -> None:
    """Write to FILE which pages each pass found accessed, and on which tier, and move nothing.

    FILE must be new; docs/reference/recording.md has its format.

    Without --pid and --match every process is recorded. Where there is one tier, all of it counts
    as slow. Accessed bits are cleared on both tiers, by a tenth of a core at most.
    """
    from mmscand.record.file import new_recording  # noqa: PLC0415 - after mistakes in the options
    from mmscand.record.recorder import Recorder  # noqa: PLC0415

    with signals_taken() as signals, ExitStack() as opened:
        nodes = NodeOptions(nodes_in_force(nodes_of_options(fast_nodes, slow_nodes)))
        machine = opened.enter_context(closing(readable_machine(nodes)))
        signals.defer()
        opened.enter_context(one_daemon(f"a recording to {file}"))
        stop = opened.enter_context(_ended_by(signals))
        look = machine.look()
        selection = choose(look, pid, match)
        with new_recording(file, machine.topology(), period_ms, max_mib << 20) as writer:
            recorder = Recorder(
                machine,
                selection,
                writer,
                SystemClock(),
                stop,
                period_s=period_ms / 1000,
                seconds=_FOREVER_S if seconds is None else seconds,
                forever=not selection.processes or selection.pattern is not None,
                names=names,
            )
            if not as_json:
                _begin(_start_line(machine, file))
                if waits := selection.waits_for(look.running):
                    _begin(waits)
            recorded = recorder.run()
        print(json_text(asdict(recorded)) if as_json else shown(_summary(recorded)))


@contextmanager
def _ended_by(signals: Signals) -> Iterator[threading.Event]:
    """Set by any signal, SIGHUP too, from a thread: a handler must not take the Event's lock."""
    stop = threading.Event()

    def wait() -> None:
        signals.wait(None)
        stop.set()

    waiter = threading.Thread(target=wait, name="mmscand-signals")
    waiter.start()
    try:
        yield stop
    finally:
        signals.end()
        waiter.join()


def _begin(line: str) -> None:
    """A full disk must not keep the recording from starting; the last line reports it."""
    with suppress(OSError):
        print(shown(line), flush=True)


def _start_line(machine: LinuxMachine, file: Path) -> str:
    one_tier = "" if machine.topology().fast else ", one tier: all of it counts as slow"
    return f"mmscand records to {file}, reader {machine.reader.memory.name}{one_tier}"


def _summary(recorded: "Recorded") -> str:
    passes = max(1, recorded.passes)
    late = f"; {recorded.late} passes were late, to stay in a tenth of a core"
    denied = f" ({recorded.denied} denied)" if recorded.denied else ""
    return (
        f"{recorded.ended}: {recorded.passes} passes over {recorded.processes} processes{denied}, "
        f"a pass {recorded.pages // passes} pages, {recorded.size_bytes // passes} bytes, "
        f"{recorded.cpu_s / passes * 1000:.1f} ms of CPU{late if recorded.late else ''}"
    )
