"""Frames of the daemon that runs."""

from mmscand.assignments import parse_assignments
from mmscand.control.client import ControlClient
from mmscand.errors import UsageError
from mmscand.shown import quoted
from mmscand.top import columns
from mmscand.top.head import head
from mmscand.top.tables import Frame, Table, View

_SWITCHES = ("enable", "disable", "reload")


class Live:
    """See tables.Source."""

    past = False

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    def frame(self, view: View, pid: int | None) -> Frame:
        """See Source."""
        status = self._client.status()
        return Frame("live", head(status), self._table(view, pid))

    def _table(self, view: View, pid: int | None) -> Table:
        client = self._client
        if view == "events":
            found = client.events()["events"]
            return columns.events((each["time"], each["words"]) for each in found)
        if view == "cgroups":
            return columns.cgroups(client.rates(), client.processes())
        if view == "mappings" and pid is not None:
            return columns.mappings(client.why(pid), client.heat(pid))
        return columns.processes(client.processes())

    def step(self, moments: int) -> None:
        """See Source: there is no other moment."""

    def go_to(self, words: str) -> None:
        """See Source."""
        raise UsageError("this is live", hint="`mmscand top --at 3m` goes over the history")

    def command(self, words: str) -> str:
        """`enable`, `disable`, `reload`, or `set KNOB=VALUE`."""
        name, _, rest = words.partition(" ")
        if name == "set" and rest:
            changed = self._client.change(parse_assignments(rest.split()))
            return ", ".join(f"{knob} is {value}" for knob, value in changed["values"].items())
        if name not in _SWITCHES or rest:
            hint = "write set KNOB=VALUE, enable, disable or reload"
            raise UsageError(f"{quoted(words)} is no command", hint=hint)
        if name == "reload":
            return "; ".join(self._client.reload()["changed"]) or "nothing changed"
        return (
            "on"
            if (self._client.enable if name == "enable" else self._client.disable)()["enabled"]
            else "off"
        )
