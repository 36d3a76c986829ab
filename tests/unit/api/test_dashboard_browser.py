"""The dashboard in a real Chromium, before the server of mmscand-api and a daemon that runs."""

import json
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from mmscand import __version__
from mmscand.api.routes import create_app
from mmscand.api.server import ApiServer
from mmscand.api.tcp import Address, listen_tcp
from mmscand.control.client import ControlClient
from mmscand.control.listener import ControlServer
from support.chromium import Page, browser, program
from support.dashboard import World
from support.fake_daemon import FakeDaemon

pytestmark = pytest.mark.skipif(
    program() is None, reason="needs a browser: apt-get install --no-install-recommends chromium"
)
MOST_BYTES = 150_000
ROWS = "document.querySelectorAll('#processes tbody tr').length"
STATE = "document.getElementById('state').dataset.state"
WORDS = "document.getElementById('state-words').textContent"
LOOKS = "Number(document.getElementById('map').dataset.looks || 0)"
FIRST_PROCESS = "document.querySelector('#processes tbody button')"
AXE = files("axe_core_python").joinpath("axe.min.js").read_text()
RULES = {"button-name", "color-contrast", "heading-order", "html-has-lang", "label", "region"}
"""Of those that axe has to have found something to try on."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


@pytest.fixture
def page(world: World, tab: Page) -> Page:
    """Drawn, and live."""
    tab.reported.clear()
    tab.open(world.url)
    tab.wait(f"{STATE} === 'live' && {ROWS} === 3")
    return tab


def asked_for(page: Page, part: str) -> int:
    """Requests for paths with this part."""
    page.run("0")
    urls = [
        each["params"]["request"]["url"]
        for each in page.reported
        if each["method"] == "Network.requestWillBeSent"
    ]
    return sum(part in url for url in urls)


def pass_statuses(page: Page, count: int) -> None:
    """Until this many snapshots have come."""
    before = page.run("live.ticks")
    page.wait(f"live.ticks >= {before + count}")


def test_it_draws_soon_in_few_bytes_and_without_a_complaint(page: Page) -> None:
    paint = page.wait("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    received = bytes_received(page)
    print(f"dashboard: {received} bytes, first paint after {paint:.0f} ms")
    assert 10_000 < received < MOST_BYTES
    assert page.run("document.querySelectorAll('#tiers .bar').length") == 2
    assert "MiB used" in page.run("document.getElementById('tiers').textContent")
    page.wait("document.getElementById('served').textContent.includes('%')")
    assert page.complaints() == []


def bytes_received(page: Page) -> int:
    """With heads where an answer has ended; the stream of events has no end."""
    received, ended = Counter[str](), dict[str, int]()
    for each in page.reported:
        reported = each.get("params", {})
        if each["method"] == "Network.dataReceived":
            received[reported["requestId"]] += (
                reported["encodedDataLength"] or reported["dataLength"]
            )
        elif each["method"] == "Network.loadingFinished":
            ended[reported["requestId"]] = reported["encodedDataLength"]
    return sum({**received, **ended}.values())


def test_it_follows_pages_that_move(page: Page) -> None:
    numbers = page.run("JSON.stringify([live.last, live.status.counters.promoted || 0])")
    last, promoted = json.loads(numbers)
    page.wait(f"live.last > {last}")
    page.wait(f"live.status.counters.promoted > {promoted}")
    assert page.run("document.querySelectorAll('#events tr').length") > 0
    assert page.wait("document.querySelector('#moves-line .up').getAttribute('points')")
    assert page.complaints() == []


def test_it_says_which_processes_are_left_alone_and_why(page: Page) -> None:
    page.wait("document.querySelectorAll('#reasons-alone tr').length === 1")
    assert page.run("document.getElementById('left-alone').open") is False
    page.run("document.getElementById('left-alone-words').click()")
    words = page.run("document.getElementById('left-alone').innerText")
    assert "1 process is left alone" in words
    assert "excluded by a rule: name=backup" in words
    assert "backup (103)" in words


def test_heat_is_asked_for_while_it_is_looked_at(page: Page) -> None:
    pass_statuses(page, 3)
    assert asked_for(page, "/v1/heat/") == 0
    page.run(f"{FIRST_PROCESS}.click()")
    page.wait(f"{LOOKS} >= 2")
    assert len(distinct_colors(page)) > 4
    assert page.wait("document.querySelectorAll('#mappings tr').length") > 0
    page.run("document.getElementById('place').focus()")
    page.press("ArrowRight", 39)
    assert "[heap]" in page.run("document.getElementById('place-words').textContent")
    page.run("document.getElementById('heat-section').style.marginTop = '3000px'; scrollTo(0, 0)")
    page.wait("!heat.inView && flights.size === 0")
    before = asked_for(page, "/v1/heat/")
    pass_statuses(page, 4)
    assert asked_for(page, "/v1/heat/") == before
    assert page.complaints() == []


def distinct_colors(page: Page) -> set[str]:
    colors = page.run(
        """(() => { const map = document.getElementById("map");
        const data = map.getContext("2d").getImageData(0, 0, map.width, map.height).data;
        const found = new Set();
        for (let at = 0; at < data.length; at += 4) found.add(data.slice(at, at + 3).join());
        return [...found]; })()"""
    )
    return set(colors)


def test_groups_a_filter_and_an_order(page: Page) -> None:
    page.run("document.querySelector('input[value=group]').click()")
    page.wait("document.querySelector('#processes tbody').textContent.includes('name=postgres')")
    page.run("document.querySelector('input[value=process]').click()")
    page.run("document.querySelectorAll('#processes thead button')[1].click()")
    rows = "[...document.querySelectorAll('#processes tbody tr')]"
    pids = f"{rows}.map((row) => row.cells[1].textContent)"
    assert page.run(pids) == ["102", "101", "100"]
    assert page.run("document.querySelectorAll('#processes th')[1].ariaSort") == "descending"
    page.run("document.getElementById('filter').focus()")
    for letter in "101":
        page.press(letter, ord(letter), letter)
    page.wait(f"{ROWS} === 1")
    assert page.run(pids) == ["101"]


def test_the_keyboard_is_enough(page: Page) -> None:
    page.press("Tab", 9)
    assert page.run("document.activeElement.className") == "skip"
    reached = []
    while not page.run("document.activeElement === document.body"):
        where = page.run("document.activeElement.outerHTML.slice(0, 60)")
        reached.append(where)
        style = page.run("getComputedStyle(document.activeElement).outlineStyle")
        assert style == "solid", where
        if page.run(f"document.activeElement === {FIRST_PROCESS}"):
            page.press("Enter", 13, "\r")
            page.wait(f"{LOOKS} >= 1 && !document.getElementById('why').hidden")
        page.press("Tab", 9)
        assert len(reached) < 60
    text = "".join(reached)
    assert [name for name in ("period", "filter", "place", "why") if f'"{name}"' not in text] == []


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 390)])
def test_people_who_see_little_or_nothing(world: World, tab: Page, dark: bool, width: int) -> None:
    tab.open(world.url, dark=dark, width=width)
    tab.wait(f"{ROWS} === 3")
    tab.run(f"{FIRST_PROCESS}.click()")
    tab.wait(f"{LOOKS} >= 1 && !document.getElementById('why').hidden")
    assert tab.run("document.documentElement.scrollWidth") <= width
    assert tab.run("document.documentElement.lang") == "en"
    assert tab.run("document.title") == "mmscand"
    tables = "[...document.querySelectorAll('table')]"
    assert tab.run(f"{tables}.every((each) => each.caption?.textContent)")
    heads = "[...each.tHead.rows[0].cells].every((cell) => cell.scope === 'col')"
    assert tab.run(f"{tables}.every((each) => {heads})")
    assert violations(tab) == []
    assert tab.run("document.getElementById('state').ariaLive") == "polite"


def violations(page: Page) -> list[str]:
    """What axe finds: rule and element, of WCAG 2.1 AA and of its best practices."""
    page.run(AXE)
    found: dict[str, list[dict[str, Any]]] = page.run(
        "axe.run().then(({violations, passes}) => ({violations, passes}))"
    )
    rules = {rule["id"] for rule in found["passes"]}
    assert rules >= RULES, f"axe did not try {RULES - rules}"
    return [
        f"{rule['id']} {node['html']}" for rule in found["violations"] for node in rule["nodes"]
    ]


def test_the_past(page: Page) -> None:
    page.run(
        "document.getElementById('period').value = '3600';"
        "document.getElementById('period').dispatchEvent(new Event('change'))"
    )
    page.wait(f"{STATE} === 'past'")
    assert page.run("document.getElementById('moment').disabled") is False
    words = page.run("document.getElementById('counted').textContent")
    assert words.endswith("groups at that moment")
    assert page.run("document.getElementById('left-alone').hidden") is True  # of now
    pass_statuses(page, 2)
    assert page.run(STATE) == "past"
    # The history does not count them: the figures are not the present ones.
    assert "processes watched" not in page.run("document.getElementById('about').textContent")
    page.run("document.getElementById('back-to-now').click()")
    page.wait(f"{STATE} === 'live'")
    assert page.run("document.getElementById('moment-words').textContent") == "now"
    assert page.complaints() == []


def test_nothing_is_asked_while_no_client_looks(page: Page) -> None:
    looks = "document.dispatchEvent(new Event('visibilitychange'))"
    page.run(
        f"Object.defineProperty(document, 'hidden', {{value: true, configurable: true}});{looks}"
    )
    assert page.run("source === null")
    before = page.run("live.ticks")
    page.run(f"delete document.hidden; {looks}")
    page.wait(f"live.ticks > {before}")
    page.wait("flights.size === 0")
    assert page.complaints() == []


def test_the_daemon_may_go_and_come_back(page: Page, world: World) -> None:
    page.wait("live.events.length > 5")
    started = page.run("live.status.start_timestamp")
    world.stop_daemon()
    page.wait(f"{STATE} === 'away' && {WORDS}.startsWith('no daemon')")
    assert "figures are of" in page.run(WORDS)
    world.start_daemon()
    page.wait(f"{STATE} === 'live' && live.status.start_timestamp > {started}")
    news = "live.events.every((each) => each.time > live.status.start_timestamp - 1)"
    page.wait(f"live.events.length > 0 && {news}")


def test_mmscand_api_may_go_and_come_back(page: Page, world: World) -> None:
    world.stop_api()
    page.wait(f"{STATE} === 'away' && {WORDS}.startsWith('mmscand-api')")
    world.start_api()
    page.wait(f"{STATE} === 'live'")
    before = page.run("live.ticks")
    page.wait(f"live.ticks > {before}")


def test_a_name_is_text_whatever_it_holds(
    tab: Page, daemon: FakeDaemon, server: ControlServer, socket_path: Path
) -> None:
    daemon.name = "<img src=x>\n\u202e"
    sock, bound = listen_tcp(Address("127.0.0.1", 0))
    with sock, ApiServer(create_app(ControlClient(socket_path), __version__), sock):
        tab.reported.clear()
        tab.open(f"{bound.url}/")
        tab.wait(f"{ROWS} === 2")
        tab.run(f"{FIRST_PROCESS}.click()")
        tab.wait(f"{LOOKS} >= 1")
        assert tab.run("document.querySelectorAll('img').length") == 0
        shown = tab.run(f"{FIRST_PROCESS}.textContent")
        assert shown == "<img src=x>\\u000a\\u202e"
        assert tab.complaints() == []
