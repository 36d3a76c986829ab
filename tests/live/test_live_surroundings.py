"""The first namespaces of this machine, and others."""

import subprocess
import sys

import pytest

from mmscand.linux.surroundings import require_host

pytestmark = pytest.mark.area("namespaces")

_CODE = "from mmscand.linux.surroundings import require_host; require_host()"


def test_the_host_is_the_host() -> None:
    require_host()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--user", "--map-root-user"], "another user namespace"),
        (["--pid", "--fork", "--mount-proc"], "another pid namespace"),
        (["--pid", "--fork"], "another pid namespace"),
        (["--time", "--fork", "--boottime", "1000"], "another time namespace"),
    ],
)
def test_another_namespace_is_named(options: list[str], words: str) -> None:
    done = subprocess.run(
        ["unshare", *options, sys.executable, "-c", _CODE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert words in done.stderr
