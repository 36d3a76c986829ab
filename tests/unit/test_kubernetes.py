"""The manifests of packaging/kubernetes: their shape, and that they give no right too many.

kustomize itself runs where kubectl of Debian 13, or another with kustomize 5, is installed. The
kustomizations are resolved here in any case: each file is there, each patch fits what it changes.
"""

import copy
import json
import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest

from mmscand.cli.commands import COMMANDS
from mmscand.cli.node_labels import _NO_READER
from mmscand.config import load_config
from mmscand.linux.privileges import NEEDED
from mmscand.service.places import DAEMON_UNIT, content
from support.manifests import (
    BASE,
    CANARY,
    CONTAINERFILE,
    KUBERNETES,
    ROOT,
    Json,
    built,
    documents,
    has_kustomize,
    kustomization,
    of_kind,
    resources,
)

VERSIONS = ("1.30", "1.33")
"""The oldest with appArmorProfile, and a later one."""
WITH_SCHEMA = ("Namespace", "DaemonSet", "Service")
RIGHTS = ("labels", "mmscand")
"""Containers that have the daemon's capabilities."""
KUSTOMIZE = [(BASE, "main"), (CANARY, "canary")] if has_kustomize() else []
REGISTRIES = ("registry.example/", "localhost:5000/a/b/", "") if has_kustomize() else ()
CALLED = set(
    re.findall(
        r"\w+",
        """
    bpf move_pages process_madvise pidfd_open openat read pread64 mmap socket bind connect accept4
    epoll_wait clone clone3 execve futex prctl prlimit64 flock rt_sigaction sched_getaffinity
    get_mempolicy statx sysinfo timerfd_create eventfd2 pselect6 poll unlink rename chown setsockopt
    recvfrom sendmsg
""",
    )
)
"""Some of what the daemon, its clients in the same container and Python call."""


@pytest.fixture(scope="module")
def base() -> list[Json]:
    return resources(BASE)


@pytest.fixture(scope="module")
def pod(base: list[Json]) -> Json:
    spec: Json = of_kind(base, "DaemonSet")["spec"]["template"]["spec"]
    return spec


def containers(pod: Json) -> dict[str, Json]:
    return {each["name"]: each for each in [*pod["initContainers"], *pod["containers"]]}


def labelled(found: Json) -> Json:
    """As kustomize does it: a schema wants a selector."""
    pairs = {"app": "x"}
    if found["kind"] == "DaemonSet":
        spec = found["spec"]
        template = {**spec["template"], "metadata": {"labels": pairs}}
        return {**found, "spec": {**spec, "selector": {"matchLabels": pairs}, "template": template}}
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", WITH_SCHEMA)
def test_manifests_fit_the_schemas_of_kubernetes(base: list[Json], kind: str, version: str) -> None:
    kubernetes_validate.validate(labelled(of_kind(base, kind)), version, strict=True)


def test_a_wrong_manifest_does_not(base: list[Json]) -> None:
    wrong = copy.deepcopy(labelled(of_kind(base, "DaemonSet")))
    wrong["spec"]["template"]["spec"]["hostPID"] = "yes"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[1], strict=True)


def test_the_service_monitor_has_the_shape_of_its_kind(base: list[Json]) -> None:
    """The registries have no schema of it: the keys of the operator's API reference, by name."""
    monitor, service = of_kind(base, "ServiceMonitor"), of_kind(base, "Service")
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert monitor["spec"].keys() == {"endpoints", "selector"}
    (endpoint,) = monitor["spec"]["endpoints"]
    known = {"port", "path", "interval", "authorization", "relabelings"}
    assert endpoint.keys() <= known
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert endpoint["authorization"].keys() == {"type", "credentials"}


@pytest.mark.parametrize("folder", [BASE, CANARY], ids=lambda folder: folder.name)
def test_each_file_of_a_kustomization_is_there(folder: Path) -> None:
    found = kustomization(folder)
    wanted = [*found["resources"]]
    for generated in found.get("configMapGenerator", ()):
        wanted += generated["files"]
    assert [name for name in wanted if not (folder / name).exists()] == []
    named = {path.name for path in folder.iterdir()} - {"kustomization.yaml"}
    assert named == {name for name in wanted if "/" not in name}


def test_the_patches_of_the_canary_fit_the_base(base: list[Json]) -> None:
    for patch in kustomization(CANARY)["patches"]:
        of_kind(base, patch["target"]["kind"])
        (steps,) = documents(patch["patch"])
        if isinstance(steps, dict):
            assert steps["$patch"] == "delete"
            continue
        for step in steps:
            at = of_kind(base, patch["target"]["kind"])
            for part in step["path"].strip("/").split("/"):
                at = at[int(part)] if isinstance(at, list) else at[part]
            assert step["op"] in ("test", "replace")
            assert step["op"] != "test" or at == step["value"]


