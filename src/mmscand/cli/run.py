"""`mmscand run`: the daemon in the foreground."""

import functools
import resource
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import click

from mmscand import __version__
from mmscand.cli.controlled import ControlledDaemon
from mmscand.cli.dry_run import DryRunReport
from mmscand.cli.notify import ServiceNotifier
from mmscand.cli.options import PATH, fast_nodes_option, max_mib_type, slow_nodes_option
from mmscand.cli.output import complain
from mmscand.cli.report import EventPrinter
from mmscand.cli.signals import Signals, Wanted, signals_taken
from mmscand.cli.wiring import NodeOptions, real_machine
from mmscand.clock import SystemClock
from mmscand.config import Config, load_config
from mmscand.control.listener import ControlServer
from mmscand.control.lock import DaemonLock
from mmscand.daemon import Daemon
from mmscand.errors import MmscandError, NoSlowTier, NoSuchNode, UsageError
from mmscand.linux.cgroups import cgroup_view
from mmscand.linux.checks import other_agents
from mmscand.linux.machine import LinuxMachine
from mmscand.linux.machine_mark import only_daemon
from mmscand.linux.topology import require_two_tiers
from mmscand.model import Process
from mmscand.node_lists import nodes_of_options
from mmscand.observe.events import EXITED, STOPPING, Event, Observer, ProcessLeft
from mmscand.scan.mode import Mode
from mmscand.scan.selection import Selection, choose
from mmscand.scan.visit import Watcher
from mmscand.shown import json_text

_TIER_POLL_S = 5.0
"""Two files of sysfs. Memory that comes online may wait so long for its first page to move."""
ONE_DAEMON = Path("/run/mmscand.lock")
"""Two daemons would spoil each other's Accessed bits, whatever sockets they have."""


@click.command()
@click.option("--pid", type=int, multiple=True, help="Watch this process; more than once too.")
@click.option("--match", help="Watch processes whose name has this pattern in it.")
@fast_nodes_option
@slow_nodes_option
@click.option("--config", "config_file", type=PATH, help="Read this, not /etc/mmscand.toml.")
@click.option("--set", "assignments", multiple=True, help="NAME=VALUE of a knob; more than once.")
@click.option("--socket", type=PATH, help="Control it here, not on /run/mmscand.sock.")
@click.option("--control/--no-control", default=True, help="Let it be controlled, or do not.")
@click.option("--api", is_flag=True, help="Start mmscand-api beside it, without root's rights.")
@click.option("--dry-run", is_flag=True, help="Move nothing; say how much could be promoted.")
@click.option(
    "--clear-bits", is_flag=True, help="In a dry run: clear Accessed bits, print the plan."
)
@click.option("--record", type=PATH, help="Also write what passes see and move to this new file.")
@click.option(
    "--record-max-mib",
    type=max_mib_type,
    default=256,
    help="The recording is no larger than this.",
)
@click.option(
    "--record-names/--record-no-names",
    default=True,
    help="Names of programs, files and cgroups too.",
)
@click.option("--json", "json_lines", is_flag=True, help="Print every event as a line of JSON.")
def run(
    pid: tuple[int, ...],
    match: str | None,
    fast_nodes: str | None,
    slow_nodes: str | None,
    config_file: Path | None,
    assignments: tuple[str, ...],
    socket: Path | None,
    control: bool,
    api: bool,
    dry_run: bool,
    clear_bits: bool,
    record: Path | None,
    record_max_mib: int,
    record_names: bool,
    json_lines: bool,
) -> None:
    """Promote the hot slow-tier pages of running processes, until SIGTERM or SIGINT.

    Without --pid and --match every process is watched. SIGHUP reads the configuration again.
    """
    if clear_bits and not dry_run:
        raise UsageError(
            "--clear-bits says how a dry run is made", hint="add --dry-run, or leave it out"
        )
    mode = Mode.of(dry_run=dry_run, clear_bits=clear_bits)
    with signals_taken() as signals, ExitStack() as opened:
        load = functools.partial(
            load_config,
            config_file,
            assignments,
            socket=socket,
            nodes=nodes_of_options(fast_nodes, slow_nodes),
            cgroups=cgroup_view(),
        )
        config = load()
        if api:
            from mmscand.cli.beside import require_group_for_api  # noqa: PLC0415 - subprocess

            require_group_for_api(config, control=control)
        nodes = NodeOptions(config.nodes)
        _wait_for_slow_tier(nodes, signals, ServiceNotifier())
        machine = opened.enter_context(closing(real_machine(nodes)))
        signals.defer()
        _raise_descriptor_limit()
        printer = opened.enter_context(closing(EventPrinter(json_lines)))
        opened.enter_context(one_daemon(str(config.socket) if control else "no socket"))
        look = machine.look()
        selection = choose(look, pid, match)

        def say(text: str) -> None:
            printer.say(_note_line(text, json_lines))

        def watcher() -> Watcher | None:
            if record is None:
                return None
            from mmscand.record.beside import RecordingWatcher  # noqa: PLC0415 - seldom asked for
            from mmscand.record.file import new_recording  # noqa: PLC0415
            from mmscand.record.labels import NO_LABELS, labels_of  # noqa: PLC0415

            period_ms, most = config.settings.scan_period_ms, record_max_mib << 20
            writer = new_recording(record, machine.topology(), period_ms, most)
            labels = labels_of(machine) if record_names else NO_LABELS
            return RecordingWatcher(opened.enter_context(writer), SystemClock(), say, labels)

        reports = printer if json_lines or not dry_run else _in_words(printer, clears=clear_bits)
        foreground = _Foreground(reports, selection, signals.end)
        daemon = Daemon(
            machine,
            selection,
            settings=config.settings,
            rules=config.rules,
            observer=foreground,
            mode=mode,
            on_failure=signals.end,
            watcher=watcher(),
            say=say,
        )
        controlled = ControlledDaemon(daemon, config, load)
        with _control(controlled, config, wanted=control) as control_trouble:
            printer.say(_start_line(machine, selection, mode, json_lines))
            waits = selection.waits_for(look.running)
            for note in filter(None, (*config.clamped, *config.doubts, *_who_else(), waits)):
                say(note)
            if api:
                from mmscand.cli.beside import api_beside, api_command  # noqa: PLC0415

                opened.enter_context(api_beside(api_command(config), say))
            daemon.start()
            try:
                _attend(signals, controlled, say, control_trouble)
            finally:
                daemon.stop()
        foreground.require_watched()


