"""The names a mail can fill, and what is wrong with those that a template uses.

What differs between recipients is filled in after the mail is made: it can be shown, and not tested or calculated with.
"""

from __future__ import annotations

from collections.abc import Iterator

from jinja2 import nodes

from rules.errors import Problem
from rules.hints import did_you_mean, listed, shown

SENDER_KEYS = ("name", "email", "company", "postal_address", "contact", "site_url")
STEP_KEYS = ("subject",)
LINKS = ("unsubscribe_url", "preferences_url", "confirm_url")
"""Links that name the send they stand in, one for each recipient."""


def wrong_names(tree: nodes.Template, file: str, fields: tuple[str, ...] | None) -> Iterator[Problem]:
    """Yield what is wrong with the names a template uses, and with where it uses those of a recipient."""
    known: dict[str, tuple[str, ...] | None] = {"lead": fields, "sender": SENDER_KEYS, "step": STEP_KEYS}
    own = {node.name for node in tree.find_all(nodes.Name) if node.ctx in {"store", "param"}}
    for parent in _nodes(tree):
        for child in parent.iter_child_nodes():
            if isinstance(child, nodes.Name) and child.ctx == "load" and child.name not in own:
                if child.name in known:
                    if not isinstance(parent, nodes.Getattr):
                        yield Problem(
                            file,
                            f"line {child.lineno}",
                            f"'{child.name}' is used without the name of a part",
                            allowed=listed(f"{child.name}.{key}" for key in known[child.name] or ("…",)),
                        )
                elif child.name not in LINKS:
                    names = [*LINKS, *(f"{name}.{key}" for name, keys in known.items() for key in keys or ())]
                    yield Problem(
                        file,
                        f"line {child.lineno}",
                        "a mail knows no such name",
                        shown(child.name),
                        listed(names, limit=30),
                        did_you_mean(child.name, [*LINKS, *known]),
                    )
            if isinstance(child, nodes.Getattr) and isinstance(child.node, nodes.Name) and child.node.name in known:
                keys = known[child.node.name]
                if keys is not None and child.attr not in keys:
                    yield Problem(
                        file,
                        f"line {child.lineno}",
                        f"'{child.node.name}' has no such part",
                        shown(child.attr),
                        listed(keys),
                        did_you_mean(child.attr, keys),
                    )
            if _is_per_recipient(child) and not isinstance(parent, nodes.Output):
                if isinstance(parent, nodes.Getattr):
                    continue
                yield Problem(
                    file,
                    f"line {child.lineno}",
                    "a recipient's value can only be shown, since it is filled in after the mail is made",
                    shown(_written(child)),
                    f"{{{{ {_written(child)} }}}}, without conditions, filters or calculations",
                    "for the text shown where a lead has no value, set mail_default in fields.yaml",
                )


def _is_per_recipient(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Getattr):
        return isinstance(node.node, nodes.Name) and node.node.name == "lead"
    return isinstance(node, nodes.Name) and node.name in LINKS and node.ctx == "load"


def _written(node: nodes.Node) -> str:
    return f"lead.{node.attr}" if isinstance(node, nodes.Getattr) else str(getattr(node, "name", ""))


def _nodes(tree: nodes.Node) -> Iterator[nodes.Node]:
    yield tree
    for child in tree.iter_child_nodes():
        yield from _nodes(child)
