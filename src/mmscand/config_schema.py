"""A JSON schema of the configuration, from the table of knobs and the keys of rules.

It holds for the tables that a TOML reader makes of the file. What it cannot say is left to
`mmscand config check`: whether users, groups and nodes are there, whether a lower limit is above
its upper one, and whether a pattern of names may take forever.
"""

from typing import Any

from mmscand.config_file import TEXT_SCHEMA
from mmscand.config_rules import RULE_KEYS
from mmscand.config_socket import MAX_SOCKET_BYTES
from mmscand.knobs import Knob
from mmscand.settings import KNOBS

Json = dict[str, Any]
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_KINDS = {bool: "boolean", int: "integer", float: "number", str: "string"}


def config_schema() -> Json:
    """The schema of the whole file."""
    settings = {name: _knob(knob) for name, knob in KNOBS.items()}
    return {
        "$schema": _DIALECT,
        "title": "Configuration of mmscand, /etc/mmscand.toml",
        **_table("All of it may be left out.", {}),
        "properties": {
            "settings": _table("Knobs; `mmscand get --defaults` lists them.", settings),
            "control": _table("The socket of the daemon.", _CONTROL),
            "nodes": _table("Fast and slow nodes, where the kernel sees one tier.", _NODES),
            "rule": {
                "type": "array",
                "description": "Which processes are scanned, and how hard.",
                "items": _rule(),
            },
        },
    }


_CONTROL: Json = {
    "socket": {
        **TEXT_SCHEMA,
        "maxLength": MAX_SOCKET_BYTES,
        "pattern": "^/",
        "description": "Where the daemon is controlled.",
    },
    "group": {**TEXT_SCHEMA, "description": "Whose members may use the socket beside root."},
}
_NUMBERS = "[0-9]+(-[0-9]+)?"
_NODE_LIST = {**TEXT_SCHEMA, "pattern": rf"^\s*,*{_NUMBERS}(,+{_NUMBERS})*,*\s*$"}
_NODES: Json = {
    "fast": {**_NODE_LIST, "description": "Nodes to promote to, like 0,2-3."},
    "slow": {**_NODE_LIST, "description": "Nodes to promote from."},
}


def _table(description: str, properties: Json) -> Json:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "additionalProperties": False,
    }


def _knob(knob: Knob) -> Json:
    schema: Json = {"type": _KINDS[knob.kind], "default": knob.default}
    if knob.bounds is not None:
        schema["minimum"], schema["maximum"] = knob.bounds
    if knob.choices:
        schema["enum"] = list(knob.choices)
    unit = f" In {knob.unit}." if knob.unit else ""
    return {**schema, "description": knob.description + unit}


def _rule() -> Json:
    keys = {name: {**key.schema, "description": key.help} for name, key in RULE_KEYS.items()}
    return {
        **_table("All conditions must hold; the most specific rule decides.", keys),
        "minProperties": 1,
        "not": {"required": ["exclude", "aggressiveness"]},
    }
