"""What is known of memory that is used without its owner's page tables."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmscand.linux.procfs import Procfs
from mmscand.linux.unseen_use import KVM, PINNED, VFIO, by_descriptors, by_mappings, by_pins


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (b"anon_inode:kvm-vm", KVM),
        (b"/dev/kvm", ""),  # a program that asks what KVM can do has no machine yet
        (b"/dev/vfio/17", VFIO),
        (b"/dev/vfio/devices/vfio0", VFIO),
        (b"anon_inode:[vfio-device]", VFIO),
        (b"/dev/iommu", VFIO),
        (b"/home/anon_inode:kvm-vm", ""),
        (b"socket:[1234]", ""),
    ],
)
def test_descriptors(target: bytes, why: str) -> None:
    assert by_descriptors([b"/dev/null", target]) == why


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (b"anon_inode:kvm-vcpu:3", KVM),
        (b"anon_inode:[vfio-device]", VFIO),
        (b"/usr/lib/kvm-vcpu", ""),
        (b"[heap]", ""),
    ],
)
def test_mappings(path: bytes, why: str) -> None:
    assert by_mappings(b"7f00-7f01 rw-s 00000000 00:0e 12 " + path + b"\n") == why


@pytest.mark.parametrize(
    ("pinned", "resident", "why"),
    [(0, 1000, ""), (499, 1000, ""), (500, 1000, PINNED), (0, 0, ""), (64, 0, PINNED)],
)
def test_pins(pinned: int, resident: int, why: str) -> None:
    status = b"Name:\tx\nVmPin:\t%8d kB\nVmRSS:\t%8d kB\n" % (pinned, resident)
    assert by_pins(status) == why


@given(st.binary(), st.lists(st.binary()))
def test_any_bytes_are_taken(data: bytes, targets: list[bytes]) -> None:
    assert by_pins(data) in ("", PINNED)
    assert by_mappings(data) in ("", KVM, VFIO)
    assert by_descriptors(targets) in ("", KVM, VFIO)


def test_descriptors_of_a_process_are_read_and_those_that_close_meanwhile_left_out(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "7/fd"
    folder.mkdir(parents=True)
    (folder / "0").symlink_to("anon_inode:kvm-vm")
    (folder / "1").symlink_to(os.fsdecode(b"/a\xff"))
    found = Procfs(tmp_path).descriptors(7)
    assert sorted(found) == [b"/a\xff", b"anon_inode:kvm-vm"]
