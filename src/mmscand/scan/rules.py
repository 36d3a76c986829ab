"""Rules: which processes are scanned, and how often. Pure: facts in, match out.

Aggressiveness is one number from 0 to 10. 0 never scans, 5 is the default, and 10 scans most: it
is the RFC's prctl with its scale made right (there, a higher number made scanning slower).

The most specific rule that matches a process decides alone; rules never add up. A pid is more
specific than a cgroup (a longer path more than a shorter one), that more than a name, that more
than a uid. Where two are equally specific the one with more conditions wins, then the later one.
A process that no rule matches has the match of its parent, and the first
process of such a line has the default: a rule without conditions, or 5.

What a rule looks at changes with execve (the name), setuid and a move to another cgroup, so
matches are made again after these. The parent's match must be asked for while the parent is
still there: an orphan's new parent says nothing about where it came from.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from mmscand.errors import UsageError
from mmscand.model import ProcessFacts
from mmscand.scan.pacing import DEFAULT_AGGRESSIVENESS
from mmscand.scan.patterns import LONGEST_NAME, path_parts, path_pattern

MIN_AGGRESSIVENESS = 0
MAX_AGGRESSIVENESS = 10
DEFAULT_WORDS = "default"
"""What `status` shows where no rule decided."""

_PID, _CGROUP, _NAME, _UID, _NONE = 4, 3, 2, 1, 0
"""Ranks of what a rule asks for, the most specific one counts."""


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """What was decided for one process, and by which rule."""

    aggressiveness: int
    rule: str
    """In the words of the configuration; 'default' where none decided."""
    own: bool
    """A rule matched the process itself; False: inherited, or the default."""
    unseen_use: bool = False
    """Scanned although its memory is used in ways that its page tables do not show."""

    @property
    def excluded(self) -> bool:
        """Never scanned."""
        return self.aggressiveness == MIN_AGGRESSIVENESS

    def __str__(self) -> str:
        inherited = not self.own and self.rule != DEFAULT_WORDS
        return f"{self.rule} (inherited)" if inherited else self.rule


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; every condition that is given must hold."""

    aggressiveness: int
    name: re.Pattern[str] | None = None
    """Found anywhere in the name, or in the program's whole name where the kernel cut it."""
    pid: int | None = None
    uid: int | None = None
    cgroup: str | None = None
    """A path that takes in everything below it; `*` and `?` stay inside one part of the path,
    `**` stands for any number of parts."""
    unseen_use: bool = False
    """See RuleMatch. Pages in use may then look cold, and be demoted."""
    source: str = ""
    """As the person who wrote it would say it; made from the conditions when left out."""

    def __post_init__(self) -> None:
        if not MIN_AGGRESSIVENESS <= self.aggressiveness <= MAX_AGGRESSIVENESS:
            raise UsageError(
                f"aggressiveness {self.aggressiveness} is not between "
                f"{MIN_AGGRESSIVENESS} and {MAX_AGGRESSIVENESS}",
                hint="0 never scans, 5 is the default, 10 scans most",
            )
        if self.cgroup is not None and not self.cgroup.startswith(("/", "**/")):
            raise UsageError(
                f"cgroup {self.cgroup!r} does not begin with / or **/",
                hint="it is a path as in /proc/PID/cgroup; **/NAME finds a name anywhere",
            )
        object.__setattr__(self, "source", self.source or self._words())

    def _words(self) -> str:
        name = self.name.pattern if self.name is not None else None
        parts = {"pid": self.pid, "cgroup": self.cgroup, "name": name, "uid": self.uid}
        given = [f"{key}={value}" for key, value in parts.items() if value is not None]
        return " ".join(given) if given else DEFAULT_WORDS

    @property
    def exclude(self) -> bool:
        """Whether processes that it matches are never scanned."""
        return self.aggressiveness == MIN_AGGRESSIVENESS

    @property
    def conditions(self) -> int:
        """How many are given; a rule without any is the default."""
        return sum(c is not None for c in (self.pid, self.cgroup, self.name, self.uid))

    @property
    def specificity(self) -> tuple[int, int, int, int]:
        """Higher is more specific: rank, parts and literal characters of the path, conditions."""
        ranks = ((_PID, self.pid), (_CGROUP, self.cgroup), (_NAME, self.name), (_UID, self.uid))
        rank = next((rank for rank, condition in ranks if condition is not None), _NONE)
        path = self.cgroup if rank == _CGROUP and self.cgroup is not None else ""
        literal = path.rstrip("/").replace("*", "").replace("?", "")
        return rank, len(path_parts(path)), len(literal), self.conditions


class Rules:
    """All rules, in the order of the file."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.rules = tuple(rules)
        places = sorted(
            range(len(self.rules)),
            key=lambda place: (self.rules[place].specificity, place),
            reverse=True,
        )
        ordered = [self.rules[place] for place in places]
        self.conditional = any(rule.conditions for rule in self.rules)
        """Whether any of them looks at a process; if not, nobody has to."""
        self._matchers = [_Matcher(rule) for rule in ordered if rule.conditions]
        default = (rule.aggressiveness for rule in ordered if not rule.conditions)
        self.default = RuleMatch(next(default, DEFAULT_AGGRESSIVENESS), DEFAULT_WORDS, own=False)
        """Of a process that no rule matches and that inherits nothing."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rules) and self.rules == other.rules

    def __hash__(self) -> int:
        return hash(self.rules)

    def decide(self, facts: ProcessFacts, inherited: RuleMatch | None = None) -> RuleMatch:
        """The match of a process; `inherited` is that of its parent."""
        for matcher in self._matchers:
            if matcher.matches(facts):
                rule = matcher.rule
                return RuleMatch(rule.aggressiveness, rule.source, True, rule.unseen_use)
        if inherited is None or inherited.rule == DEFAULT_WORDS:  # the default may be new
            return self.default
        return replace(inherited, own=False)


class _Matcher:
    """A rule with its path pattern compiled."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._cgroup = None if rule.cgroup is None else path_pattern(rule.cgroup)

    def matches(self, facts: ProcessFacts) -> bool:
        rule = self.rule
        return (
            (rule.pid is None or rule.pid == facts.process.pid)
            and (rule.uid is None or rule.uid == facts.uid)
            and (rule.name is None or self._named(rule.name, facts))
            and (self._cgroup is None or self._cgroup.match(facts.cgroup) is not None)
        )

    @staticmethod
    def _named(pattern: re.Pattern[str], facts: ProcessFacts) -> bool:
        names = (facts.process.name, facts.long_name[:LONGEST_NAME])
        return any(name and pattern.search(name) for name in names)
