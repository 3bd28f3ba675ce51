"""Warn before a save that would refuse calls allowed lately, and offer to add what is missing or to save anyway."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from django.http import QueryDict

from keys.decision.addresses import Network, format_network
from keys.forms.create_edit import EditForm
from keys.selectors.losses import Losses, find_losses


class LossOutcome(NamedTuple):
    """The form to continue with, the losses to ask about, and the value of "Save anyway".

    `accepts` is sent again with the form and is valid as long as the settings stay the same.
    """

    form: EditForm
    losses: Losses | None
    accepts: str = ""


def resolve_losses(sent: QueryDict, form: EditForm, make: Callable[[QueryDict], EditForm]) -> LossOutcome:
    """Determine what the valid form would refuse, and apply the user's answer.

    An answer counts only for the settings that it was given about.
    """
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
    """Return a digest of the settings that can refuse calls."""
    key_settings = form.key_settings
    modules = None if key_settings.modules is None else sorted(key_settings.modules)
    networks = [sorted(map(str, networks)) for networks in (key_settings.networks, get_new_networks(form))]
    narrowing = (networks, sorted(key_settings.ip_lists), modules)
    return hashlib.sha256(repr((form.key and form.key.public_id, narrowing)).encode()).hexdigest()


def get_new_networks(form: EditForm) -> list[Network]:
    """Return the networks of the list that the form creates."""
    return [entry.network for entry in form.requested_list.entries] if form.requested_list else []


def _add_losses(sent: QueryDict, losses: Losses) -> QueryDict:
    """Return the data with the addresses and modules added that it would refuse."""
    typed = sent.copy()
    if losses.addresses:
        typed["addresses"] = "\n".join([typed.get("addresses", ""), *map(format_network, losses.networks)]).strip()
    if losses.modules:
        typed.setlist("modules", [*typed.getlist("modules"), *(use.what for use in losses.modules)])
    return typed
