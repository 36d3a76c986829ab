"""What is tried before `run` watches the first process."""

import pytest

from mmscand.cli import wiring
from mmscand.cli.wiring import NodeOptions, real_machine
from mmscand.errors import MachineCannot
from mmscand.sim.nodes import sim_topology


def test_run_does_not_begin_where_pages_cannot_be_aged_or_moved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else it would watch forever and move nothing. What is tried: unit/linux/test_trials.py."""
    opened: list[object] = []

    def refused() -> None:
        raise MachineCannot("move_pages(2): refused")

    topology = sim_topology((0,), (1,), {0: 512, 1: 512})
    monkeypatch.setattr(NodeOptions, "topology", lambda _: topology)
    monkeypatch.setattr(wiring, "require_host", lambda: None)
    monkeypatch.setattr(wiring, "require_capabilities", lambda _: None)
    monkeypatch.setattr(wiring, "open_machine", lambda *_: opened.append(1))
    monkeypatch.setattr(wiring, "require_working", lambda: None)
    real_machine(NodeOptions())
    assert opened == [1]
    monkeypatch.setattr(wiring, "require_working", refused)
    with pytest.raises(MachineCannot, match="move_pages"):
        real_machine(NodeOptions())
    assert opened == [1]
