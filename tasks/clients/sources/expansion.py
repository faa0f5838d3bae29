"""Puts environment variables into configuration, so that no credential has to stand in a file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def expanded(text: str, report: Callable[[str, str], None]) -> str:
    """Return text with every ``${VAR}`` replaced; report each that is unknown by its name, never by a value."""

    def replacement(match: re.Match[str]) -> str:
        name = match[1]
        if not _NAME.fullmatch(name):
            report("'${…}' does not hold the name of a variable", "write ${NAME}")
        elif not os.environ.get(name):
            report(
                f"the environment variable {name} is not set",
                f"export {name} before this command, or set it in the deployment",
            )
        else:
            return os.environ[name]
        return ""

    return _VARIABLE.sub(replacement, text)
