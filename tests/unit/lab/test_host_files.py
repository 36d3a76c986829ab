"""The guest's root is read through its page cache: virtme-ng's own script, with another option."""

from pathlib import Path

import pytest
from virtme import mkinitramfs

from mmscand_lab.host_files import cache_root


@pytest.fixture
def initramfs(tmp_path: Path) -> Path:
    config = mkinitramfs.Config()
    path = tmp_path / "initramfs"
    path.write_bytes(b"0707\0" + mkinitramfs.generate_init(config))
    return path


def test_root_is_cached_and_the_archive_keeps_its_length(initramfs: Path) -> None:
    before = initramfs.read_bytes()
    assert cache_root(initramfs)
    after = initramfs.read_bytes()
    assert len(after) == len(before)
    (line,) = (line for line in after.splitlines() if b"-t 9p" in line)
    assert b" -o ro,cache=loose,trans=virtio,access=any,msize=524288 /dev/root  " in line
    assert b"/newroot/; then" in line


@pytest.mark.parametrize("replaced", [(b"-o ro,", b"-o rw,"), (b"msize=524288", b"msize=9")])
def test_another_script_is_left_alone(initramfs: Path, replaced: tuple[bytes, bytes]) -> None:
    other = initramfs.read_bytes().replace(*replaced)
    initramfs.write_bytes(other)
    assert not cache_root(initramfs)
    assert initramfs.read_bytes() == other
