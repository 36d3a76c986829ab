"""Which programs serve keys."""

import pytest

from mmscand_lab import key_servers
from mmscand_lab.kernel import LabError


def test_redis_is_found_by_either_of_its_names_or_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = {"redis-check-rdb": "/usr/bin/redis-check-rdb"}
    monkeypatch.setattr(key_servers.shutil, "which", here.get)
    assert key_servers.redis_image() == "/usr/bin/redis-check-rdb"
    here.clear()
    with pytest.raises(LabError, match="not installed") as caught:
        key_servers.redis_image()
    assert "redis-tools" in caught.value.hint
