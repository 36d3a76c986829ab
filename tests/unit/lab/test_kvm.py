"""The KVM machine's code and structures, byte by byte; it runs in tests/lab."""

import struct

import pytest

from mmscand_lab import kvm


def test_the_code_is_what_its_comments_say() -> None:
    program = kvm.code(0x1000, 3)
    assert program.hex(" ") == (
        "be 00 10 00 00 b9 03 00 00 00 ff 06 81 c6 00 10 00 00 49 75 f5 e6 10 eb e7"
    )


def test_jumps_of_the_code_land_where_they_should() -> None:
    program = kvm.code(0, 1)
    inner, outer = program.index(b"\x75"), program.index(b"\xeb")
    (back,) = struct.unpack_from("<b", program, inner + 1)
    assert inner + 2 + back == program.index(b"\xff\x06")
    (back,) = struct.unpack_from("<b", program, outer + 1)
    assert outer + 2 + back == 0
    assert outer + 2 == len(program)


def test_structures_have_the_size_that_their_ioctls_say() -> None:
    """Bits 16 to 29 of the number of an ioctl are the size of its argument."""
    sizes = {
        kvm._SET_USER_MEMORY_REGION: len(kvm.memory_region(1 << 30, 1 << 20)),
        kvm._SET_REGS: len(kvm.registers()),
        kvm._GET_SREGS: kvm._SREGS_BYTES,
        kvm._SET_SREGS: len(kvm.flat(bytes(kvm._SREGS_BYTES))),
    }
    assert [number >> 16 & 0x3FFF for number in sizes] == list(sizes.values())


def test_memory_is_slot_0_from_address_0_on() -> None:
    region = kvm.memory_region(0x7F00_0000_0000, 48 << 20)
    assert struct.unpack("<IIQQQ", region) == (0, 0, 0, 48 << 20, 0x7F00_0000_0000)


def test_it_starts_at_address_0_with_the_flag_that_is_always_set() -> None:
    *general, flags = struct.unpack("<18Q", kvm.registers())
    assert (set(general), flags) == ({0}, 2)


@pytest.mark.parametrize(("place", "selector", "kind"), [(0, 0x08, 11), (1, 0x10, 3), (5, 0x10, 3)])
def test_segments_cover_all_memory(place: int, selector: int, kind: int) -> None:
    sregs = kvm.flat(bytes(kvm._SREGS_BYTES))
    base, limit, chosen, which, present, _, big, _, long, granular, _, unusable = (
        kvm._SEGMENT.unpack_from(sregs, place * kvm._SEGMENT.size)
    )
    assert (base, limit, chosen, which) == (0, 0xFFFF_FFFF, selector, kind)
    assert (present, big, long, granular, unusable) == (1, 1, 0, 1, 0)


def test_it_is_in_protected_mode_and_the_rest_stays() -> None:
    before = bytes(range(256)) + bytes(range(56))
    after = kvm.flat(before)
    (was,), (now,) = (struct.unpack_from("<Q", data, kvm._CR0_AT) for data in (before, after))
    assert now == was | 1
    assert after[: 6 * 24] != before[: 6 * 24]
    assert after[6 * 24 : kvm._CR0_AT] == before[6 * 24 : kvm._CR0_AT]
    assert after[kvm._CR0_AT + 8 :] == before[kvm._CR0_AT + 8 :]
