"""`mmscand enable`, `disable` and `reload`."""

from mmscand.cli.table import JsonOption, SocketOption, client_for, print_answer
from mmscand.shown import shown


def enable(socket: SocketOption = None, as_json: JsonOption = False) -> None:
    """Let the daemon scan (again)."""
    print_answer(client_for(socket).enable(), "scanning is on", as_json=as_json)


def disable(socket: SocketOption = None, as_json: JsonOption = False) -> None:
    """Let the daemon sleep until it is enabled; what is queued is still moved."""
    print_answer(client_for(socket).disable(), "scanning is off", as_json=as_json)


def reload(socket: SocketOption = None, as_json: JsonOption = False) -> None:
    """Let the daemon read its configuration again. What was set by hand stays until `reset`."""
    answer = client_for(socket).reload()
    text = "\n".join(map(shown, answer["changed"])) or "nothing has changed"
    print_answer(answer, text, as_json=as_json)
