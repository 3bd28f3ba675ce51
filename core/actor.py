"""Who does something, and the confirmation that person gave for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

ActorKind = Literal["user", "command", "system", "client"]


class ConfirmationRequired(Exception):
    """The action needs a confirmation for this very object, and the actor carries none that is unused."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """One person's consent to one action on one object; spent by the first service that asks for it."""

    action: str
    target: str
    method: Literal["password", "totp", "passkey"]
    _spent: list[bool] = field(default_factory=list, repr=False, compare=False)

    def spend(self, action: str, target: str) -> None:
        if self._spent or (self.action, self.target) != (action, target):
            raise ConfirmationRequired(action)
        self._spent.append(True)


@dataclass(frozen=True, slots=True)
class Actor:
    """The one on whose behalf a service runs, as text, so that the trail outlives the user's row.

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
        return cls(kind="command", id=name, label=f"manage.py {name}")

    def with_confirmation(self, confirmation: Confirmation) -> Actor:
        return replace(self, confirmation=confirmation)

    def spend_confirmation(self, action: str, target: str) -> None:
        """Use up the confirmation for `action` on `target`. A command's operator has no password to give."""
        if self.kind == "command":
            return
        if self.confirmation is None:
            raise ConfirmationRequired(action)
        self.confirmation.spend(action, target)
