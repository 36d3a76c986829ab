"""Kernels that people run: the newest stock kernel of each series, in the cache, not installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mmscand_lab.apt import Apt, other_releases
from mmscand_lab.kernel import (
    GuestKernel,
    LabError,
    cached_kernel,
    default_cache,
    dependencies_of,
    download_kernel,
)

SERIES = ("6.1", "6.12", "7")
"""Debian 12, Debian 13, and the newest there is."""
_IMAGE = re.compile(r"linux-image-((\d+)\.(\d+)[.\d]*(?:-\d+|\+deb\d+)-amd64)")
"""Not those for clouds, for real time, or without a signature."""


def fetch_series(series: str, cache: Path | None = None) -> GuestKernel:
    """The newest kernel of a series: the cached one, or it is downloaded. Raises `LabError`."""
    folder = default_cache() if cache is None else cache
    own = folder / f"series-{series}"
    if (kernel := cached_kernel(own)) is not None:
        return kernel
    for apt in _package_lists(folder):
        if (image := newest_image(apt.names(f"^linux-image-{re.escape(series)}[.]"))) is not None:
            own.mkdir(parents=True, exist_ok=True)
            release = image.removeprefix("linux-image-")
            # The image alone until 7.2; from 7.3 on it is a stub that depends on the others.
            parts = [name for name in dependencies_of(apt.depends(image)) if release in name]
            return download_kernel((image, *parts), release, own, apt.options)
    raise LabError(
        f"no stock kernel of series {series} in the package lists",
        hint=f"the lab knows {', '.join(SERIES)}; run apt-get update, and try again",
    )


def _package_lists(cache: Path) -> Iterator[Apt]:
    yield Apt()
    yield other_releases(cache / "other-releases")


def newest_image(names: list[str]) -> str | None:
    """The image of the highest version among package names; None without one."""
    found = [name for name in names if _IMAGE.fullmatch(name)]
    return max(found, key=_numbers, default=None)


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", name))
