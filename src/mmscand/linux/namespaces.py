"""Whether this process is in the first namespaces of the machine (namespaces(7))."""

from pathlib import Path

# include/linux/proc_ns.h: the first one of each kind has a fixed number.
_FIRST = {
    "user": 0xEFFF_FFFD,
    "pid": 0xEFFF_FFFC,
    "cgroup": 0xEFFF_FFFB,
    "time": 0xEFFF_FFFA,
}


def is_first(kind: str, own: Path = Path("/proc/self")) -> bool:
    """Whether this process' namespace of that kind is the first; also where the kernel has none."""
    try:
        return str((own / "ns" / kind).readlink()) == f"{kind}:[{_FIRST[kind]}]"
    except OSError:
        return True
