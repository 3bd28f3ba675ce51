"""The actor of a service call and the confirmation it carries."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from core.program import PROGRAM

ActorKind = Literal["user", "command", "system", "client"]


class ConfirmationRequired(Exception):
    """The action needs a confirmation for this object, and the actor carries no unused one."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A user's consent to one action on one object, for one use."""

    action: str
    target: str
    method: Literal["password", "totp", "passkey"]
    _spent: list[bool] = field(default_factory=list, repr=False, compare=False)

    def spend(self, action: str, target: str) -> None:
        """Consume the confirmation. Raise ConfirmationRequired if it was used before or is for something else."""
        if self._spent or (self.action, self.target) != (action, target):
            raise ConfirmationRequired(action)
        self._spent.append(True)


@dataclass(frozen=True, slots=True)
class Actor:
    """The user, command or system on whose behalf a service runs; plain text, because audit events outlive the user's
    row.

    `id` is the user's primary key as text, or a command's name; `label` is what a reader sees (an e-mail address);
    `address` is the client's, without port; `request_id` ties the event to one request.
    """

    kind: ActorKind
    id: str
    label: str
    address: str | None = None
    request_id: str | None = None
    confirmation: Confirmation | None = None

    @classmethod
    def from_command(cls, name: str) -> Actor:
        return cls(kind="command", id=name, label=f"{PROGRAM} {name}")

    def with_confirmation(self, confirmation: Confirmation) -> Actor:
        return replace(self, confirmation=confirmation)

    def spend_confirmation(self, action: str, target: str) -> None:
        """Consume the confirmation for `action` on `target`, or raise ConfirmationRequired. Commands need none."""
        if self.kind == "command":
            return
        if self.confirmation is None:
            raise ConfirmationRequired(action)
        self.confirmation.spend(action, target)
