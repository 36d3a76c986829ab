"""`mmscand why`: why memory of a process is where it is, and what keeps hot memory slow."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from mmscand.cli.options import json_option, socket_option
from mmscand.cli.quantities import short_size, size, span
from mmscand.cli.table import client_for, print_answer, table
from mmscand.control.wire import NotThere
from mmscand.errors import UsageError
from mmscand.reasons import HOT, LEFT_OUT, REASONS
from mmscand.shown import quoted, shown

_TOP = 10
Answer = Mapping[str, Any]


@click.command()
@click.argument("pid", type=int, required=False)
@click.argument("where", metavar="[ADDRESS | MAPPING]", required=False)
@click.option("--top", is_flag=True, help="What keeps most hot memory slow, of all processes.")
@socket_option
@json_option
def why(pid: int | None, where: str | None, top: bool, socket: Path | None, as_json: bool) -> None:
    """Show why memory of process PID is on its tier.

    ADDRESS is of one page, as 0x7f12a0000000. MAPPING is a part of the name of mappings, as heap.
    """
    if (pid is None) != top:
        raise UsageError("name one process, or all by --top", hint="as `mmscand why 1234`")
    client = client_for(socket)
    if top:
        processes, status = client.processes(), client.status()
        answer = {**processes, "edge": status["edge"]}
        print_answer(answer, _top(processes["processes"], status["edge"]), as_json=as_json)
        return
    address = _address(where)
    assert pid is not None
    try:
        answer = client.why(pid, address)
    except NotThere as error:  # the answer to the question, where there is such a process
        if "is not watched" not in error.message:
            raise
        print_answer({"pid": pid, "watched": False, "why": str(error)}, str(error), as_json=as_json)
        return
    lines = _page(answer, address) if address is not None else _process(answer, where)
    print_answer(answer, "\n".join(lines), as_json=as_json)


def _address(where: str | None) -> int | None:
    """A number with 0x before it, or of digits alone; None for the name of a mapping."""
    if where is None or not (where.startswith("0x") or where.isdigit()):
        return None
    try:
        address = int(where, 0)
    except ValueError:
        raise UsageError(f"{quoted(where)} is no address", hint="write 0x7f12a0000000") from None
    if not 0 <= address < 1 << 64:
        raise UsageError(f"{quoted(where)} is no address", hint="addresses have 64 bits")
    return address


def _named(process: Answer) -> str:
    return f"{shown(str(process['name']))}[{process['pid']}]"


def _process(answer: Answer, name: str | None) -> Iterator[str]:
    process = answer["process"]
    yield (
        f"{_named(process)}: {process['state']}, rule {shown(str(process['rule']))}; "
        f"{size(process['fast_pages'])} on the fast tier, {size(process['slow_pages'])} on the "
        "slow one"
    )
    if process["effort_why"]:
        yield shown(process["effort_why"])
    mappings = [each for each in answer["mappings"] if name is None or name in each["name"]]
    if name is not None and not mappings:
        raise UsageError(
            f"no mapping of {_named(process)} with memory in it has {quoted(name)} in its name",
            hint=f"`mmscand why {process['pid']}` lists them",
        )
    yield from _reasons(_sum(each["slow"] for each in mappings), answer["edge"])
    yield ""
    yield _mappings(mappings if name is not None else [one for one in mappings if _memory(one)])
    if name is None:
        yield from _left_out(mappings)


def _sum(parts: Iterator[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for reason, pages in part.items():
            total[reason] = total.get(reason, 0) + pages
    return total


def _reasons(slow: Mapping[str, int], edge: float | None) -> Iterator[str]:
    """A line for each reason, the hot ones first."""
    for reason, words in REASONS.items():
        if pages := slow.get(reason):
            yield f"  {size(pages):>8}  {_words(reason, words, edge)}"
    if pages := slow.get(""):
        yield f"  {size(pages):>8}  on the slow tier; this policy knows no rates, so no reasons"


def _words(reason: str, words: str, edge: float | None) -> str:
    border = f" (from {edge:.2g} accesses/s on)" if reason == "no_room" and edge else ""
    return f"{reason.replace('_', ' ')}: {words}{border}"


def _mappings(mappings: Sequence[Answer]) -> str:
    rows = []
    for each in sorted(mappings, key=_memory, reverse=True):
        slow = each["slow"]
        hot = sum(slow.get(reason, 0) for reason in HOT)
        rows.append(
            [
                short_size(each["fast"]),
                short_size(sum(slow.values())),
                short_size(hot),
                _mostly(each),
                each["name"] or f"memory at {each['start']:#x}",
            ]
        )
    return table(["FAST", "SLOW", "HOT SLOW", "MOSTLY", "MAPPING"], rows)


def _left_out(mappings: Sequence[Answer]) -> Iterator[str]:
    """Libraries and the like are many: a line for each rule."""
    rules = Counter(each["rule"] for each in mappings if each["rule"] and not _memory(each))
    for rule, number in rules.most_common():
        yield f"{number} more left out: {LEFT_OUT[rule]}"


def _memory(mapping: Answer) -> int:
    return int(mapping["fast"] + sum(mapping["slow"].values()))


def _mostly(mapping: Answer) -> str:
    """What keeps most of it slow."""
    if mapping["rule"]:
        return f"left out: {LEFT_OUT[mapping['rule']]}"
    slow = {reason: pages for reason, pages in mapping["slow"].items() if reason}
    return max(slow, key=lambda reason: slow[reason]).replace("_", " ") if slow else ""


def _page(answer: Answer, address: int | None) -> Iterator[str]:
    page, process = answer["page"], answer["process"]
    inside = [each for each in answer["mappings"] if each["start"] <= address < each["end"]]
    name = inside[0]["name"] or "memory without a name" if inside else "no mapping that is watched"
    if page is None:
        yield f"{address:#x} of {_named(process)}, in {shown(name)}: {_unknown(inside)}"
        return
    tier = "fast" if page["fast"] else "slow"
    kind = f"{size(page['pages'])} page"
    yield f"{page['address']:#x} of {_named(process)}, in {shown(name)}: {kind}, {tier} tier"
    yield f"  {_rate(page)}"
    if page["reason"]:
        words = _words(page["reason"], REASONS[page["reason"]], answer["edge"])
        yield f"  {words}"
    if page["failures"]:
        yield f"  would not move {page['failures']} times; next try in {span(page['retry_s'])}"
    elif page["retry_s"] and not page["fast"]:
        yield f"  demoted lately: promoted again only after two accesses ({span(page['retry_s'])})"
    if page["moved_s"] is not None:
        saved = f", which saved about {page['saved_s']:.2g} s since" if page["saved_s"] else ""
        yield f"  {'demoted' if page['demoted'] else 'promoted'} {span(page['moved_s'])} ago{saved}"


def _unknown(inside: Sequence[Answer]) -> str:
    if inside and inside[0]["rule"]:
        return f"left out: {LEFT_OUT[inside[0]['rule']]}"
    return "no page is known there: not scanned yet, or no memory behind it"


def _rate(page: Answer) -> str:
    if page["rate"] is None:
        return "not observed yet"
    if page["accesses"] < 1:
        return f"no access seen in {span(page['seconds'])}; {page['rate']:.2g}/s expected"
    return (
        f"{page['rate']:.2g} accesses/s, known from {page['accesses']:.0f} accesses in "
        f"{span(page['seconds'])}"
    )


def _top(processes: Sequence[Answer], edge: float | None) -> str:
    """Reasons by the hot memory that they keep slow, each with the processes that have most."""
    lines = []
    totals = _sum(each["slow_by_reason"] for each in processes)
    for reason in sorted(HOT, key=lambda one: -totals.get(one, 0)):
        if pages := totals.get(reason):
            lines.append(f"{size(pages)}: {_words(reason, REASONS[reason], edge)}")
            lines += _most(processes, "slow_by_reason", reason)
    for rule in ("cpuset", "bound"):
        if pages := sum(each["skipped_pages"].get(rule, 0) for each in processes):
            lines.append(f"{size(pages)} of address space: {LEFT_OUT[rule]}")
            lines += _most(processes, "skipped_pages", rule)
    return "\n".join(lines) or "no page on the slow tier is known to be hot"


def _most(processes: Sequence[Answer], field: str, key: str) -> list[str]:
    """The processes with most of it."""
    found = [(int(each[field].get(key, 0)), _named(each)) for each in processes]
    return [f"  {size(n):>8}  {name}" for n, name in sorted(found, reverse=True)[:_TOP] if n]
