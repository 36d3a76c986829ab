"""How an observation changes what is known of a page: one table for all pages of a tier.

An observation is the end of a page's watch: its Accessed bit was clear when it was read `after` s
after its clearing and set when it was read `until` s after it; or it is still clear, and the watch
begins again.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmscand.engine.rate_table import RateTable
from mmscand.heat.word import KNOWN, MOST_OBSERVED, STATES, UNKNOWN, A, B, packed
from mmscand.model import BoolArray, FloatArray

_SOON, _FIRST_READ, _LATE_READ = 1e-3, 64.0, 4.0
"""An access before a first read that comes soon is taken to be at an eighth of its time: pages that
are set in each first read would look alike else. 4 leave huge pages at 100 accesses a 4K page and
second at 1.7 times O-cost, 64 at 1.06. Where the first read comes late, as in emulation and after a
pass over much memory, it is taken to be at half of its time: rates that are believed to be ten
times as high as they are look like a change in the next round."""

_LATEST_S = 1.0
"""Nor later than this where nothing is known of any page. The second visit to a process may come a
minute after the first, on a busy host: half of that would be two accesses in a minute for each hot
page, which ten more visits do not correct. One access moves nothing, and a cold page is cold after
the next."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """How ready an observation is to be taken for a change of the page."""

    changed: float
    """Share of the pages that are taken to have another rate since their last observation."""
    unlikely: float
    """An observation whose chance is less than this makes what was known count less ..."""
    kept: float
    """... this share of it stays."""


CALM = Doubt(1e-3, 0.01, 0.5)
_ONE: FloatArray = np.ones(1)
_PROOF = 2.0
"""Accesses, see heat.word.PROVEN."""
_LEAST_WIDTH = 1e-7
"""Of an interval, in s or as a share: narrower ones are points."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where observations lie among what was expected of them, 0 to 1: somewhere between the two,
    (n,) each, as bits are read now and then. 1 is later than any. Uniform where the estimates are
    right (probability integral transform).
    """

    low: FloatArray
    high: FloatArray

    @classmethod
    def after(cls, silent: FloatArray) -> "Place":
        """Of pages that are still clear, by the chance (n,) that they would be: later than now."""
        return cls(1 - silent, np.ones_like(silent))

    def below(self, border: float) -> FloatArray:
        """(n,) the chance that an observation is earlier than this (Czado, Gneiting and Held,
        Biometrics 2009). With the middle in its place a read that comes late is taken for a change.
        """
        width = np.maximum(self.high - self.low, _LEAST_WIDTH)
        return np.clip((border - self.low) / width, 0.0, 1.0)

    @property
    def middle(self) -> FloatArray:
        """(n,) halfway."""
        return (self.low + self.high) / 2


@dataclass(frozen=True, slots=True)
class Updates:
    """What an observation makes of each state, (STATES,) each."""

    estimates: NDArray[np.uint32]
    """As heat.word.rounded takes them."""
    place: Place
    changed: BoolArray
    """Taken for a change of the page: nothing that was known counts."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What an observation says of pages of both tiers, before some are taken to have changed."""

    estimates: NDArray[np.uint32]
    """(STATES,) of pages that have not changed."""
    fresh: np.uint32
    """The estimate of a page that has."""
    chance: FloatArray
    """(STATES,) of the observation, if nothing has changed."""
    place: Place

    def updates(self, if_changed: float, doubt: Doubt) -> Updates:
        """For a tier, by the chance of the observation of a page that should change tiers."""
        changed = _is_change(self.chance, if_changed, doubt)
        return Updates(np.where(changed, self.fresh, self.estimates), self.place, changed)


