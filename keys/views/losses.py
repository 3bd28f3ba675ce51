"""Asking before a save refuses what was allowed lately: add it too, or save anyway. Nothing typed is lost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from django.http import QueryDict

from keys.decision.addresses import Network, shown
from keys.forms.create_edit import EditForm
from keys.selectors.losses import Losses, find_losses


class Settled(NamedTuple):
    """The form to go on with; what its save would refuse, if that has to be asked; and the answer "Save anyway", to be
    sent again with the form for as long as it holds the same settings."""

    form: EditForm
    losses: Losses | None
    accepts: str = ""


def settle_losses(sent: QueryDict, form: EditForm, make: Callable[[QueryDict], EditForm]) -> Settled:
    """Look at what the valid form would refuse, and do what its sender answered. An answer holds for the very settings
    that it was given about."""
    assert form.key is not None
    assert form.before is not None
    settings = settings_digest(form)
    if sent.get("accepts") == settings:
        return Settled(form, None, settings)
    contained = {module.slug: module.contained for module in form.offer.modules}
    losses = find_losses(form.key, form.before, form.terms, contained, new_networks(form))
    if not losses:
        return Settled(form, None)
    if sent.get("add") == settings and losses.can_be_added:
        return Settled(make(_with(sent, losses)), None)
    return Settled(form, losses, settings)


def settings_digest(form: EditForm) -> str:
    """Return what stands for the settings that may refuse calls."""
    terms = form.terms
    modules = None if terms.modules is None else sorted(terms.modules)
    networks = [sorted(map(str, networks)) for networks in (terms.networks, new_networks(form))]
    narrowing = (networks, sorted(terms.ip_lists), modules)
    return hashlib.sha256(repr((form.key and form.key.public_id, narrowing)).encode()).hexdigest()


def new_networks(form: EditForm) -> list[Network]:
    """Return what the list admits that the form asks to make."""
    return [entry.network for entry in form.new_list_asked.entries] if form.new_list_asked else []


def _with(sent: QueryDict, losses: Losses) -> QueryDict:
    """What was sent, and what it would have refused."""
    typed = sent.copy()
    if losses.addresses:
        typed["addresses"] = "\n".join([typed.get("addresses", ""), *map(shown, losses.networks)]).strip()
    if losses.modules:
        typed.setlist("modules", [*typed.getlist("modules"), *(use.what for use in losses.modules)])
    return typed
