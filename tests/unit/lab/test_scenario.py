"""The table of scenarios."""

from dataclasses import replace

import pytest

from mmscand.errors import UsageError
from mmscand_lab import workload
from mmscand_lab.scenario import SCENARIOS, Scenario, scenario_named


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=list(SCENARIOS))
def test_the_workload_takes_the_options_of_each_scenario(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = list(range(len(scenario.guest.nodes)))
    monkeypatch.setattr(workload, "online_nodes", lambda: nodes)
    options = workload._parse([*scenario.workload_arguments(), "--state", "folder"])
    hot = scenario.mib * scenario.hot_share if scenario.hot_mib is None else scenario.hot_mib
    assert (options.mib, options.layout, options.huge) == (
        scenario.mib,
        scenario.layout,
        scenario.huge,
    )
    assert options.hot_mib == pytest.approx(hot)
    assert (options.write_share, options.seed) == (scenario.write_share, scenario.seed)
    home = (scenario.home_node, scenario.home_leaves_mib)
    assert (options.home_node, options.home_leaves_mib) == home


def test_the_guest_has_room_for_each_workload_on_its_slow_node() -> None:
    for scenario in SCENARIOS.values():
        assert scenario.guest.nodes[-1].memory_mib > 2 * scenario.mib
        assert "numa_balancing=disable" in scenario.guest.kernel_args


def test_names_are_the_keys_and_others_are_refused() -> None:
    assert all(scenario_named(name).name == name for name in SCENARIOS)
    with pytest.raises(UsageError, match="random, thp"):
        scenario_named("nope")


def test_other_figures_make_other_arguments() -> None:
    mine = replace(SCENARIOS["small"], seed=5, hot_mib=2.5, write_share=0.0)
    argv = mine.workload_arguments()
    assert argv[argv.index("--hot-mib") + 1] == "2.5"
    assert argv[argv.index("--seed") + 1] == "5"
