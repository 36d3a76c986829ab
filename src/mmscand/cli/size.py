"""`mmscand size`: how much of all accesses fast memory of a size would serve."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from mmscand.cli.options import PATH, address_option, json_option, socket_option
from mmscand.cli.quantities import percent, size
from mmscand.cli.table import client_for, print_answer, table
from mmscand.errors import UsageError
from mmscand.shown import quoted, shown
from mmscand.sizing import Curve

_BAR = 40
Answer = Mapping[str, Any]


@click.command("size")
@click.argument("pid", type=int, required=False)
@click.option("--cgroup", help="Only processes of this cgroup and below it.")
@click.option(
    "--from",
    "files",
    type=PATH,
    multiple=True,
    help="A recording, in place of a daemon; more than once: of several machines.",
)
@address_option
@click.option("--svg", type=PATH, help="Also draw the curve into this file.")
@socket_option
@json_option
def size_(
    pid: int | None,
    cgroup: str | None,
    files: tuple[Path, ...],
    address: str | None,
    svg: Path | None,
    socket: Path | None,
    as_json: bool,
) -> None:
    """Show the share of accesses that fast memory of each size would serve, in steady state.

    For process PID, a cgroup, or all that is watched. The hottest pages are taken to be in fast
    memory; with several recordings it is one memory for all machines, and each of them has a line
    of its own. Rates above some 5000 accesses a second look alike to a daemon: where few pages are
    hotter than that, small sizes serve more than is shown.
    """
    parts: Sequence[tuple[str, Curve]] = ()
    if files:
        if pid is not None or cgroup is not None:
            raise UsageError("--from is of all that was recorded", hint="leave out the rest")
        if len({file.resolve() for file in files}) < len(files):
            raise UsageError("a recording is named twice", hint="name each once")
        title, now, curve, parts = _recorded(files, address)
    elif address is not None:
        raise UsageError("--address is for recordings", hint="name them by --from")
    else:
        title, now, curve = _watched(client_for(socket).rates(), pid, cgroup)
    if svg is not None:
        from mmscand.cli.files import write_text  # noqa: PLC0415
        from mmscand.cli.size_picture import svg_of  # noqa: PLC0415

        write_text(svg, svg_of(curve, title, now))
    lines = [*_lines(curve, title, now), *_parts(parts)]
    print_answer(_object(curve, title, now, parts), "\n".join(lines), as_json=as_json)


def _recorded(
    files: Sequence[Path], address: str | None
) -> tuple[str, None, Curve, Sequence[tuple[str, Curve]]]:
    """What is meant in words, the curve of all together, and of each where they are several."""
    from mmscand.record.sizes import fleet_kinds, kinds  # noqa: PLC0415 - numpy

    if len(files) == 1 and address is None:
        from mmscand.record.file import Recording  # noqa: PLC0415

        return shown(str(files[0])), None, Curve.of(kinds(Recording(files[0]))), ()
    from mmscand.sim.comparison import executor_at  # noqa: PLC0415

    with executor_at(address, min(len(files), os.cpu_count() or 1)) as executor:
        found = fleet_kinds([file.absolute() for file in files], executor)
    parts = [(shown(str(file)), Curve.of(each)) for file, each in zip(files, found, strict=True)]
    every = Curve.of(kind for each in found for kind in each)
    title = parts[0][0] if len(parts) == 1 else f"{len(parts)} recordings"
    return title, None, every, parts


def _watched(
    answer: Answer, pid: int | None, cgroup: str | None
) -> tuple[str, float | None, Curve]:
    """What is meant in words, fast pages that it has now, and its curve."""
    chosen = [each for each in answer["processes"] if _is_meant(each, pid, cgroup)]
    if not chosen:
        raise UsageError(
            f"no rates are known of {_title(chosen, pid, cgroup)}",
            hint="`mmscand ps` lists what is watched; policy `capacity` alone knows rates",
        )
    kinds = [kind for each in chosen for kind in each["rates"]]
    curve = Curve.of((rate, slow + fast) for rate, slow, fast in kinds)
    if not curve.total:
        raise UsageError(
            f"nothing is known yet of {_title(chosen, pid, cgroup)}", hint="try again in a minute"
        )
    return _title(chosen, pid, cgroup), float(sum(fast for _, _, fast in kinds)), curve


def _is_meant(process: Answer, pid: int | None, cgroup: str | None) -> bool:
    if pid is not None and process["pid"] != pid:
        return False
    if cgroup is None:
        return True
    own, wanted = str(process["cgroup"]), cgroup.rstrip("/")
    return own == wanted or own.startswith(f"{wanted}/")


def _title(chosen: Sequence[Answer], pid: int | None, cgroup: str | None) -> str:
    if pid is not None:
        return f"{shown(str(chosen[0]['name']))}[{pid}]" if chosen else f"process {pid}"
    return f"cgroup {quoted(cgroup)}" if cgroup is not None else "all processes that are watched"


def _object(
    curve: Curve, title: str, now: float | None, parts: Sequence[tuple[str, Curve]]
) -> dict[str, Any]:
    return {
        "of": title,
        "pages": curve.total,
        "knee_pages": curve.knee,
        "fast_pages_now": now,
        "curve": [{"fast_pages": pages, "share": curve.share(pages)} for pages in curve.sizes()],
        "recordings": [
            {"of": name, "pages": part.total, "knee_pages": part.knee} for name, part in parts
        ],
    }


def _parts(parts: Sequence[tuple[str, Curve]]) -> list[str]:
    """Each recording by itself."""
    rows = [
        [size(part.total), size(part.knee), percent(part.share(part.knee)), name]
        for name, part in parts
    ]
    return ["", table(["MEMORY", "KNEE", "SERVED FAST", "RECORDING"], rows)] if rows else []


def _lines(curve: Curve, title: str, now: float | None) -> list[str]:
    lines = [f"{title}: {size(curve.total)}", "", "FAST MEMORY   OF ACCESSES SERVED FAST"]
    for pages in curve.sizes():
        share = curve.share(pages)
        lines.append(f"{size(pages):>11} {percent(share):>7} {'#' * round(_BAR * share)}")
    knee = curve.knee
    lines += ["", f"knee: {size(knee)} serve {percent(curve.share(knee))}"]
    if now is None:
        lines.append("an access is a page in a pass that found it accessed: what a recording has")
    else:
        lines.append(
            f"now: {size(now)} are fast; {percent(curve.share(now))} with the hottest pages there"
        )
    return lines
