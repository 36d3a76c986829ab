"""The files of the dashboard and their headers; test_dashboard_browser.py looks at the page."""

import re
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from mmscand.api.server import ApiServer
from mmscand.reasons import HOT, REASONS

PAGE, STYLE, SCRIPT = (
    (files("mmscand.api") / "page" / f"dashboard.{kind}").read_text()
    for kind in ("html", "css", "js")
)


def fetched(path: Path, place: str, *more: str) -> tuple[str, str]:
    """Head and body."""
    command = ["curl", "-sSi", "--unix-socket", str(path), *more, f"http://d{place}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    head, _, body = done.stdout.partition("\n\n")
    return head, body


@pytest.mark.parametrize(
    ("place", "kind", "text"),
    [
        ("/", "text/html; charset=utf-8", PAGE),
        ("/dashboard.css", "text/css; charset=utf-8", STYLE),
        ("/dashboard.js", "text/javascript; charset=utf-8", SCRIPT),
    ],
)
def test_each_file_has_a_strict_policy(
    api: ApiServer, api_path: Path, place: str, kind: str, text: str
) -> None:
    head, body = fetched(api_path, place)
    assert body == text
    lines = dict(line.split(": ", 1) for line in head.splitlines()[1:])
    assert lines["content-type"] == kind
    assert lines["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert lines["x-content-type-options"] == "nosniff"
    assert fetched(api_path, place, "-X", "POST")[0].startswith("HTTP/1.1 405")
    assert fetched(api_path, place, "-I")[0].startswith("HTTP/1.1 200")


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src=)|<form", PAGE)
    assert set(re.findall(r'(?:src|href)="([^"]*)"', PAGE)) == {
        "#main",
        "dashboard.css",
        "dashboard.js",
        "metrics",
        "openapi.json",
        *re.findall(r'href="(data:image/svg\+xml,[^"]*)"', PAGE),
    }
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    assert re.findall(r"https?://[^\"' ]+", SCRIPT) == ["http://www.w3.org/2000/svg"]


def test_names_of_others_never_become_markup_and_nothing_is_changed() -> None:
    banned = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function"
    assert not re.search(banned, SCRIPT)
    assert not re.search(r"method:|PATCH|POST|DELETE|XMLHttpRequest|sendBeacon", SCRIPT)


def test_the_page_has_what_its_script_uses() -> None:
    there = re.findall(r'\bid="([^"]+)"', PAGE)
    assert len(there) == len(set(there))
    used = re.findall(r'(?:byId|say|line)\("([^"]+)"', SCRIPT)
    assert set(used) - set(there) == set()


def test_reasons_are_those_of_the_daemon() -> None:
    words = re.search(r"const REASONS = {(.*?)};", SCRIPT, re.DOTALL)
    hot = re.search(r"const HOT_REASONS = \[(.*?)\];", SCRIPT)
    assert words is not None
    assert hot is not None
    assert re.findall(r"^  (\w+):", words[1], re.MULTILINE) == list(REASONS)
    assert tuple(re.findall(r'"(\w+)"', hot[1])) == HOT
