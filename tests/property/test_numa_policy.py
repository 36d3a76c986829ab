"""numa_maps: what is written is read back, and nothing that a kernel could write is an error."""

from hypothesis import given
from hypothesis import strategies as st

from mmscand.linux.numa_policy import parse_numa_maps

BOUND, FREE, ELSE = (
    ["bind", "prefer", "prefer (many)"],
    ["default", "local"],
    ["interleave", "weighted interleave", "new"],
)
nodes = st.frozensets(st.integers(0, 1023), min_size=1, max_size=5)


def id_list(ids: frozenset[int]) -> str:
    return ",".join(str(each) for each in sorted(ids))


@st.composite
def lines(draw: st.DrawFn, start: int) -> tuple[str, frozenset[int] | None]:
    mode = draw(st.sampled_from(BOUND + FREE + ELSE))
    flags = draw(st.sampled_from(["", "=static", "=relative", "=static|balancing"]))
    rest = draw(st.sampled_from(["", " anon=1 N0=1", " file=/a\\040bind:7", " heap", " huge"]))
    if mode in FREE:
        return f"{start:x} {mode}{rest}\n", None
    wanted = draw(nodes)
    line = f"{start:x} {mode}{flags}:{id_list(wanted)}{rest}\n"
    return line, wanted if mode in BOUND else frozenset()


@given(st.data())
def test_what_is_written_is_read_back(data: st.DataObject) -> None:
    starts = sorted(data.draw(st.sets(st.integers(1, 1 << 47), max_size=8)))
    written = [data.draw(lines(start)) for start in starts]
    found, wishes = parse_numa_maps("".join(line for line, _ in written).encode())
    assert found.tolist() == starts
    assert wishes == [wish for _, wish in written]


@given(st.binary(max_size=200) | st.text("0123abf :,-=bindprefer()\n", max_size=200))
def test_nonsense_is_no_error(data: bytes | str) -> None:
    starts, wishes = parse_numa_maps(data.encode() if isinstance(data, str) else data)
    assert len(starts) == len(wishes)
