"""Over TCP: where it listens, and what a token is."""

import os
import stat
from pathlib import Path

import pytest

from mmscand.api.command import main
from mmscand.api.tcp import Address, address_of, listen_tcp, require_token, token_of
from mmscand.errors import MmscandError, UsageError


@pytest.mark.parametrize(
    ("text", "host", "url", "loopback"),
    [
        ("127.0.0.1:80", "127.0.0.1", "http://127.0.0.1:80", True),
        ("localhost:80", "127.0.0.1", "http://127.0.0.1:80", True),
        ("[::1]:80", "::1", "http://[::1]:80", True),
        ("0.0.0.0:0", "0.0.0.0", "http://0.0.0.0:0", False),
    ],
)
def test_an_address_has_a_host_and_a_port(text: str, host: str, url: str, loopback: bool) -> None:
    found = address_of(text)
    assert (found.host, found.url, found.is_loopback) == (host, url, loopback)


@pytest.mark.parametrize("text", ["80", "127.0.0.1", "a.example:80", "127.0.0.1:x", ":80", "::1:"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--listen"):
        address_of(text)


def test_other_machines_need_a_token() -> None:
    require_token(address_of("127.0.0.1:1"), None)
    require_token(address_of("0.0.0.0:1"), "x" * 16)
    with pytest.raises(UsageError, match="other machines"):
        require_token(address_of("0.0.0.0:1"), None)
    assert main(["--listen", "0.0.0.0:0"]) == 2


def test_a_port_that_is_taken_is_one_line() -> None:
    sock, bound = listen_tcp(Address("127.0.0.1", 0))
    with sock:
        assert bound.port > 0
        with pytest.raises(MmscandError, match="Address already in use"):
            listen_tcp(bound)


def test_a_token_is_one_word_that_others_cannot_read(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("0123456789abcdef\n")
    file.chmod(0o640)
    with pytest.raises(MmscandError, match="can be read by others"):
        token_of(file)
    file.chmod(0o600)
    assert token_of(file) == "0123456789abcdef"
    for bad in ("", "short", "two words-of-16-letters", "\u00e4" * 20, "x" * 5000):
        file.write_text(bad)
        with pytest.raises(UsageError, match="holds no token"):
            token_of(file)
    with pytest.raises(MmscandError, match="No such file"):
        token_of(tmp_path / "none")


def test_roots_file_may_be_readable_by_the_group_of_another_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Kubernetes mounts a secret for a container that is not root."""
    file = tmp_path / "token"
    file.write_text("0123456789abcdef")
    monkeypatch.setattr(os, "geteuid", lambda: 980)
    owned = os.stat_result((stat.S_IFREG | 0o440, 1, 1, 1, 0, 980, 16, 0, 0, 0))
    monkeypatch.setattr(os, "fstat", lambda _: owned)
    assert token_of(file) == "0123456789abcdef"
    for mode, owner in ((0o444, 0), (0o460, 0), (0o440, 980)):
        other = os.stat_result((stat.S_IFREG | mode, 1, 1, 1, owner, 980, 16, 0, 0, 0))
        monkeypatch.setattr(os, "fstat", lambda _, other=other: other)
        with pytest.raises(MmscandError, match="can be read by others"):
            token_of(file)
