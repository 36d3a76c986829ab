import errno

import numpy as np
import pytest

from mmscand.errors import ProcessDenied, ProcessGone
from mmscand.linux import huge_pages
from mmscand.linux.huge_pages import HugePages
from mmscand.linux.syscalls import MADV_COLD, MADV_COLLAPSE
from mmscand.model import HUGE_PAGE_BYTES, PAGE_BYTES, BoolArray, UIntArray

ADDRESSES = np.arange(1, 21, dtype=np.uint64) * np.uint64(HUGE_PAGE_BYTES)


class Kernel:
    """Refuses some addresses, and leaves some folios whole without a word."""

    def __init__(self, refuses: dict[int, int], stay_whole: tuple[int, ...] = ()) -> None:
        self.refuses, self.stay_whole = refuses, stay_whole
        self.calls: list[tuple[int, int, int]] = []

    def process_madvise(self, _: int, ranges: UIntArray, advice: int) -> int:
        self.calls.append((len(ranges), int(ranges[0, 1]), advice))
        done = 0
        for address, size in ranges.tolist():
            if code := self.refuses.get(address // HUGE_PAGE_BYTES):
                if not done:
                    raise OSError(code, "")
                break
            done += size
        return done

    def frames(self, start: int, pages: int) -> UIntArray:
        return np.array([start], dtype=np.uint64)

    def tails(self, frame: int, pages: int) -> BoolArray:
        return np.array([frame // HUGE_PAGE_BYTES in self.stay_whole])


def pages_of(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> HugePages:
    monkeypatch.setattr(huge_pages, "process_madvise", kernel.process_madvise)
    return HugePages(100, 3, kernel)


def test_one_4k_page_of_each_is_advised_and_who_stays_whole_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernel = Kernel({5: errno.EINVAL, 6: errno.ENOMEM}, stay_whole=(9,))
    pages = pages_of(kernel, monkeypatch)
    split = pages.split(ADDRESSES)
    assert np.flatnonzero(~split).tolist() == [4, 5, 8]
    assert {(size, advice) for _, size, advice in kernel.calls} == {(PAGE_BYTES, MADV_COLD)}
    assert max(number for number, _, _ in kernel.calls) <= 16
    assert pages.errors == {errno.EINVAL: 1, errno.ENOMEM: 1}


def test_a_page_that_is_not_there_is_not_split(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel({})
    monkeypatch.setattr(kernel, "frames", lambda *_: np.zeros(1, dtype=np.uint64))
    assert not pages_of(kernel, monkeypatch).split(ADDRESSES).any()


def test_a_call_collapses_one_page(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel({3: errno.EAGAIN})
    collapsed = pages_of(kernel, monkeypatch).collapse(ADDRESSES)
    assert np.flatnonzero(~collapsed).tolist() == [2]
    assert set(kernel.calls) == {(1, HUGE_PAGE_BYTES, MADV_COLLAPSE)}


@pytest.mark.parametrize(
    ("code", "error"), [(errno.ESRCH, ProcessGone), (errno.EPERM, ProcessDenied)]
)
def test_a_process_that_has_gone_or_is_kept_from_us_is_no_matter_of_one_page(
    code: int, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(error):
        pages_of(Kernel({1: code}), monkeypatch).split(ADDRESSES)
