"""The screen of `mmscand top`, by Textual."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar

from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Resize
from textual.widgets import DataTable, Input, Static

from mmscand.errors import MmscandError
from mmscand.top.tables import Frame, Source, Table, View

LEAST_COLUMNS, LEAST_LINES = 80, 24
_KEYS = "p processes  c cgroups  m mappings  e events  / filter  s S sort  ? help  q quit"
_PAST_KEYS = "t next  T previous  b time  " + _KEYS
_HELP = """\
p  processes            Enter  mappings of the process that is marked
c  cgroups              Esc    back to processes, or out of an input
m  mappings             /      only rows with these letters
e  events               s S    sort by the next column, turn the order round
space  stop, go on      :      change the daemon: set KNOB=VALUE, enable,
t T    next, previous          disable, reload; it asks before it does it
b      go to a time     q      quit

FAST, SLOW: memory on the tiers. HOT SLOW: on the slow tier, and would pay for
a move. UP, DOWN: moved since it is watched. SAVED: time that this saved.
COST: CPU time of scanning and moving. A strip of heat goes by address, from
no access to the hottest: .:+x# on the slow tier, _▁▃▅█ on the fast one.

Esc goes back"""


class TopApp(App[None]):
    """Shows frames of a source until somebody quits."""

    CSS = """
    #when { height: 1; text-style: bold; }
    #head { height: 3; }
    #message { height: 1; text-style: reverse; display: none; }
    #keys { height: 1; text-style: reverse; }
    #help { display: none; }
    Input { display: none; height: 1; border: none; }
    DataTable { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "view('processes')", "processes"),
        Binding("c", "view('cgroups')", "cgroups"),
        Binding("m", "view('mappings')", "mappings"),
        Binding("e", "view('events')", "events"),
        Binding("escape", "leave", "back", priority=True),
        Binding("slash", "ask('filter')", "filter"),
        Binding("colon", "ask('command')", "command"),
        Binding("b", "ask('time')", "time"),
        Binding("s", "sort", "sort"),
        Binding("S", "turn", "turn the order round"),
        Binding("space", "pause", "stop, go on"),
        Binding("t", "step(1)", "next"),
        Binding("T", "step(-1)", "previous"),
        Binding("question_mark", "help", "help"),
        Binding("q", "quit", "quit"),
        Binding("ctrl+c", "interrupt", "quit", priority=True),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, source: Source, every_s: float = 1.0) -> None:
        super().__init__()
        self._source = source
        self._every_s = every_s
        self._view: View = "processes"
        self._pid: int | None = None
        self._filter = ""
        self._sorting: tuple[int, bool] | None = None
        self._asked = ""
        """What the input is for."""
        self._confirms = ""
        """A command that waits for a yes."""
        self._paused = self._failed = self._interrupted = False

    def compose(self) -> ComposeResult:
        """See App."""
        with Vertical(id="all"):
            yield Static(id="when", markup=False)
            yield Static(id="head", markup=False)
            yield DataTable(cursor_type="row", cell_padding=0)
            yield Static(_HELP, id="help", markup=False)
            yield Static(id="message", markup=False)
            yield Input()
            yield Static(_PAST_KEYS if self._source.past else _KEYS, id="keys", markup=False)
        yield Static(id="small", markup=False)

    def on_mount(self) -> None:
        """See App."""
        with suppress(RuntimeError):  # not the main thread: its program has the signals
            # Textual leaves the terminal as it is when a signal ends the program.
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        self.query_one(DataTable).focus()
        self.look()
        if not self._source.past:
            self.set_interval(self._every_s, self._tick)

    def run_on_terminal(self) -> None:
        """Until it is quit; KeyboardInterrupt after Ctrl-C."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until the screen is there
        self.run()
        if self._interrupted:
            raise KeyboardInterrupt

    def action_interrupt(self) -> None:
        """Ctrl-C, which is a key here and no signal."""
        self._interrupted = True
        self.exit()

    def on_resize(self, event: Resize) -> None:
        """A sentence where there is no room."""
        fits = event.size.width >= LEAST_COLUMNS and event.size.height >= LEAST_LINES
        self.query_one("#all").display = fits
        small = self.query_one("#small", Static)
        small.display = not fits
        small.update(
            f"top needs {LEAST_COLUMNS}x{LEAST_LINES}, this terminal has "
            f"{event.size.width}x{event.size.height}: make it larger, or quit (q) and use --plain"
        )

    def _tick(self) -> None:
        if not self._paused:
            self.look()

    def look(self) -> None:
        """Ask the source. A daemon may hang, and is asked from a thread; a file does not."""
        view, pid = self._view, self._pid
        if self._source.past:
            self._try(lambda: self._show(self._source.frame(view, pid), view))
        else:
            self._ask_for(view, pid)

    @work(thread=True, exclusive=True)
    def _ask_for(self, view: View, pid: int | None) -> None:
        try:
            frame = self._source.frame(view, pid)
        except MmscandError as error:
            self.call_from_thread(self._fail, str(error))
        else:
            self.call_from_thread(self._show, frame, view)

    def _show(self, frame: Frame, view: View) -> None:
        if view != self._view:
            return  # of before a key was pressed
        paused = "  (stopped: space goes on)" if self._paused else ""
        of = f" of process {self._pid}" if view == "mappings" and self._pid else ""
        self.query_one("#when", Static).update(f"mmscand top: {view}{of}, {frame.when}{paused}")
        self.query_one("#head", Static).update("\n".join(frame.head))
        self._fill(frame.table)
        if self._failed:
            self._failed = False
            self._say("")

    def _fill(self, table: Table) -> None:
        shown = self.query_one(DataTable)
        row, top = shown.cursor_row, shown.scroll_y
        found = table.matching(self._filter) if self._filter else table
        rows = found.rows
        if self._sorting is not None and self._sorting[0] < len(table.columns):
            rows = found.sorted_by(self._sorting[0], reverse=self._sorting[1])
        shown.clear(columns=True)
        for at, column in enumerate(table.columns):
            mark = "*" if self._sorting is not None and self._sorting[0] == at else ""
            width = None if at == len(table.columns) - 1 else column.width + 1
            heading = f"{column.heading}{mark}"
            shown.add_column(heading.rjust(column.width) if column.right else heading, width=width)
        for each in rows:
            cells = (
                cell.rjust(column.width) if column.right else cell
                for cell, column in zip(each.cells, table.columns, strict=True)
            )
            shown.add_row(*cells)
        self._rows = rows
        if rows:
            shown.move_cursor(row=min(row, len(rows) - 1))
            shown.scroll_y = top

    def _fail(self, words: str) -> None:
        """There is no frame; the next one takes the message away."""
        self._failed = True
        self._say(words)

    def _say(self, words: str) -> None:
        message = self.query_one("#message", Static)
        message.display = bool(words)
        message.update(words)

    def action_view(self, view: View) -> None:
        """Another table."""
        if view == "mappings" and self._pid is None:
            self._pid = self._marked()
        self._say("")
        if view != self._view:
            self._sorting = None
        self._view = view
        self.look()

    def _marked(self) -> int | None:
        """The process under the cursor."""
        at = self.query_one(DataTable).cursor_row
        rows = getattr(self, "_rows", ())
        return rows[at].key if self._view == "processes" and 0 <= at < len(rows) else None

    def on_data_table_row_selected(self) -> None:
        """Enter: into a process."""
        if (pid := self._marked()) is not None and not self._source.past:
            self._pid = pid
            self.action_view("mappings")

    def action_leave(self) -> None:
        """Out of an input, the help, or a process."""
        if self._asked or self._confirms:
            self._end_input()
        elif self.query_one("#help").display:
            self.action_help()
        else:
            self._pid, self._filter = None, ""
            self.action_view("processes")

    def action_ask(self, what: str) -> None:
        """An input for a filter, a command or a time."""
        self._asked = what
        field = self.query_one(Input)
        field.display, field.value = True, self._filter if what == "filter" else ""
        field.placeholder = {
            "filter": "only rows with these letters",
            "command": "set KNOB=VALUE, enable, disable or reload",
            "time": "3m ago, 14:00, yesterday; of a recording the number of a pass",
        }[what]
        field.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Do what the input was for."""
        asked, words = self._asked, event.value.strip()
        self._end_input()
        if asked == "filter":
            self._filter = words
            self.look()
        elif asked == "time":
            self._try(lambda: self._source.go_to(words))
            self.look()
        elif asked == "command" and words:
            self._confirms = words
            self._say(f"{words}: do it? y or n")

    def _end_input(self) -> None:
        self._asked = self._confirms = ""
        field = self.query_one(Input)
        field.display = False
        self.query_one(DataTable).focus()
        self._say("")

    def on_key(self, event: object) -> None:
        """The answer to a question."""
        key = getattr(event, "key", "")
        if self._confirms and key in ("y", "n"):
            words, self._confirms = self._confirms, ""
            self._say("")
            if key == "y":
                self._try(lambda: self.notify(self._source.command(words)))
                self.look()
            getattr(event, "stop", lambda: None)()
            getattr(event, "prevent_default", lambda: None)()

    def _try(self, do: Callable[[], None]) -> None:
        try:
            do()
        except MmscandError as error:
            self._say(str(error))

    def action_sort(self) -> None:
        """By the next column."""
        columns = len(self.query_one(DataTable).columns)
        at = -1 if self._sorting is None else self._sorting[0]
        self._sorting = (at + 1) % max(1, columns), False
        self.look()

    def action_turn(self) -> None:
        """The other way round."""
        at, reverse = self._sorting or (0, False)
        self._sorting = at, not reverse
        self.look()

    def action_pause(self) -> None:
        """Stop, or go on."""
        self._paused = not self._paused
        self.look()

    def action_step(self, moments: int) -> None:
        """To another moment."""
        self._source.step(moments)
        self.look()

    def action_help(self) -> None:
        """Show the keys, or the table again."""
        text, table = self.query_one("#help"), self.query_one(DataTable)
        text.display = not text.display
        table.display = not text.display
