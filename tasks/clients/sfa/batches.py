"""What clients that write over HTTP share: batches halved to the record at fault, and what became of each record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tasks.clients.sfa.faults import FaultError
from tasks.clients.sfa.protocol import SfaHandoff, Written, changed_since

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Refused = TypeVar("_Refused", bound=Exception)


@dataclass(frozen=True)
class Outcome:
    """What became of one record: its id, or why there is none."""

    id: str | None = None
    message: str | None = None
    is_gone: bool = False
    is_locked: bool = False

    def told(self, key: str, sfa_id: str | None = None) -> Written:
        """The answer to one write; ``sfa_id`` is the record that it named."""
        if self.id is not None:
            return Written(key, "written", self.id)
        return Written(key, "gone" if self.is_gone else "refused", sfa_id, self.message)


def check_size(writes: Sequence[object], most: int) -> None:
    """Refuse more than one call takes."""
    if len(writes) > most:
        raise ValueError(f"{len(writes)} records in one write; at most {most}")


def is_changed(row: _Item, read: Callable[[_Item], SfaHandoff], seen: Sequence[Mapping[str, str | None]]) -> bool:
    """Whether a handoff's record was changed since it was seen. One that cannot be read was."""
    try:
        return bool(seen) and bool(changed_since(read(row), seen))
    except FaultError:
        return True


def halved(
    items: Sequence[_Item],
    send: Callable[[Sequence[_Item]], list[_Result]],
    refusal: type[_Refused],
    refused: Callable[[_Item, _Refused], _Result],
) -> list[_Result]:
    """What sending the items comes to, one result each; what is refused as a whole is sent by halves.

    Args:
        items: What to send.
        send: Sends some; raises ``refusal`` where none of them is taken.
        refusal: The error that it raises.
        refused: The result of an item that is refused by itself.
    """
    if not items:
        return []
    try:
        return send(items)
    except refusal as error:
        if len(items) == 1:
            return [refused(items[0], error)]
    half = len(items) // 2
    return halved(items[:half], send, refusal, refused) + halved(items[half:], send, refusal, refused)
