"""`mmscand enable`, `disable` and `reload`."""

from typing import Any

from mmscand.cli.table import JsonOption, SocketOption, client_for, print_answer
from mmscand.shown import shown


def enable(socket: SocketOption = None, as_json: JsonOption = False) -> None:
    """Let the daemon scan (again)."""
    _report(client_for(socket).enable(), as_json)


def disable(socket: SocketOption = None, as_json: JsonOption = False) -> None:
    """Let the daemon sleep until it is enabled; what is queued is still moved."""
    _report(client_for(socket).disable(), as_json)


def reload(socket: SocketOption = None, as_json: JsonOption = False) -> None:
    """Let the daemon read its configuration again. Knobs set by hand stay until `reset`."""
    answer = client_for(socket).reload()
    text = "\n".join(map(shown, answer["changed"])) or "nothing has changed"
    print_answer(answer, text, as_json=as_json)


def _report(answer: dict[str, Any], as_json: bool) -> None:
    text = "scanning is on" if answer["enabled"] else "scanning is off"
    print_answer(answer, text, as_json=as_json)