@pytest.mark.parametrize(("folder", "instance"), KUSTOMIZE, ids=[name for _, name in KUSTOMIZE])
def test_kustomize_makes_it(folder: Path, instance: str) -> None:
    made = built(folder)
    for each in made:
        if each["kind"] != "ServiceMonitor":
            kubernetes_validate.validate(each, VERSIONS[1], strict=True)
    daemons, monitor = of_kind(made, "DaemonSet"), of_kind(made, "ServiceMonitor")
    labels = {"app.kubernetes.io/name": "mmscand", "app.kubernetes.io/instance": instance}
    selectors = [daemons["spec"]["selector"], monitor["spec"]["selector"]]
    assert selectors == [{"matchLabels": labels}] * 2
    assert of_kind(made, "Service")["spec"]["selector"] == labels
    pod = daemons["spec"]["template"]["spec"]
    names = {each["metadata"]["name"] for each in made if each["kind"] == "ConfigMap"}
    (configuration,) = (each for each in pod["volumes"] if each["name"] == "configuration")
    assert {configuration["configMap"]["name"]} == names
    assert all(each["image"].startswith("registry.") for each in containers(pod).values())


@pytest.mark.parametrize("registry", REGISTRIES)
def test_the_canary_has_its_own_version_from_any_registry(tmp_path: Path, registry: str) -> None:
    """An image of the base that no name of the overlay fits would keep the base's version."""
    shutil.copytree(KUBERNETES, tmp_path, dirs_exist_ok=True)
    file = tmp_path / BASE.relative_to(KUBERNETES) / "kustomization.yaml"
    file.write_text(file.read_text().replace("registry.example/", registry))
    images = {}
    for folder in (BASE, CANARY):
        made = built(tmp_path / folder.relative_to(KUBERNETES))
        pod = of_kind(made, "DaemonSet")["spec"]["template"]["spec"]
        images[folder] = {name: each["image"] for name, each in containers(pod).items()}
    versions = [{each["newTag"] for each in kustomization(f)["images"]} for f in (BASE, CANARY)]
    ((old,), (new,)) = versions
    assert old != new
    assert all(image.startswith(f"{registry}mmscand") for image in images[BASE].values())
    assert images[CANARY] == {n: i.replace(old, new) for n, i in images[BASE].items()}


@pytest.mark.parametrize("folder", [CANARY] if has_kustomize() else [])
def test_what_is_deleted_with_the_canary_is_its_own(folder: Path) -> None:
    """`kubectl delete --kustomize` deletes all that the overlay makes."""
    kinds = {each["kind"]: each["metadata"]["name"] for each in built(folder)}
    assert kinds.keys() == {"DaemonSet", "Service", "ServiceMonitor", "ConfigMap"}
    assert all("-canary" in name for name in kinds.values())


def test_nodes_without_a_slow_tier_or_a_reader_get_no_pod(pod: Json) -> None:
    """`labels` goes by the nodes that the configuration of the daemon names."""
    spec = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (term,) = spec["nodeSelectorTerms"]
    refused = {e["key"]: e["values"] for e in term["matchExpressions"] if e["operator"] == "NotIn"}
    assert refused["mmscand.dev/tiers"] == ["1"]
    assert refused["mmscand.dev/reader"] == [_NO_READER]
    labels, daemon = (containers(pod)[name] for name in ("labels", "mmscand"))
    for container in (labels, daemon):
        at = container["args"].index("--config")
        assert container["args"][at + 1] == "/etc/mmscand/mmscand.toml"
        assert "/etc/mmscand" in [each["mountPath"] for each in container["volumeMounts"]]


