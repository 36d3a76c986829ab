"""Pictures of the dashboard: `script/screenshots` writes docs/pictures/dashboard.png, and with a
folder all of them there.

    python docs/screenshots.py [FOLDER] [--warm SECONDS]

A daemon on the simulated machine runs first for some time, as a start has little to show.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from support.chromium import Page, browser
from support.dashboard import for_people

PICTURES = Path(__file__).parent / "pictures"
_SHOTS = {
    "dashboard": (1280, False),
    "dashboard-dark": (1280, True),
    "dashboard-phone": (390, False),
}
"""By name: width in pixels, and whether it is dark."""
_LOOKS = 15
"""Columns of the heat map."""


def show(page: Page, url: str, *, width: int, dark: bool) -> None:
    """The page with the heat of its first process."""
    page.open(url, width=width, dark=dark)
    page.wait("document.querySelectorAll('#processes tbody tr').length === 3")
    page.run("document.querySelector('#processes tbody button').click()")
    page.wait(f"Number(document.getElementById('map').dataset.looks) >= {_LOOKS}")
    page.run("document.activeElement.blur(); scrollTo(0, 0)")


def main() -> None:
    """Write one picture for each of _SHOTS."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--warm", type=float, default=15.0)
    options = parser.parse_args()
    with (
        TemporaryDirectory() as name,
        for_people(Path(name), options.warm) as world,
        browser(Path(name)) as page,
    ):
        for shot in _SHOTS if options.folder else ["dashboard"]:
            width, dark = _SHOTS[shot]
            show(page, world.url, width=width, dark=dark)
            page.picture((options.folder or PICTURES) / f"{shot}.png")


if __name__ == "__main__":
    main()
