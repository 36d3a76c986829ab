"""Which memcached is run, with small scripts in place of apt and dpkg: no network, no root."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mmscand_lab.kernel import LabError
from mmscand_lab.memcached import memcached_program, take_memcached

Tools = Callable[..., Path]

DEPENDS = "printf 'memcached\\n  Depends: libc6\\n  Depends: perl\\n  Depends: libevent-2.1-7\\n'"
DOWNLOAD = "touch all.deb; echo $@ >> ../calls"
UNPACK = (
    "mkdir -p $3/usr/bin $3/usr/lib/x86_64-linux-gnu; touch $3/usr/bin/memcached; ln -s usr $3/s"
)


@pytest.fixture
def tools(scripts: Tools) -> Tools:
    scripts(apt_cache=DEPENDS, apt_get=DOWNLOAD, dpkg=UNPACK)
    return scripts


def test_it_is_downloaded_once_with_its_libraries_and_not_installed(
    tmp_path: Path, tools: Tools
) -> None:
    cache = tmp_path / "cache"
    found = memcached_program(cache)
    assert found.path == cache / "memcached/usr/bin/memcached"
    assert found.path.exists()
    libraries = cache / "memcached/usr/lib/x86_64-linux-gnu"
    assert found.environment == {"LD_LIBRARY_PATH": str(libraries)}
    assert memcached_program(cache) == found
    calls = (cache / "calls").read_text().splitlines()
    assert [call.split()[-2:] for call in calls] == [["memcached", "libevent-2.1-7"]]
    assert sorted(path.name for path in cache.iterdir()) == ["calls", "memcached"]


def test_the_guest_has_what_the_host_put_into_the_results(tmp_path: Path, tools: Tools) -> None:
    for _ in range(2):  # a contest may go on in the same folder
        take_memcached(tmp_path, tmp_path / "cache")
    tools(apt_get="exit 100")
    found = memcached_program(tmp_path)
    assert found.path == tmp_path / "memcached/usr/bin/memcached"
    assert found.path.exists()
    assert found.environment["LD_LIBRARY_PATH"].startswith(f"{tmp_path}/memcached/")


def test_one_that_is_installed_is_taken_as_it_is(tmp_path: Path, tools: Tools) -> None:
    own = tools(memcached="exit 0") / "memcached"
    found = memcached_program(tmp_path)
    assert (found.path, found.environment) == (own, {})
    take_memcached(tmp_path, tmp_path)
    assert not (tmp_path / "memcached").exists()


def test_without_a_mirror_it_is_asked_for(tmp_path: Path, tools: Tools) -> None:
    tools(apt_get="echo 'E: no network' >&2; exit 100")
    with pytest.raises(LabError, match=r"needs memcached.*no network") as caught:
        memcached_program(tmp_path / "cache")
    assert "apt-get install --no-install-recommends memcached" in caught.value.hint
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_slower_of_two_runs_uses_the_tree_of_the_faster(tmp_path: Path, tools: Tools) -> None:
    tools(dpkg=f"{UNPACK}; mkdir -p {tmp_path}/memcached/usr/bin")
    assert memcached_program(tmp_path).path.parent.exists()
