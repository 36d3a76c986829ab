"""Which kernel of a series is taken, and from which package lists, with scripts in apt's place."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mmscand_lab import kernels
from mmscand_lab.kernel import LabError
from mmscand_lab.kernels import fetch_series, newest_image

RELEASE = "7.3.4+deb13-amd64"
UNPACK = f'mkdir -p "$3/usr/lib/modules/{RELEASE}"; touch "$3/usr/lib/modules/{RELEASE}/vmlinuz"'


@pytest.fixture
def tools(scripts: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Scripts in the place of apt and dpkg; each call is a line in a file."""
    calls = tmp_path / "calls"

    def install(**texts: str) -> Path:
        scripts(**{name: f"echo {name} $@ >> {calls}\n{text}" for name, text in texts.items()})
        return calls

    install(dpkg=UNPACK, depmod=f"touch $2/lib/modules/{RELEASE}/modules.dep")
    return install


def test_the_newest_image_wins_by_number_and_special_kernels_are_none() -> None:
    names = [
        "linux-image-7.2.12+deb13-amd64",
        "linux-image-7.3.4+deb13-amd64",
        "linux-image-7.3.4+deb13-cloud-amd64",
        "linux-image-7.3.4+deb13-rt-amd64",
        "linux-image-7.3.4+deb13-amd64-dbg",
        "linux-image-7.9.9+deb13-amd64-unsigned",
    ]
    assert newest_image(names) == "linux-image-7.3.4+deb13-amd64"
    old = ["linux-image-6.1.0-9-amd64", "linux-image-6.1.0-56-amd64"]
    assert newest_image(old) == "linux-image-6.1.0-56-amd64"
    assert newest_image([]) is None


def test_a_kernel_that_the_host_lacks_comes_from_lists_of_other_releases(
    tools: Callable[..., Path], tmp_path: Path
) -> None:
    depends = f"echo '  Depends: linux-binary-{RELEASE}'; echo '  Depends: linux-modules-{RELEASE}'"
    found = f'case "$*" in *depends*) {depends};; *sources.list*) echo linux-image-{RELEASE};; esac'
    targets = "echo 'Debian|mirror/security|stable|Debian-Security'; echo 'Debian|mirror|s|Debian'"
    calls = tools(
        apt_cache=found,
        apt_get=f'case "$*" in *indextargets*) {targets};; *download*) touch a.deb;; esac',
    )
    kernel = fetch_series("7", tmp_path / "cache")
    assert kernel.release == RELEASE
    assert kernel.image.exists()
    sources = (tmp_path / "cache/other-releases/sources.list").read_text().splitlines()
    assert sources[0] == "deb mirror bookworm main"
    (download,) = [line for line in calls.read_text().splitlines() if "download" in line]
    parts = " ".join(f"linux-{part}-{RELEASE}" for part in ("image", "binary", "modules"))
    assert download.endswith(parts)
    assert "Dir::State::Lists=" in download  # of its own: the host's stay as they are
    calls.write_text("")
    assert fetch_series("7", tmp_path / "cache") == kernel
    assert calls.read_text() == ""


def test_a_series_that_is_nowhere_is_one_line(
    tools: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools(apt_cache="true", apt_get="echo 'Debian|mirror|s|Debian'")
    with pytest.raises(LabError, match=r"no stock kernel of series 5\.4"):
        fetch_series("5.4", tmp_path)
    tools(apt_get="echo 'Ubuntu|mirror|s|Ubuntu'")
    with pytest.raises(LabError, match="no mirror of Debian"):
        fetch_series("5.4", tmp_path)
    assert kernels.SERIES == ("6.1", "6.12", "7")