def from_access(
    table: RateTable, after: float, until: float, doubt: Doubt, few: float = 1.0
) -> Learned:
    """Of pages that were accessed between two reads. Of those that are known from less than `few`
    accesses one more counts as one, at the time that is usual for such pages.
    """
    silent, before = table.silent(until), table.silent(after)
    a, b = _less_sure(np.minimum(1 - silent, before), doubt)
    at = _usual_time(table, after, until)
    more, seconds = _one_more(np.maximum(a, 1.0), b + after, until - after)
    more = np.where(a < few, np.where(a < 1, 1.0, a + 1), more)
    seconds = np.where(a < few, b + at, seconds)
    # At the most, older observations are forgotten: a mean of constant weight.
    seconds *= np.minimum(1.0, MOST_OBSERVED / more)
    return Learned(
        packed(np.minimum(more, MOST_OBSERVED), seconds),
        packed(_ONE, at[UNKNOWN : UNKNOWN + 1])[0],
        before - silent,
        Place(1 - before, 1 - silent),
    )


def _usual_time(table: RateTable, after: float, until: float) -> FloatArray:
    """(STATES,) when a page was accessed of which little was known before."""
    first = float(np.clip(_FIRST_READ * _SOON / until, _LATE_READ, _FIRST_READ))
    usual = float(np.sqrt(max(after, until / first) * until))
    # Half of 10 s, where the CPU budget delays visits, would make a hot page look cold.
    latest = table.first_access(until) if table.known else _LATEST_S
    each = np.full(STATES, usual)
    return each if after > 0 else np.minimum(each, latest)


def _one_more(a: FloatArray, b: FloatArray, width: float) -> tuple[FloatArray, FloatArray]:
    """Accesses and seconds (n,) of gamma distributions with the mean and the variance that follow
    from an access within the next `width` seconds. Of a page that is accessed many times in them
    they stay as they are: its bit is set anyway. To add an access at the mean time of the first one
    makes such a page colder with each visit: 85 accesses a second become 62 in 100 s. A second
    access is proof that there are more, whatever it says of the rate.
    """
    b = np.maximum(b, _LEAST_WIDTH)
    log = np.log(b / (b + max(width, _LEAST_WIDTH)))
    none, one, two = (-np.expm1(log * (a + more)) for more in range(3))
    mean = a / b * one / none
    variance = np.maximum(a * (a + 1) / b**2 * two / none - mean**2, 1e-12 * mean**2)
    more = np.maximum(mean**2 / variance, _PROOF)
    return more, more / mean


def from_silence(table: RateTable, seconds: float, doubt: Doubt) -> Learned:
    """Of pages that were not accessed for these seconds."""
    silent = table.silent(seconds)
    a, b = _less_sure(silent, doubt)
    fresh = packed(A[:1], np.array([seconds]))[0]
    return Learned(packed(a, b + seconds), fresh, silent, Place.after(silent))


def _less_sure(chance: FloatArray, doubt: Doubt) -> tuple[FloatArray, FloatArray]:
    """(STATES,) accesses and seconds that are left of what was known."""
    unlikely = (chance < doubt.unlikely) & (A > 1) & KNOWN
    a = np.where(unlikely, np.maximum(A * doubt.kept, 1.0), A)
    return a, np.where(KNOWN, B * a / A, 0.0)


def _is_change(chance: FloatArray, if_changed: float, doubt: Doubt) -> BoolArray:
    """(STATES,) where it is more likely that the page has changed (Bayes' rule)."""
    odds = doubt.changed / (1 - doubt.changed)
    result: BoolArray = (odds * if_changed > np.maximum(chance, 1e-9)) | ~KNOWN
    return result


def of_a_changed_page(
    table: RateTable, after: float, until: float | None, edge: float, *, fast: bool
) -> float:
    """The chance of an observation of a page that should change tiers: one of the fast tier that is
    not hotter now than those at its edge, or one of the slow tier that is.
    """
    if not table.known:
        return 0.0
    silent = table.silent_if(after, edge, hotter=not fast)
    return silent - (0.0 if until is None else table.silent_if(until, edge, hotter=not fast))