def test_no_node_has_a_pod_of_both(base: list[Json]) -> None:
    spec = of_kind(base, "DaemonSet")["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
    (term,) = spec["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    canary = {"key": "mmscand.dev/canary", "operator": "NotIn", "values": ["true"]}
    assert canary in term["matchExpressions"]
    (patch,) = (p for p in kustomization(CANARY)["patches"] if p["target"]["kind"] == "DaemonSet")
    (steps,) = documents(patch["patch"])
    assert [step["value"] for step in steps] == [canary["key"], "In"]


def test_capabilities_are_those_of_the_unit_and_of_the_documents(pod: Json) -> None:
    four = {name.removeprefix("CAP_") for _, (name, _) in NEEDED.items()}
    (unit,) = re.findall("^CapabilityBoundingSet=(.*)$", content(DAEMON_UNIT), re.MULTILINE)
    assert {name.removeprefix("CAP_") for name in unit.split()} == four
    text = (ROOT / "docs/explanation/security.md").read_text()
    assert set(re.findall(r"^\| `CAP_(\w+)` \|", text, re.MULTILINE)) == four
    for name, container in containers(pod).items():
        given = container["securityContext"]["capabilities"]
        assert given["drop"] == ["ALL"]
        assert set(given.get("add", ())) == (four if name in RIGHTS else set())


def test_kubernetes_accepts_the_spelling_of_the_capabilities(pod: Json) -> None:
    """Its validation refuses the name with CAP_ beside allowPrivilegeEscalation: false."""
    for container in containers(pod).values():
        given = container["securityContext"]["capabilities"].get("add", ())
        assert not [name for name in given if name.startswith("CAP_")]


def test_every_container_is_confined(pod: Json) -> None:
    for name, container in containers(pod).items():
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert "privileged" not in context
        profile = "Localhost" if name in RIGHTS else "RuntimeDefault"
        assert context["seccompProfile"]["type"] == profile
    api = containers(pod)["api"]["securityContext"]
    assert (api["runAsNonRoot"], api["runAsUser"]) == (True, 980)
    assert pod["hostPID"] is True
    assert pod["automountServiceAccountToken"] is False


def test_folders_of_the_node_are_for_init_containers_alone(pod: Json) -> None:
    of_the_node = {each["name"] for each in pod["volumes"] if "hostPath" in each}
    assert of_the_node == {"seccomp-profiles", "features"}
    for container in pod["containers"]:
        assert not of_the_node & {each["name"] for each in container["volumeMounts"]}
    text = (BASE / "daemonset.yaml").read_text()
    for name in of_the_node:
        assert re.search(rf"#.*\n +- name: {name}\n", text), f"{name}: no reason beside it"


def test_commands_are_ours_and_need_no_shell(pod: Json) -> None:
    for name, container in containers(pod).items():
        words = [*container.get("command", ()), *container.get("args", ())]
        assert not {"sh", "bash", "/bin/sh"} & set(words)
        if name in RIGHTS:
            assert words[0] in COMMANDS
    for line in CONTAINERFILE.read_text().splitlines():
        if line.startswith(("ENTRYPOINT", "CMD")):
            assert isinstance(json.loads(line.partition(" ")[2]), list)


def test_numbers_of_users_are_those_of_the_image(pod: Json) -> None:
    made = set(re.findall(r"--[ug]id (\d+)", CONTAINERFILE.read_text()))
    api = containers(pod)["api"]["securityContext"]
    used = {pod["securityContext"]["fsGroup"], *pod["securityContext"]["supplementalGroups"]}
    assert {str(each) for each in (*used, api["runAsUser"], api["runAsGroup"])} == made


def test_the_configuration_is_one(tmp_path: Path) -> None:
    """This machine may have no group `mmscand`; the image has."""
    file = tmp_path / "mmscand.toml"
    file.write_text((BASE / "mmscand.toml").read_text().replace('"mmscand"', '"root"'))
    assert load_config(file).group == "root"


@pytest.fixture(scope="module")
def profile() -> Json:
    found: Json = json.loads((BASE / "seccomp.json").read_text())
    return found


def allowed(profile: Json) -> set[str]:
    return {
        name
        for part in profile["syscalls"]
        if part["action"] == "SCMP_ACT_ALLOW"
        for name in part["names"]
    }


def test_the_seccomp_profile_refuses_by_default_and_allows_what_is_called(profile: Json) -> None:
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert CALLED - allowed(profile) == {"clone3"}
    families = [
        part["args"][0]["value"] for part in profile["syscalls"] if "socket" in part["names"]
    ]
    assert families == [1, 16]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_the_seccomp_profile_allows_no_call_that_the_unit_refuses(profile: Json) -> None:
    lines = re.findall("^SystemCallFilter=(.*)$", content(DAEMON_UNIT), re.MULTILINE)
    given, taken = (set(line.strip("~").split()) for line in lines)
    assert given == {"@system-service", "bpf"}
    unit = (calls_of("@system-service") | {"bpf"}) - {
        call for one in taken for call in calls_of(one)
    }
    assert allowed(profile) - unit == set()


def calls_of(name: str) -> set[str]:
    """Of a group of systemd, with those of groups in it."""
    if not name.startswith("@"):
        return {name}
    command = ["systemd-analyze", "syscall-filter", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line.strip() for line in done.stdout.splitlines()[1:]]
    words = [line for line in lines if line and not line.startswith("#")]
    return {call for word in words for call in calls_of(word)}
