"""What the daemon does to the processes that it watches: everything, or less in a dry run."""

from enum import Enum


class Mode(Enum):
    """A dry run moves nothing. Without clearing Accessed bits no rate is known in it."""

    FULL = "full"
    READS = "reads"
    CLEARS = "clears"

    @classmethod
    def of(cls, *, dry_run: bool, clear_bits: bool) -> "Mode":
        """As the command line says it."""
        if not dry_run:
            return cls.FULL
        return cls.CLEARS if clear_bits else cls.READS

    @property
    def moves(self) -> bool:
        """Whether pages are moved, or split."""
        return self is Mode.FULL

    @property
    def ages(self) -> bool:
        """Whether Accessed bits are cleared."""
        return self is not Mode.READS
