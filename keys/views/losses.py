"""Asking before a save refuses what was allowed lately: add it too, or save anyway. Nothing typed is lost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from django.http import QueryDict

from keys.decision.addresses import Network, format_network
from keys.forms.create_edit import EditForm
from keys.selectors.losses import Losses, find_losses


class LossOutcome(NamedTuple):
    """The form to go on with; what its save would refuse, if that has to be asked; and the answer "Save anyway", to be
    sent again with the form for as long as it holds the same settings."""

    form: EditForm
    losses: Losses | None
    accepts: str = ""


def resolve_losses(sent: QueryDict, form: EditForm, make: Callable[[QueryDict], EditForm]) -> LossOutcome:
    """Look at what the valid form would refuse, and do what its sender answered. An answer holds for the very settings
    that it was given about."""
    assert form.key is not None
    assert form.before is not None
    settings = compute_settings_digest(form)
    if sent.get("accepts") == settings:
        return LossOutcome(form, None, settings)
    contained = {module.slug: module.contained for module in form.offer.modules}
    losses = find_losses(form.key, form.before, form.key_settings, contained, get_new_networks(form))
    if not losses:
        return LossOutcome(form, None)
    if sent.get("add") == settings and losses.can_be_added:
        return LossOutcome(make(_add_losses(sent, losses)), None)
    return LossOutcome(form, losses, settings)


def compute_settings_digest(form: EditForm) -> str:
    """Return what stands for the settings that may refuse calls."""
    key_settings = form.key_settings
    modules = None if key_settings.modules is None else sorted(key_settings.modules)
    networks = [sorted(map(str, networks)) for networks in (key_settings.networks, get_new_networks(form))]
    narrowing = (networks, sorted(key_settings.ip_lists), modules)
    return hashlib.sha256(repr((form.key and form.key.public_id, narrowing)).encode()).hexdigest()


def get_new_networks(form: EditForm) -> list[Network]:
    """Return what the list admits that the form asks to make."""
    return [entry.network for entry in form.requested_list.entries] if form.requested_list else []


def _add_losses(sent: QueryDict, losses: Losses) -> QueryDict:
    """What was sent, and what it would have refused."""
    typed = sent.copy()
    if losses.addresses:
        typed["addresses"] = "\n".join([typed.get("addresses", ""), *map(format_network, losses.networks)]).strip()
    if losses.modules:
        typed.setlist("modules", [*typed.getlist("modules"), *(use.what for use in losses.modules)])
    return typed
