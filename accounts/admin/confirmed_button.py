"""Buttons of Support's administration that require Support's own password or code."""

from __future__ import annotations

from typing import Any

from django.forms import Form

from accounts.forms.confirm import ConfirmForm
from audit.trail.events import Target
from core.actor import Actor
from core.admin import Button
from core.page_guard import SignedIn


class ConfirmedButton(Button):
    """A button whose `form` is a ConfirmForm."""

    # The action that is confirmed, as the service spends it.
    action = ""

    def get_confirmation_target(self, row: Any) -> str:
        """Return what the confirmation is bound to."""
        return str(row.pk)

    def get_event_target(self, row: Any) -> Target:
        """Return the object that a wrong confirmation is recorded on."""
        raise NotImplementedError

    def prepare(self, form: Form, row: Any, request: SignedIn) -> None:
        assert isinstance(form, ConfirmForm)
        form.set_action(request.user, self.action, self.get_confirmation_target(row), self.get_event_target(row))
        # A passkey needs a script of the portal's pages.
        form.has_passkey = False

    def get_actor(self, form: Form, request: SignedIn) -> Actor | None:
        assert isinstance(form, ConfirmForm)
        return form.get_confirmed_actor(request.user, request.actor)
