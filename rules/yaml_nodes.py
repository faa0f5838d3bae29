"""Safe YAML with line numbers, and without the surprises of YAML 1.1.

``on``, ``yes`` and ``no`` are words here, ``09:30`` is a time and not a number of seconds, ``0120`` keeps its zero and
a date stays text until a model asks for a date. Duplicate keys, which YAML readers commonly swallow, are faults.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import yaml

Location = tuple[str | int, ...]
"""Where a value stands: keys and positions from the top of the document."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with the core scalars of YAML 1.2."""

    # PyYAML declares this as an instance variable, and reads it from the class.
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF")
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), "-+0123456789")
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][-+]?[0-9]+)?$"), "-+.0123456789"
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])

_DEEPEST = 60
"""Mappings and lists within each other; readers of JSON give up not far beyond."""
_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null")}


@dataclass(frozen=True)
class Fault:
    """Something wrong with the YAML itself, at a line counted from 1."""

    line: int
    message: str
    received: str = ""
    hint: str = ""


@dataclass
class Tree:
    """A document as plain data, with the line of every key and value."""

    data: object = None
    key_lines: dict[Location, int] = field(default_factory=dict)
    value_lines: dict[Location, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def parse_yaml(text: str) -> Tree:
    """Read one YAML document into plain data (dict, list, str, int, float, bool, None) with lines.

    Never raises for what stands in the text: everything wrong is in ``faults``, and ``data`` is then not to be used.
    """
    tree = Tree()
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None:
            tree.data = _walk(node, (), loader, tree, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        tree.faults.append(
            Fault(
                line=mark.line + 1 if mark else 1,
                message=f"this is not YAML: {error.problem or error.context}",
                hint="check the indentation (spaces, never tabs), the colon and the space after it, and the quotes",
            )
        )
    except yaml.YAMLError as error:
        position = getattr(error, "position", 0)
        tree.faults.append(
            Fault(
                line=text.count("\n", 0, position) + 1,
                message="a character that YAML does not allow",
                hint="remove control characters; save the file as plain text in UTF-8",
            )
        )
    except RecursionError:
        tree.faults.append(Fault(line=1, message="the document is nested too deeply"))
    finally:
        if loader is not None:
            loader.dispose()
    return tree


def _walk(node: yaml.Node, location: Location, loader: _Loader, tree: Tree, above: tuple[yaml.Node, ...]) -> object:
    tree.value_lines[location] = node.start_mark.line + 1
    if node in above:
        tree.faults.append(Fault(node.start_mark.line + 1, "an anchor that contains itself", hint="write it out"))
        return None
    if len(above) > _DEEPEST:
        tree.faults.append(
            Fault(node.start_mark.line + 1, "this is nested too deeply", hint="name a part as a segment of its own")
        )
        return None
    if isinstance(node, yaml.MappingNode):
        return _walk_mapping(node, location, loader, tree, (*above, node))
    if isinstance(node, yaml.SequenceNode):
        return [
            _walk(child, (*location, position), loader, tree, (*above, node))
            for position, child in enumerate(node.value)
        ]
    if node.tag not in _PLAIN_TAGS:
        tree.faults.append(
            Fault(node.start_mark.line + 1, f"the tag {node.tag} is not allowed", hint="remove it; plain values only")
        )
        return None
    try:
        return loader.construct_object(node)
    except (ValueError, yaml.YAMLError):
        tree.faults.append(
            Fault(node.start_mark.line + 1, "a value that does not fit its tag", hint="remove the tag (!!…)")
        )
        return None


def _walk_mapping(
    node: yaml.MappingNode, location: Location, loader: _Loader, tree: Tree, above: tuple[yaml.Node, ...]
) -> dict[str, object]:
    data: dict[str, object] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            tree.faults.append(
                Fault(line, "a key must be one word", hint="quote it if it starts with [ or {, such as '{{ … }}'")
            )
            continue
        key = str(key_node.value)
        if key == "<<":
            tree.faults.append(Fault(line, "merge keys (<<) are not served", hint="write the keys out"))
            continue
        if key in data:
            first = tree.key_lines[(*location, key)]
            tree.faults.append(
                Fault(line, f"the key '{key}' stands twice", f"'{key}', first on line {first}", "keep one of the two")
            )
            continue
        tree.key_lines[(*location, key)] = line
        data[key] = _walk(value_node, (*location, key), loader, tree, above)
    return data
