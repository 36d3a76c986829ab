"""The screen of `top`: the real program, in a terminal of Textual's own."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Input, Static

from mmscand.control.client import ControlClient
from mmscand.control.listener import ControlServer
from mmscand.top.app import TopApp
from mmscand.top.live import Live
from support.fake_daemon import FakeDaemon

Script = Callable[[TopApp, Pilot[None]], Awaitable[None]]


@pytest.fixture
def run(server: ControlServer, socket_path: Path) -> Callable[..., None]:
    def play(script: Script, size: tuple[int, int] = (80, 24)) -> None:
        async def body() -> None:
            app = TopApp(Live(ControlClient(socket_path)), every_s=3600)
            async with app.run_test(size=size) as pilot:
                await settled(app, pilot)
                await script(app, pilot)

        asyncio.run(body())

    return play


async def settled(app: TopApp, pilot: Pilot[None]) -> None:
    await app.workers.wait_for_complete()
    await pilot.pause()


async def press(app: TopApp, pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await settled(app, pilot)


def text(app: TopApp, name: str) -> str:
    widget = app.query_one(f"#{name}", Static)
    # Textual before 4 has no `content`.
    return str(widget.content if hasattr(widget, "content") else widget.renderable)


def cells(app: TopApp) -> list[list[str]]:
    table = app.query_one(DataTable)
    return [[str(cell).strip() for cell in table.get_row_at(at)] for at in range(table.row_count)]


def test_the_first_screen_has_head_processes_and_keys(run: Callable[..., None]) -> None:
    async def script(app: TopApp, pilot: Pilot[None]) -> None:
        assert text(app, "when") == "mmscand top: processes, live"
        assert text(app, "head").splitlines()[0].startswith("fast [########....] 2.5M of 4.0M")
        assert "up 2.0M/min down 1.0M/min" in text(app, "head")
        assert max(map(len, text(app, "head").splitlines())) <= 80
        columns = list(app.query_one(DataTable).columns.values())
        assert (
            sum(column.get_render_width(app.query_one(DataTable)) for column in columns[:-1]) <= 73
        )
        assert [row[:2] for row in cells(app)][:2] == [["7", "app"], ["20", "app"]]
        assert cells(app)[2][-1] == "not watched: it owns a KVM machine"
        assert "q quit" in text(app, "keys")
        assert not app.query_one("#message", Static).display

    run(script)


def test_views_by_their_keys(run: Callable[..., None]) -> None:
    async def script(app: TopApp, pilot: Pilot[None]) -> None:
        await press(app, pilot, "e")
        assert [row[1] for row in cells(app)] == [
            "app[7]: scanned less, it does not pay",
            "app[7]: promoted 512 pages (2.0 MiB) to node 0",
        ]
        await press(app, pilot, "c")
        assert [row[-1] for row in cells(app)] == ["/app/20", "/app/7"]
        await press(app, pilot, "p", "enter")
        assert text(app, "when") == "mmscand top: mappings of process 7, live"
        assert [row[-1] for row in cells(app)] == ["[heap]", "[vdso]"]
        await press(app, pilot, "escape")
        assert text(app, "when") == "mmscand top: processes, live"

    run(script)


def test_filter_sort_and_help(run: Callable[..., None]) -> None:
    async def script(app: TopApp, pilot: Pilot[None]) -> None:
        await press(app, pilot, "slash", *"kvm", "enter")
        assert [row[0] for row in cells(app)] == ["300"]
        await press(app, pilot, "escape", "s")
        assert [row[0] for row in cells(app)] == ["301", "300", "20", "7"]
        await press(app, pilot, "S")
        assert [row[0] for row in cells(app)] == ["7", "20", "300", "301"]
        await press(app, pilot, "question_mark")
        assert app.query_one("#help").display
        await press(app, pilot, "escape")
        assert not app.query_one("#help").display

    run(script)


def test_a_change_asks_before_it_is_made(run: Callable[..., None], daemon: FakeDaemon) -> None:
    async def script(app: TopApp, pilot: Pilot[None]) -> None:
        await press(app, pilot, "colon", *"disable", "enter")
        assert text(app, "message") == "disable: do it? y or n"
        assert daemon.enabled
        await press(app, pilot, "n")
        assert daemon.enabled
        await press(app, pilot, "colon", *"disable", "enter", "y")
        assert not daemon.enabled
        await press(app, pilot, "colon", *"set hot_passes=9", "enter", "y")
        assert "hot_passes" in text(app, "message")
        await press(app, pilot, "colon", *"nonsense", "enter", "y")
        assert "'nonsense' is no command" in text(app, "message")

    run(script)


def test_a_small_terminal_gets_a_sentence(run: Callable[..., None]) -> None:
    async def script(app: TopApp, pilot: Pilot[None]) -> None:
        assert not app.query_one("#all").display
        assert "top needs 80x24, this terminal has 60x20" in text(app, "small")
        await pilot.resize_terminal(80, 24)
        await settled(app, pilot)
        assert app.query_one("#all").display

    run(script, (60, 20))


def test_a_daemon_that_ends_is_said_and_the_screen_stays(
    run: Callable[..., None], server: ControlServer
) -> None:
    async def script(app: TopApp, pilot: Pilot[None]) -> None:
        server.stop()
        await press(app, pilot, "e")
        assert "no daemon on" in text(app, "message")
        server.start()
        await press(app, pilot, "p")
        assert cells(app)
        assert not app.query_one("#message", Static).display

    run(script)


def test_five_hundred_processes_are_shown(run: Callable[..., None], daemon: FakeDaemon) -> None:
    daemon.pids = tuple(range(1000, 1500))

    async def script(app: TopApp, pilot: Pilot[None]) -> None:
        assert app.query_one(DataTable).row_count == 502
        await press(app, pilot, "ctrl+end")
        assert app.query_one(DataTable).cursor_row == 501

    run(script)


def test_an_input_has_a_hint(run: Callable[..., None]) -> None:
    async def script(app: TopApp, pilot: Pilot[None]) -> None:
        await press(app, pilot, "b", *"14:00", "enter")
        assert "this is live" in text(app, "message")
        await press(app, pilot, "colon")
        assert "KNOB=VALUE" in app.query_one(Input).placeholder

    run(script)
