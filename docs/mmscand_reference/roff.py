"""man(7): just what the manual pages need."""

from collections.abc import Iterable, Iterator

from mmscand_reference.text import one_line


def opening(name: str, number: int, version: str, summary: str, synopsis: str) -> Iterator[str]:
    """The first lines of a page, up to the heading of its description."""
    yield '.\\" Made by script/reference from the tables in the code. Change those instead.'
    # No date: two builds of one version are the same bytes.
    yield f'.TH {_word(name)} {number} "" "mmscand {version}" "mmscand"'
    yield ".nh"  # no hyphens: names of knobs and options are to be copied
    yield from section("name")
    yield rf"{name.replace('-', chr(92) + '-')} \- {summary}"
    yield from section("synopsis")
    yield from paragraph(synopsis)
    yield from section("description")


def section(title: str) -> Iterator[str]:
    """A heading in capitals, as is usual."""
    yield f".SH {_word(title.upper())}"


def subsection(title: str) -> Iterator[str]:
    """A heading below it."""
    yield f".SS {_word(title)}"


def paragraph(text: str) -> Iterator[str]:
    """Text; what is between backquotes is bold."""
    yield ".PP"
    yield escaped(text)


def item(term: str, text: str) -> Iterator[str]:
    """A term in bold and what it means, indented."""
    yield ".TP"
    yield f"\\fB{plain(term)}\\fR"
    yield escaped(text) or "\\&"


def example(lines: Iterable[str]) -> Iterator[str]:
    """Lines as they are."""
    yield ".PP"
    yield ".RS 4"
    yield ".nf"
    yield from map(plain, lines)
    yield ".fi"
    yield ".RE"


def page(lines: Iterable[str]) -> str:
    """The text of a page. A heading begins a paragraph by itself."""
    kept: list[str] = []
    for line in lines:
        if line != ".PP" or not kept[-1].startswith((".SH", ".SS")):
            kept.append(line)
    return "\n".join(kept) + "\n"


def plain(text: str) -> str:
    """No character of it is a request or a dash of another width."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("^", r"\(ha")
    text = text.replace("~", r"\(ti").replace("`", r"\(ga")
    return r"\&" + text if text.startswith((".", "\\(aq")) else text


def escaped(text: str) -> str:
    """One line of text with `code` in bold."""
    parts = one_line(text).split("`")
    # Each part by itself: a backquote of the text cannot be in a part.
    shown = [rf"\fB{plain(part)}\fR" if at % 2 else plain(part) for at, part in enumerate(parts)]
    line = "".join(shown)
    return r"\&" + line if line.startswith((".", "\\(aq")) else line


def _word(text: str) -> str:
    return '"' + plain(text) + '"'
