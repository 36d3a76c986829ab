import re

from mmscand.model import Process
from mmscand.scan.rule_matches import RuleMatches
from mmscand.scan.rules import Rule, Rules
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology

DATABASE = Rule(9, name=re.compile("^db"), source="name=^db")
NEVER = Rule(0, name=re.compile("^quiet"), source="name=^quiet")


def machine() -> SimMachine:
    return SimMachine(sim_topology((0,), (1,), {0: 512, 1: 512}))


def renamed(machine: SimMachine, pid: int, name: str) -> None:
    """As execve does: the same process with another name."""
    sim = machine.process(pid)
    sim.process = Process(pid, sim.process.start_time, name)


def test_a_child_takes_over_its_parent_s_verdict_also_when_the_parent_is_gone() -> None:
    world = machine()
    parent, child = world.spawn(10, "dbmaster"), world.spawn(11, "worker")
    child.ppid = 10
    matches = RuleMatches(world, Rules([DATABASE]))
    assert matches.of(parent.process).own
    taken = matches.of(child.process)
    assert (taken.aggressiveness, taken.own) == (9, False)
    world.exit(parent)
    child.ppid = 1
    matches.keep_only([child.process])
    assert matches.of(child.process).aggressiveness == 9
    assert matches.decide(child.process).aggressiveness == 9


def test_after_execve_the_new_name_counts_and_the_old_name_s_rule_does_not() -> None:
    world = machine()
    sim = world.spawn(10, "dbmaster")
    matches = RuleMatches(world, Rules([DATABASE, NEVER]))
    assert matches.of(sim.process).aggressiveness == 9
    renamed(world, 10, "quiet")
    assert matches.of(sim.process).aggressiveness == 9  # not looked at again yet
    assert matches.decide(sim.process).excluded
    renamed(world, 10, "plain")
    assert matches.decide(sim.process).rule == "default"


def test_without_conditions_nobody_has_to_be_looked_at() -> None:
    world = machine()
    sim = world.spawn(10)
    world.exit(sim)  # a look would find it gone
    matches = RuleMatches(world, Rules([Rule(3)]))
    assert (matches.of(sim.process).aggressiveness, matches.of(sim.process).own) == (3, False)


def test_new_rules_judge_everybody_again() -> None:
    world = machine()
    sim = world.spawn(10, "dbmaster")
    matches = RuleMatches(world, Rules([DATABASE]))
    assert matches.of(sim.process).aggressiveness == 9
    matches.replace_rules(Rules([Rule(2, name=re.compile("db"), source="name=db")]))
    assert matches.of(sim.process).aggressiveness == 2
