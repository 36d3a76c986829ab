"""The guest's kernel, with small scripts in place of apt and dpkg: no network, no root."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mmscand_lab import kernel

RELEASE = "6.12.117+deb12-amd64"
Tools = Callable[..., Path]

DEPENDS = f"echo {{meta}}; echo '  Depends: linux-image-{RELEASE}'"
DOWNLOAD = "touch image.deb; echo $@ >> ../calls"
UNPACK = f'mkdir -p $3/boot $3/usr/lib/modules/{RELEASE}; touch "$3/boot/vmlinuz-{RELEASE}"'
INDEX = f"touch $2/lib/modules/{RELEASE}/modules.dep"


@pytest.fixture
def tools(scripts: Tools) -> Tools:
    """Scripts in the place of apt and dpkg."""
    scripts(apt_cache=DEPENDS, apt_get=DOWNLOAD, dpkg=UNPACK, depmod=INDEX)
    return scripts


def tree(cache: Path, release: str, *, complete: bool = True) -> None:
    (cache / release / "boot").mkdir(parents=True)
    (cache / release / "boot" / f"vmlinuz-{release}").touch()
    modules = cache / release / "lib" / "modules" / release
    modules.mkdir(parents=True)
    if complete:
        (modules / "modules.dep").touch()


def test_dependencies_are_kernel_packages_new_enough() -> None:
    listing = """linux-image-generic
  Depends: linux-image-6.8.0-31-generic
 |Depends: linux-modules-6.8.0-31-generic
  Depends: linux-image-6.1.0-9-amd64
  Depends: linux-firmware
  Recommends: linux-image-6.9.0-1-amd64
"""
    assert kernel.dependencies_of(listing) == [
        "linux-image-6.8.0-31-generic",
        "linux-modules-6.8.0-31-generic",
    ]


def test_newest_complete_kernel_wins_by_number_not_by_letters(tmp_path: Path) -> None:
    tree(tmp_path, "6.12.9")
    tree(tmp_path, "6.12.117")
    tree(tmp_path, "6.13.1", complete=False)
    found = kernel.cached_kernel(tmp_path)
    assert found is not None
    assert found.release == "6.12.117"
    assert found.image.exists()
    assert found.modules.is_dir()


def test_files_of_a_module_are_in_the_order_of_loading(tmp_path: Path, tools: Tools) -> None:
    tools(modprobe=r"printf 'builtin x\ninsmod /a/one.ko.xz \ninsmod /a/two.ko.xz \n'")
    files = kernel.module_files(kernel.GuestKernel(RELEASE, tmp_path), "two")
    assert files == [Path("/a/one.ko.xz"), Path("/a/two.ko.xz")]
    tools(modprobe="echo 'modprobe: FATAL: Module two not found' >&2; exit 1")
    with pytest.raises(kernel.LabError, match="not found"):
        kernel.module_files(kernel.GuestKernel(RELEASE, tmp_path), "two")


def test_empty_cache_has_no_kernel(tmp_path: Path) -> None:
    assert kernel.cached_kernel(tmp_path / "absent") is None


def test_fetch_unpacks_once_and_leaves_no_scratch(tmp_path: Path, tools: Tools) -> None:
    cache = tmp_path / "cache"
    first = kernel.fetch_kernel(cache)
    assert first == kernel.GuestKernel(RELEASE, cache / RELEASE)
    assert (first.modules / "modules.dep").exists()
    assert kernel.fetch_kernel(cache) == first
    assert kernel.fetch_kernel(cache, refresh=True) == first
    assert len((cache / "calls").read_text().splitlines()) == 1
    assert sorted(path.name for path in cache.iterdir()) == [RELEASE, "calls"]


def test_no_new_kernel_in_the_lists_says_what_to_do(tmp_path: Path, tools: Tools) -> None:
    tools(apt_cache="echo '  Depends: linux-image-6.1.0-9-amd64'")
    with pytest.raises(kernel.LabError, match=r"6\.7") as caught:
        kernel.fetch_kernel(tmp_path / "cache")
    assert "apt-get update" in caught.value.hint
    assert caught.value.exit_code == 1


def test_failed_download_keeps_the_cache_clean(tmp_path: Path, tools: Tools) -> None:
    tools(apt_get="echo 'E: no space left' >&2; exit 100")
    with pytest.raises(kernel.LabError, match="no space left"):
        kernel.fetch_kernel(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_package_without_an_image_is_an_error(tmp_path: Path, tools: Tools) -> None:
    tools(dpkg="mkdir -p $3/usr")
    with pytest.raises(kernel.LabError, match="vmlinuz"):
        kernel.fetch_kernel(tmp_path / "cache")


def test_the_slower_of_two_runs_uses_the_tree_of_the_faster(tmp_path: Path, tools: Tools) -> None:
    cache = tmp_path / "cache"
    folder = f"{cache}/{RELEASE}"
    # The other run publishes its tree while this one indexes its own.
    other = f"mkdir -p {folder}/boot; touch {folder}/boot/vmlinuz-{RELEASE}"
    tools(depmod=f"{INDEX}; {other}")
    assert kernel.fetch_kernel(cache).root == cache / RELEASE
    assert [path.name for path in cache.iterdir() if path.name.startswith(".")] == []


def test_missing_packages_are_named_with_the_line_to_type(tools: Tools) -> None:
    tools(dpkg_query='[ "$4" = kmod ] && echo installed')
    assert kernel.missing_packages(("kmod", "busybox-static")) == ("busybox-static",)
    kernel.ensure_packages(("kmod",))
    with pytest.raises(kernel.LabError) as caught:
        kernel.ensure_packages(("kmod", "busybox-static"))
    assert caught.value.hint.endswith("--no-install-recommends busybox-static")


def test_cache_folder_of_a_user_and_of_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/x/c")
    assert kernel.default_cache() == Path("/home/x/c/mmscand/lab")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert kernel.default_cache() == Path("/var/cache/mmscand/lab")
