"""Each errno becomes an error that people can act on, and none comes out as it is."""

import errno
import os
from pathlib import Path

import pytest

from mmscand.errors import (
    MachineCannot,
    MmscandError,
    OutOfMemory,
    ProcessDenied,
    ProcessGone,
    TooManyOpenFiles,
)
from mmscand.linux.files import as_text, machine_errors, process_errors, read_file

EXPECTED = {
    errno.ENOENT: ProcessGone,
    errno.ESRCH: ProcessGone,
    errno.EPERM: ProcessDenied,
    errno.EACCES: ProcessDenied,
    errno.EMFILE: TooManyOpenFiles,
    errno.ENFILE: TooManyOpenFiles,
    errno.ENOMEM: OutOfMemory,
}


@pytest.mark.parametrize("code", sorted(errno.errorcode))
def test_whatever_the_kernel_says_of_a_process_has_its_error(code: int) -> None:
    with pytest.raises(MmscandError) as caught, process_errors(7):
        raise OSError(code, os.strerror(code))
    assert type(caught.value) is EXPECTED.get(code, ProcessDenied)
    if code not in EXPECTED:
        assert str(caught.value) == f"cannot read the memory of process 7: {os.strerror(code)}"


@pytest.mark.parametrize("code", sorted(errno.errorcode))
def test_whatever_the_kernel_says_of_the_machine_has_its_error(code: int) -> None:
    passing = {c: e for c, e in EXPECTED.items() if c in (errno.EMFILE, errno.ENFILE, errno.ENOMEM)}
    with pytest.raises(MmscandError) as caught, machine_errors("a file", "do that"):
        raise OSError(code, os.strerror(code))
    assert type(caught.value) is passing.get(code, MachineCannot)


def test_a_file_that_is_not_there_is_named_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MachineCannot, match=r"/nothing: No such file or directory: build it$"):
        read_file(tmp_path / "nothing", "build it")


def test_text_keeps_the_bytes_that_are_no_utf_8() -> None:
    assert as_text(b"caf\xe9").encode(errors="surrogateescape") == b"caf\xe9"
