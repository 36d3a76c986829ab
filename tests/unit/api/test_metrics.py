"""/metrics: its names, by the conventions of Prometheus; what is in the table is there."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from mmscand import __version__
from mmscand.api import metrics
from mmscand.api.kernel_metrics import KernelCounters
from mmscand.api.metric_names import families, family
from mmscand.api.metrics import Exporter
from mmscand.api.server import ApiServer
from mmscand.control.client import ControlClient
from mmscand.observe.counters import COUNTERS
from mmscand.observe.fields import counter, fields_of, gauge, text
from mmscand.observe.groups import Groups
from mmscand.observe.status import DaemonStatus
from support.fake_daemon import NOW, FakeDaemon
from support.prometheus import program

ROOT = Path(__file__).resolve().parents[3]
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
SHAPED = {"promoted", "demoted", "promoted_huge", "demoted_huge", "visits", "visit_us"}
LISTED = """
build_info pages_moved_total move_failures_total moved_bytes_total tier_bytes processes
scan_cpu_seconds_total age_cpu_seconds_total move_cpu_seconds_total pass_duration_seconds_sum
fast_access_ratio promoted_reused_ratio saved_seconds_total spent_seconds_total budget_ratio
last_pass_timestamp_seconds config_generation config_info reader_info
"""


def no_kernel() -> Iterator[Metric]:
    return iter(())


def exporter(client: ControlClient, groups: Groups | None = None) -> Exporter:
    return Exporter(client, groups or Groups(), no_kernel, __version__)


def samples(text: str) -> dict[str, float]:
    """By name and labels."""
    return {
        each.name + json.dumps(each.labels, sort_keys=True): each.value
        for found in text_string_to_metric_families(text)
        for each in found.samples
    }


def read(client: ControlClient, groups: Groups | None = None) -> dict[str, float]:
    return samples(exporter(client, groups).text(OPENMETRICS)[0].decode())


def names(client: ControlClient) -> set[str]:
    """All that are exported, also those without a value now."""
    parts = Exporter(client, Groups(), KernelCounters(), __version__).collect()
    ends = {"counter": ("_total",), "summary": ("_sum", "_count"), "info": ("_info",)}
    return {each.name + end for each in parts for end in ends.get(each.type, ("",))}


def test_values_are_in_base_units(client: ControlClient) -> None:
    found = read(client)
    assert found['mmscand_tier_bytes{"state": "free", "tier": "fast"}'] == 256 * 4096
    assert found['mmscand_reader_info{"name": "bpf"}'] == 1
    assert found["mmscand_budget_used_ratio{}"] == pytest.approx(0.0097)
    assert found['mmscand_budget_ratio{"kind": "cpu"}'] == pytest.approx(0.97)
    assert found["mmscand_scan_cpu_seconds_total{}"] == 0.25
    assert found['mmscand_scan_period_seconds{"group": "name=^app"}'] == pytest.approx(0.4)
    assert found['mmscand_moved_bytes_total{"direction": "promoted"}'] == 1024 * 4096
    assert found['mmscand_pages_moved_total{"direction": "promoted", "size": "4k"}'] == 1024
    assert found['mmscand_pages_moved_total{"direction": "promoted", "size": "huge"}'] == 0
    assert found['mmscand_hotness_bytes{"accessed": "6", "node": "1"}'] == 8 * 4096
    assert found["mmscand_last_pass_timestamp_seconds{}"] == NOW - 0.4
    assert found[f'mmscand_build_info{{"version": "{__version__}"}}'] == 1


def test_a_process_is_in_one_state(client: ControlClient) -> None:
    found = {name: n for name, n in read(client).items() if name.startswith("mmscand_processes")}
    assert {name[28:-2]: n for name, n in found.items()} == {
        "full": 0,
        "slowed": 2,
        "stopped": 0,
        "excluded": 1,
        "left_alone": 1,
    }


def test_what_the_conventions_want_is_there(client: ControlClient) -> None:
    assert {f"mmscand_{name}" for name in LISTED.split()} - names(client) == set()


def test_each_counter_of_the_table_is_there(client: ControlClient) -> None:
    found = names(client)
    for name, field in COUNTERS.items():
        assert name in SHAPED or f"{family(field).name}_total" in found


def test_each_number_of_the_daemon_is_there_and_a_new_one_too() -> None:
    @dataclass(frozen=True)
    class Inner:
        wait_us: Annotated[int, gauge("A wait.", "us")]

    @dataclass(frozen=True)
    class More(DaemonStatus):
        lost: Annotated[int, counter("Lost.", "events")] = 0
        speed: Annotated[float, gauge("Speed.", "MiB/s")] = 0.0
        on: Annotated[bool, text("On.")] = True
        why: Annotated[str, text("Words.")] = ""
        inner: Annotated[Inner | None, text("Inside.")] = None
        by_node: Annotated[dict[int, int], gauge("By node.", "pages", key="node")] = None  # type: ignore[assignment]

    answer = {"lost": 3, "speed": 2.0, "on": True, "inner": {"wait_us": 5}, "by_node": {"1": 2}}
    found = {each.name: each.value for part in families(More, answer) for each in part.samples}
    assert found == {
        "mmscand_lost_events_total": 3,
        "mmscand_speed_bytes_per_second": 2 * 1048576,
        "mmscand_on": 1,
        "mmscand_inner_wait_seconds": pytest.approx(5e-6),
        "mmscand_by_node_bytes": 8192,
    }


def test_sums_of_groups_do_not_fall_when_a_process_leaves(
    client: ControlClient, daemon: FakeDaemon
) -> None:
    groups = Groups()
    read(client, groups)
    daemon.pids = (20, 7, 9)
    name = 'mmscand_group_pages_moved_total{"direction": "promoted", "group": "name=^app"}'
    assert read(client, groups)[name] == 512
    daemon.pids = ()
    assert read(client, groups)[name] == 512


def test_no_label_has_a_pid_or_a_name_that_forges_a_line(
    client: ControlClient, daemon: FakeDaemon
) -> None:
    daemon.name = 'x"\n\udcff'
    groups = Groups(lambda process: str(process["name"]))
    text = exporter(client, groups).text("")[0].decode()
    assert "pid" not in re.sub(r"^#.*", "", text, flags=re.MULTILINE)
    assert all(line.startswith(("mmscand_", "# ")) for line in text.splitlines())


def test_without_a_daemon_it_says_so_and_the_kernel_is_still_there() -> None:
    client = ControlClient(Path("/nowhere"))
    text = Exporter(client, Groups(), KernelCounters(), __version__).text("")[0].decode()
    assert "mmscand_up 0.0" in text
    assert 'mmscand_kernel_readable{source="vmstat"} 1.0' in text
    assert "mmscand_passes_total" not in text


def test_the_route_serves_both_texts(api: ApiServer, api_path: Path) -> None:
    for accept, kind in ((OPENMETRICS, "application/openmetrics-text"), ("*/*", "text/plain")):
        command = ["curl", "-sSi", "--unix-socket", str(api_path), "-H", f"Accept: {accept}"]
        done = subprocess.run(
            [*command, "http://d/metrics"], capture_output=True, text=True, check=True
        )
        head, _, body = done.stdout.partition("\n\n")
        assert "HTTP/1.1 200" in head
        assert f"content-type: {kind}" in head
        assert body.rstrip().endswith("# EOF") is (kind != "text/plain")


def test_dashboard_and_alerts_name_what_is_exported(client: ControlClient) -> None:
    dashboard = (ROOT / "packaging/grafana/mmscand.json").read_text()
    json.loads(dashboard)
    rules = "".join(
        line
        for line in (ROOT / "packaging/prometheus/alerts.yml").read_text().splitlines(keepends=True)
        if not line.lstrip().startswith(("#", "summary:", "description:"))
    )
    used = set(re.findall(r"\bmmscand_\w+", dashboard + rules))
    assert len(used) > 20
    assert used - names(client) == set()


def test_each_alert_has_a_section_that_says_what_to_do() -> None:
    rules = (ROOT / "packaging/prometheus/alerts.yml").read_text()
    alerts = re.findall(r"alert: (\w+)", rules)
    assert len(alerts) == 5
    headings = re.findall(r"^## (\w+)", (ROOT / "docs/how-to/alerts.md").read_text(), re.MULTILINE)
    assert [each for each in headings if each.startswith("Mmscand")] == alerts


PROMTOOL = program("promtool")
promtool = pytest.mark.skipif(not PROMTOOL, reason="there is no promtool")


@promtool
def test_promtool_finds_nothing_to_complain_of(client: ControlClient) -> None:
    text = Exporter(client, Groups(), KernelCounters(), __version__).text("")[0]
    done = subprocess.run(
        [str(PROMTOOL), "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@promtool
@pytest.mark.parametrize("words", [("check", "alerts.yml"), ("test", "alerts.test.yml")])
def test_the_alerts_are_rules_and_each_fires(words: tuple[str, str]) -> None:
    verb, file = words
    path = ROOT / "packaging/prometheus" / file
    done = subprocess.run(
        [str(PROMTOOL), verb, "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_made_to_fire() -> None:
    tests = (ROOT / "packaging/prometheus/alerts.test.yml").read_text()
    rules = (ROOT / "packaging/prometheus/alerts.yml").read_text()
    fired = set(re.findall(r"alertname: (\w+)\n +exp_alerts", tests))
    assert fired == set(re.findall(r"alert: (\w+)", rules))


def test_cpu_parts_are_those_of_the_daemon() -> None:
    for part in metrics._CPU_PARTS:
        assert f"`{part}`" in fields_of(DaemonStatus)["cpu_seconds"].help
