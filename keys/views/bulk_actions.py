"""What can be done to the selected keys: the words, form, effect and service of each action."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import Q
from django.db.models.functions import Lower
from django.http import QueryDict

from accounts.models import Account
from core.actor import Actor
from core.page_guard import SignedIn
from core.pages import own_account
from keys import services
from keys.forms.bulk import (
    BulkAddressesForm,
    BulkChangeForm,
    BulkConfirmForm,
    BulkExpiryForm,
    BulkForm,
    BulkReassignForm,
    Restrictions,
)
from keys.key_settings import Invalid, KeySettings
from keys.models import Secret
from keys.selectors.replay import replay_many_settings, replay_state
from keys.services import BulkResult, Overlap
from keys.services.bulk import MAX_KEYS, MAX_SECRETS
from keys.settings_change import SettingsChange
from keys.views.common import list_active_users
from keys.views.effects import ChangeEffect, build_selection_token
from keys.views.key_actions import KEY_ACTIONS
from keys.views.selection import Selection
from keys.visibility import get_visible_ip_lists


def count_keys(number: int) -> str:
    return f"{number} key{'' if number == 1 else 's'}"


class BulkAction:
    """An action on the selected keys that match `only`. `title` and `success` are formatted with the keys' number in
    words; `means` says what happens to them, in the words of one key and of several."""

    url: ClassVar[str]
    title: ClassVar[str]
    button: ClassVar[str]
    success: ClassVar[str]
    means: ClassVar[tuple[str, str]]
    none: ClassVar[str] = "No keys are selected, or the selected keys have been deleted."
    only: ClassVar[Q] = Q()
    limit: ClassVar[int] = MAX_KEYS
    # The action that the form confirms, if it does, and why.
    confirmation: ClassVar[str] = ""
    why: ClassVar[str] = ""
    # The action that undoes it, if that is safe.
    undo: ClassVar[type[BulkAction] | None] = None
    # Whether calls may be refused, so that the dialog says how many of the keys were used lately.
    interrupts: ClassVar[bool] = False
    # Whether it stops all calls with the keys, so that its button warns.
    stops: ClassVar[bool] = False
    # Whether the effect depends on what is typed.
    is_live: ClassVar[bool] = False
    form: ClassVar[type[BulkForm]] = BulkForm

    def build_form(self, request: SignedIn, selection: Selection, data: QueryDict | None) -> BulkForm:
        return self.form(data, initial={"selection": self.build_stamp(selection)})

    def build_stamp(self, selection: Selection) -> str:
        """Return what stands for the selected keys as they are; a form that was shown for others is shown again."""
        return services.build_selection_target(selection.ids)

    def find_effect(self, selection: Selection, form: BulkForm, params: QueryDict) -> ChangeEffect | None:
        return None

    def run(self, account: Account, selection: Selection, form: Any, by: Actor) -> BulkResult:
        raise NotImplementedError


class Enable(BulkAction):
    url, button, success = "key-enable-some", KEY_ACTIONS["key-enable"], "{} enabled."
    title = f"{button} {{}}"
    means = (
        "Calls with this key are accepted again, within its restrictions.",
        "Calls with these keys are accepted again, within their restrictions.",
    )
    none = "No keys are selected, or the selected keys are already enabled or deleted."
    only, confirmation, why = Q(enabled=False), "keys.enable", "to enable keys"
    form = BulkConfirmForm

    def find_effect(self, selection: Selection, form: BulkForm, params: QueryDict) -> ChangeEffect:
        return ChangeEffect(replay_state(selection.keys, enabled=True), "", params)

    def run(self, account: Account, selection: Selection, form: Any, by: Actor) -> BulkResult:
        return services.enable_many(account=account, keys=selection.ids, by=by)


class Disable(BulkAction):
    url, title, button = "key-disable-some", f"{KEY_ACTIONS['key-disable']} {{}}", "Yes, disable"
    success = "{} disabled: calls with them are refused."
    means = (
        "All calls with this key are refused immediately, until it is enabled again.",
        "All calls with these keys are refused immediately, until they are enabled again.",
    )
    none = "No keys are selected, or the selected keys are already disabled or deleted."
    only, undo, interrupts, stops = Q(enabled=True), Enable, True, True

    def find_effect(self, selection: Selection, form: BulkForm, params: QueryDict) -> ChangeEffect:
        replay = replay_state(selection.keys, enabled=False)
        return ChangeEffect(replay, build_selection_token("disable", selection.ids), params)

    def run(self, account: Account, selection: Selection, form: Any, by: Actor) -> BulkResult:
        return services.disable_many(account=account, keys=selection.ids, by=by)


class ChangeAddresses(BulkAction):
    url, title, button, success = "key-addresses-some", "Addresses of {}", "Save changes", "{} changed."
    means = ("The key keeps its other addresses and IP lists.", "The keys keep their other addresses and IP lists.")
    confirmation, why = "keys.edit", "if a key then accepts calls from more addresses"
    interrupts = is_live = True
    form = BulkAddressesForm

    def build_form(self, request: SignedIn, selection: Selection, data: QueryDict | None) -> BulkForm:
        lists = get_visible_ip_lists(request.user).order_by(Lower("name"), "pk").values_list("pk", "name")
        return BulkAddressesForm(
            data,
            ip_lists=dict(lists),
            now=Restrictions.from_settings(_load_settings(selection).values()),
            initial={"selection": self.build_stamp(selection), "add_lists": [selection.ip_list]},
        )

    def find_effect(self, selection: Selection, form: BulkForm, params: QueryDict) -> ChangeEffect | None:
        assert isinstance(form, BulkAddressesForm)
        if not form.is_bound or set(form.errors) - {"password"}:
            return None
        after = _apply_where_allowed(form.change, _load_settings(selection))
        token = hashlib.sha256(repr((sorted(selection.ids), form.change)).encode()).hexdigest()
        return ChangeEffect(replay_many_settings(after), token, params)

    def run(self, account: Account, selection: Selection, form: Any, by: Actor) -> BulkResult:
        return services.edit_many(account=account, keys=selection.ids, change=form.change, by=by)


class SetExpiry(BulkAction):
    url, title, button, success = "key-expiry-some", "Expiry of {}", "Save changes", "{} changed."
    means = ("All calls with this key are refused from then on.", "All calls with these keys are refused from then on.")
    interrupts = True
    form = BulkExpiryForm

    def run(self, account: Account, selection: Selection, form: Any, by: Actor) -> BulkResult:
        return services.edit_many(account=account, keys=selection.ids, change=form.change, by=by)


class Reassign(BulkAction):
    url, button, success = "key-reassign-some", KEY_ACTIONS["key-reassign"], "{} reassigned."
    title = f"{button} {{}}"
    means = (
        "The secret and the restrictions stay the same. The new owner can see the key, but not its secret.",
        "Secrets and restrictions stay the same. The new owner can see the keys, but not their secrets. "
        "A key that is named after its owner gets the new owner's name.",
    )
    confirmation, why = "keys.reassign", "to reassign keys"
    form = BulkReassignForm

    def build_form(self, request: SignedIn, selection: Selection, data: QueryDict | None) -> BulkForm:
        candidates = list_active_users(own_account(request))
        return BulkReassignForm(data, candidates=candidates, initial={"selection": self.build_stamp(selection)})

    def find_effect(self, selection: Selection, form: BulkForm, params: QueryDict) -> ChangeEffect | None:
        # The new owner is active; only keys of inactive ones are decided differently.
        stopped = selection.keys.filter(owner__is_active=False)
        return ChangeEffect(replay_state(stopped, owner_active=True), "", params) if stopped.exists() else None

    def run(self, account: Account, selection: Selection, form: Any, by: Actor) -> BulkResult:
        return services.reassign_many(account=account, keys=selection.ids, owner=form.new_owner, by=by)


class ChangeSecrets(BulkAction):
    url, button, success = "key-change-some", "Yes, change API keys", "{} changed."
    title = f"{KEY_ACTIONS['key-change']} of {{}}"
    means = (
        "The key gets a new secret with the same API ID. Show it on the key's row with the eye icon.",
        "Each key gets a new secret with the same API ID. Show them in the list with the eye icon. "
        "Keys whose secret is shown only once are left out.",
    )
    confirmation, why, interrupts, limit = "keys.change", "to change API keys", True, MAX_SECRETS
    form = BulkChangeForm

    def build_stamp(self, selection: Selection) -> str:
        # A second POST of the form would change the secrets once more.
        return hashlib.sha256(repr(sorted(_load_secrets(selection).items())).encode()).hexdigest()

    def run(self, account: Account, selection: Selection, form: Any, by: Actor) -> BulkResult:
        cleaned = form.cleaned_data
        return services.change_many(
            account=account,
            secrets=_load_secrets(selection),
            overlap=Overlap(cleaned["overlap"]),
            ends_on_use=cleaned["ends_on_use"],
            by=by,
        )


def _load_settings(selection: Selection) -> dict[str, KeySettings]:
    """Return the present settings of the selected keys by API ID."""
    keys = selection.keys.prefetch_related("addresses", "ip_lists", "modules").defer("api__document")
    return {key.public_id: KeySettings.from_key(key) for key in keys}


def _load_secrets(selection: Selection) -> dict[int, Any]:
    """Return the primary keys of the current secrets by those of the selected keys."""
    return dict(Secret.objects.filter(key__in=selection.ids, retires_at=None).values_list("key", "pk"))


def _apply_where_allowed(change: SettingsChange, settings: Mapping[str, KeySettings]) -> dict[str, KeySettings]:
    """Return the changed settings of the keys that can be changed so."""
    after = {}
    for public_id, before in settings.items():
        try:
            after[public_id] = change.apply(before)
        except Invalid:
            continue
    return after
