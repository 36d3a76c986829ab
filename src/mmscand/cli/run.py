"""`mmscand run`: the daemon in the foreground."""

import json
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import Annotated

import typer

from mmscand.cli.report import EventPrinter
from mmscand.cli.wiring import NodeOptions, real_machine
from mmscand.daemon import Daemon
from mmscand.linux.machine import LinuxMachine
from mmscand.observe.events import Event, ProcessLeft
from mmscand.scan.selection import Selection, choose


def run(
    pid: Annotated[
        list[int] | None, typer.Option(help="Watch this process; may be given more than once.")
    ] = None,
    match: Annotated[
        str | None, typer.Option(help="Watch processes whose name has this pattern in it.")
    ] = None,
    fast_nodes: Annotated[str | None, typer.Option(help="Nodes to promote to, like 0,2-3.")] = None,
    slow_nodes: Annotated[str | None, typer.Option(help="Nodes to promote from.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and decide, but age and move nothing.")
    ] = False,
    json_lines: Annotated[
        bool, typer.Option("--json", help="Print every event as one JSON object a line.")
    ] = False,
) -> None:
    """Promote the hot slow-tier pages of running processes, until SIGTERM or SIGINT.

    Without --pid and --match every process is watched.
    """
    machine = real_machine(NodeOptions(fast_nodes, slow_nodes))
    _raise_descriptor_limit()
    with closing(machine), closing(EventPrinter(json_lines)) as printer, _signals() as ended:
        selection = choose(machine.processes(), pid or (), match)
        daemon = Daemon(
            machine,
            selection,
            observer=_Foreground(printer, selection, ended),
            dry_run=dry_run,
            on_failure=ended.set,
        )
        printer.say(_start_line(machine, selection, dry_run, json_lines))
        daemon.start()
        try:
            ended.wait()
        finally:
            daemon.stop()


def _raise_descriptor_limit() -> None:
    """Each watched process takes a descriptor: as many as the hard limit allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _start_line(
    machine: LinuxMachine, selection: Selection, dry_run: bool, json_lines: bool
) -> str:
    reader, passed_over = machine.reader.memory.name, machine.passed_over
    if json_lines:
        facts = {"reader": reader, "passed_over": passed_over, "dry_run": dry_run}
        return json.dumps({"event": "start", **facts})
    what = "every process" if selection.everything else "the chosen processes"
    why = "".join(f" (not {name}: {reason})" for name, reason in passed_over.items())
    mode = ", dry run: nothing is aged or moved" if dry_run else ""
    return f"mmscand watches {what}, reader {reader}{why}{mode}; stop with SIGTERM"


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set. SIGHUP is taken and has no effect."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    taken = {signal.SIGTERM: end, signal.SIGINT: end, signal.SIGHUP: lambda number, frame: None}
    before = {number: signal.signal(number, handler) for number, handler in taken.items()}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Foreground:
    """Prints events, and ends the command when every process given by --pid has exited."""

    def __init__(self, printer: EventPrinter, selection: Selection, ended: threading.Event) -> None:
        self._print = printer
        self._left = set(selection.processes)
        self._only_pids = bool(selection.processes) and selection.pattern is None
        self._ended = ended

    def __call__(self, event: Event) -> None:
        """Take one event."""
        self._print(event)
        if self._only_pids and isinstance(event, ProcessLeft):
            self._left.discard(event.process)
            if not self._left:
                self._ended.set()
