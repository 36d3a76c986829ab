"""Numbers with their units, for people."""

_STEP = 1024.0
_PAGE_KIB = 4
"""model.PAGE_BYTES; that module imports numpy, which commands do without."""


def size(pages: float | None) -> str:
    """4 KiB pages as `12.3 GiB`; a dash where the number is not known."""
    if pages is None:
        return "-"
    number, unit = _scaled(pages)
    return f"{number} {unit}"


def short_size(pages: float | None) -> str:
    """The same as `12.3G`."""
    if pages is None:
        return "-"
    number, unit = _scaled(pages)
    return f"{number}{unit[0]}" if pages else "0"


def _scaled(pages: float) -> tuple[str, str]:
    amount, units = pages * _PAGE_KIB, ["KiB", "MiB", "GiB", "TiB"]
    while amount >= 999.5 and len(units) > 1:
        amount, units = amount / _STEP, units[1:]
    whole = amount >= 99.95 or units[0] == "KiB"
    return f"{amount:.0f}" if whole else f"{amount:.1f}", units[0]


def span(seconds: float | None) -> str:
    """Seconds as `3 d 4 h`, in two units at most."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    whole = round(seconds)
    for unit, less, length in (("d", "h", 86_400), ("h", "min", 3600), ("min", "s", 60)):
        if whole >= length:
            rest = whole % length // (length // 24 if unit == "d" else length // 60)
            return f"{whole // length} {unit}" + (f" {rest} {less}" if rest else "")
    return f"{whole} s"


def short_span(seconds: float) -> str:
    """The same in one unit, as `3.1s`, `12m` or `4h`."""
    for unit, length in (("d", 86_400.0), ("h", 3600.0), ("m", 60.0)):
        if seconds >= length:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.1f}s" if seconds < 9.95 else f"{seconds:.0f}s"


def percent(share: float | None) -> str:
    """A share as `93 %`; a tenth of a percent where less than that matters."""
    if share is None:
        return "-"
    return f"{100 * share:.0f} %" if share >= 0.0995 or share == 0 else f"{100 * share:.1f} %"
