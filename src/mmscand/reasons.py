"""What keeps a page on the slow tier, in the words of the field. Nothing is imported here."""

REASONS: dict[str, str] = {
    "queued": "on the migration list, or being moved",
    "planned": "hot enough to be promoted next",
    "unsure": "looks hot, but too few accesses were seen to be sure",
    "no_room": "accessed often enough to pay for a move, but hotter pages fill the fast tier",
    "refused": "hot, but would not move when it was tried (pinned, or in use); it is tried again",
    "shared": "mapped by other processes too, so that its Accessed bit says nothing",
    "cold": "accessed too rarely to pay for a move",
    "unknown": "not observed yet",
}
"""By name. The first five are reasons of hot pages."""
HOT = ("queued", "planned", "unsure", "no_room", "refused")