def _wait_for_slow_tier(nodes: NodeOptions, signals: Signals, notifier: ServiceNotifier) -> None:
    """As a service: CXL memory may come online after the daemon. Else `real_machine` says so."""
    waits = False
    while notifier.asked:
        try:
            require_two_tiers(nodes.topology())
            return
        except (NoSlowTier, NoSuchNode) as error:
            if not waits:
                complain(f"{error.message}; waits for one")
                notifier.ready("waits for a slow tier")
            waits = True
        notifier.watchdog()
        signals.wait(_TIER_POLL_S)  # an end interrupts it


def _attend(
    signals: Signals,
    controlled: ControlledDaemon,
    say: Callable[[str], None],
    control_trouble: Callable[[], str],
) -> None:
    """Until the end is asked for: reload when it is asked for, and send systemd our state."""
    notifier = ServiceNotifier()
    notifier.ready("watching")
    try:
        while (wanted := signals.wait(notifier.watchdog_interval_s())) is not Wanted.END:
            if wanted is Wanted.RELOAD:
                notifier.reloading()
                for line in controlled.reload_or_why_not():
                    say(line)
                notifier.ready()
            if trouble := controlled.trouble() or control_trouble():
                say(trouble)  # and no sign of life: systemd starts us again
            else:
                notifier.watchdog()
    finally:
        notifier.stopping()


@contextmanager
def one_daemon(serves: str) -> Iterator[None]:
    """One daemon a machine, whether it can be controlled or not, also across containers."""
    lock = DaemonLock(ONE_DAEMON)
    lock.acquire(serves)
    try:
        with only_daemon():
            yield
    finally:
        lock.release()


@contextmanager
def _control(
    controlled: ControlledDaemon, config: Config, *, wanted: bool
) -> Iterator[Callable[[], str]]:
    """Gives a function that names the trouble of the control socket."""
    if not wanted:
        yield lambda: ""
        return
    server = ControlServer(controlled, __version__, config.socket, group=config.group)
    server.start()
    try:
        yield server.trouble
    finally:
        server.stop()


def _who_else() -> Iterator[str]:
    """Other agents that use the same bits or move the same pages, and what to expect of them."""
    for check in other_agents():
        if check.hint:
            yield f"beside {check.name} ({check.detail}): {check.hint}"


def _in_words(printer: EventPrinter, *, clears: bool) -> Observer:
    """Events of a dry run as they are printed, and in words what would be moved."""
    in_words = DryRunReport(printer.say, clears=clears)

    def report(event: Event) -> None:
        printer(event)
        in_words(event)

    return report


def _note_line(note: str, json_lines: bool) -> str:
    return json_text({"event": "note", "text": note}) if json_lines else note


def _raise_descriptor_limit() -> None:
    """Each watched process takes a descriptor: as many as the hard limit allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _start_line(machine: LinuxMachine, selection: Selection, mode: Mode, json_lines: bool) -> str:
    reader, passed_over = machine.reader_name, machine.passed_over
    if json_lines:
        facts = {"reader": reader, "passed_over": passed_over, "dry_run": not mode.moves}
        return json_text({"event": "start", **facts})
    what = "every process" if selection.everything else "the chosen processes"
    why = "".join(f" (not {name}: {reason})" for name, reason in passed_over.items())
    how = {
        Mode.FULL: "",
        Mode.READS: ", dry run: nothing is cleared or moved",
        Mode.CLEARS: ", dry run: Accessed bits are cleared, nothing is moved",
    }[mode]
    return f"mmscand watches {what}, reader {reader}{why}{how}; stop with SIGTERM"


class _Foreground:
    """Prints events, and ends the command when no process given by --pid is left to watch."""

    def __init__(self, report: Observer, selection: Selection, end: Callable[[], None]) -> None:
        self._print = report
        self._left = set(selection.processes)
        self._left_alone: dict[Process, str] = {}
        self._only_pids = bool(selection.processes) and selection.pattern is None
        self._end = end

    def __call__(self, event: Event) -> None:
        """Take one event."""
        self._print(event)
        if self._only_pids and isinstance(event, ProcessLeft) and not event.for_now:
            self._left.discard(event.process)
            if event.why not in (EXITED, STOPPING):
                self._left_alone[event.process] = event.why
            if not self._left:
                self._end()

    def require_watched(self) -> None:
        """MmscandError when the command ends because a process is left alone."""
        if self._left_alone and not self._left:
            process, why = next(iter(self._left_alone.items()))
            hint = "choose another process, or see `mmscand check`"
            raise MmscandError(f"{process} is not watched: {why}", hint=hint)
