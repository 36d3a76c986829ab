"""GET /v1/heat, /v1/why and /v1/log over a real socket."""

from pathlib import Path

import pytest

from mmscand.api.server import ApiServer
from support.curl import curl
from support.fake_daemon import FakeDaemon


def test_heat_has_pieces_of_mappings(api: ApiServer, api_path: Path) -> None:
    code, answer = curl(api_path, "http://d/v1/heat/7")
    assert (code, answer["pid"], answer["unit"]) == (200, 7, "rate")
    assert len(answer["mappings"]) > 0
    assert all(each["end"] > each["start"] for each in answer["pieces"])


def test_why_has_mappings_and_reasons(api: ApiServer, api_path: Path) -> None:
    code, answer = curl(api_path, "http://d/v1/why/7")
    assert (code, answer["process"]["pid"], answer["edge"]) == (200, 7, 40.0)
    assert [each["name"] for each in answer["mappings"]] == ["[heap]", "[vdso]"]
    assert answer["mappings"][0]["slow"]["no_room"] == 200


def test_the_log_goes_on_after_a_number(api: ApiServer, api_path: Path) -> None:
    _, answer = curl(api_path, "http://d/v1/log")
    numbers = [each["number"] for each in answer["events"]]
    assert len(numbers) > 1
    _, answer = curl(api_path, f"http://d/v1/log?since={numbers[0]}")
    assert [each["number"] for each in answer["events"]] == numbers[1:]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("heat/8", 404),
        ("why/8", 404),
        ("heat/0", 422),
        ("why/x", 422),
        ("log?since=-1", 422),
    ],
)
def test_what_is_not_there_is_refused_in_words(
    api: ApiServer, api_path: Path, path: str, code: int
) -> None:
    got, answer = curl(api_path, f"http://d/v1/{path}")
    assert (got, answer.keys()) == (code, {"error", "hint"})


def test_names_of_others_may_be_any_bytes(
    api: ApiServer, api_path: Path, daemon: FakeDaemon
) -> None:
    daemon.name = "\udcff<b>"
    for path in ("heat/7", "why/7"):
        code, answer = curl(api_path, f"http://d/v1/{path}")
        assert code == 200, answer
