"""Server-sent events as a browser takes them."""

from mmscand.api.server_sent import ServerSentEvent


def test_an_event_is_a_name_and_a_line_and_an_empty_line() -> None:
    assert bytes(ServerSentEvent("status", '{"a": "ü"}')) == (
        'event: status\ndata: {"a": "ü"}\n\n'.encode()
    )
