"""Forms to create and edit a key. They parse input; keys.key_settings validates it, for the services too."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.utils import timezone

from accounts.forms.confirm import ConfirmForm, PasswordField
from accounts.models import User
from keys.apis.policy_parsing import FLAGS, SETTINGS
from keys.decision.addresses import format_network
from keys.forms.options import KeyFormOptions
from keys.forms.settings import KeySettingsForm
from keys.forms.suggestion import NO_SUGGESTION, Suggestion
from keys.key_settings import MAX_NAME_LENGTH, KeySettings
from keys.models import Key
from keys.selectors.keys import find_username_problem


def build_initial(key_settings: KeySettings) -> dict[str, Any]:
    """Return what a form shows of these settings, without the expiry."""
    return {
        "name": key_settings.name,
        **key_settings.fields,
        "addresses": "\n".join(map(format_network, key_settings.networks)),
        "ip_lists": sorted(key_settings.ip_lists),
        "every_module": "all" if key_settings.modules is None else "some",
        "modules": sorted(key_settings.modules or ()),
        **{flag: key_settings.get_value(flag) for flag in FLAGS},
    }


def build_duplicate(key: Key) -> dict[str, Any]:
    """Return what the create form shows for a key like this one. It expires on the same day, unless that is past."""
    key_settings = KeySettings.from_key(key)
    initial = build_initial(key_settings) | {"name": f"{key.name} copy"[:MAX_NAME_LENGTH], "owner": str(key.owner_id)}
    if key_settings.expires_at and key_settings.expires_at > timezone.now():
        initial |= {"expiry": "date", "expires_on": key_settings.expires_at.date()}
    if schedule := key_settings.scheduled_rotation:
        initial |= {"scheduled_rotation": str(schedule.days), "rotation_overlap": schedule.overlap}
    return initial


class CreateForm(ConfirmForm, KeySettingsForm):
    enabled = forms.BooleanField(required=False, initial=True)
    form_token = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def __init__(self, *args: Any, offer: KeyFormOptions, **kwargs: Any) -> None:
        super().__init__(*args, offer=offer, **kwargs)
        if self.rules.name_kind == "owner":
            # The key is named after its owner, so the form asks for the owner instead of a name.
            users = [(str(user.pk), user.nickname) for user in offer.owners]
            self.fields["owner"] = forms.ChoiceField(
                label=self.rules.name_label,
                choices=[("", "Select a user"), *users],
                help_text=self.rules.notes.get("name", ""),
            )
            del self.fields["name"]
            self.order_fields(["owner"])

    @property
    def owner(self) -> User | None:
        """The owner that was chosen, or None where the form does not ask. Valid forms only."""
        owner = self.cleaned_data.get("owner")
        return next((user for user in self.offer.owners if str(user.pk) == owner), None)

    def clean(self) -> dict[str, Any]:
        """Look for a key of the same username before the confirmation, so that no password is typed in vain."""
        cleaned = super().clean()
        if self.rules.name_kind != "username" or "name" in self.errors:
            return cleaned
        if problem := find_username_problem(self.offer.account, self.offer.api, self.rules, cleaned["name"]):
            self.add_error("name", problem)
        return cleaned

    def _get_name(self, cleaned: dict[str, Any]) -> str:
        if "owner" not in self.fields:
            return super()._get_name(cleaned)
        return self.owner.nickname if self.owner else ""


class EditForm(ConfirmForm, KeySettingsForm):
    """Edit a key's settings.

    The password is required only if the change allows more than before; the form then comes back with the field.
    Disabling needs a second confirmation in the same way. With a `suggestion`, the fields are filled in with it.
    `was_enabled` is the state that the form was rendered with: a switch that the user did not touch does not override a
    change made by someone else meanwhile.
    """

    enabled = forms.BooleanField(required=False)
    was_enabled = forms.BooleanField(required=False, widget=forms.HiddenInput)
    disable = forms.BooleanField(label="Yes, disable it", required=False)
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2**31 - 1)
    password = PasswordField(required=False)

    def __init__(
        self, data: Any = None, *, key: Key, offer: KeyFormOptions, suggestion: Suggestion = NO_SUGGESTION
    ) -> None:
        self.suggestion = suggestion
        key_settings = KeySettings.from_key(key)
        initial = build_initial(key_settings) | {
            "version": key.version,
            "enabled": key.enabled,
            "was_enabled": key.enabled,
        }
        super().__init__(data, initial=suggestion.apply(initial), offer=offer, key=key)
        if self._can_only_rename:
            for name in ("enabled", "was_enabled", "disable"):
                del self.fields[name]

    @property
    def enabled_now(self) -> bool | None:
        """Whether to enable or disable the key; None to leave it as it is. Valid forms only."""
        enabled = self.cleaned_data.get("enabled")
        return None if enabled == self.cleaned_data.get("was_enabled") else enabled

    @property
    def is_disabling(self) -> bool:
        """Whether saving the form would disable the key."""
        return self.is_bound and self.key is not None and self.key.enabled and self.enabled_now is False

    @property
    def changes_rotation(self) -> bool:
        """Whether saving the form would change how often the secret is changed by itself. Valid settings only."""
        return self.before is not None and self.key_settings.scheduled_rotation != self.before.scheduled_rotation

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if self.is_disabling and not cleaned.get("disable"):
            self.add_error("disable", "Select this to disable the key, or leave it enabled above.")
        return cleaned

    @property
    def _can_only_rename(self) -> bool:
        """Whether every other setting is fixed at creation. Such a form has no switch: enabling has its own page."""
        hidden_settings = [setting for setting in SETTINGS if setting != "enabled" and self._list_fields(setting)]
        return "enabled" not in self.rules.asks and self.immutable_settings >= set(hidden_settings)

    def _list_lifetimes(self) -> list[tuple[str, str]]:
        choices = super()._list_lifetimes()
        if not choices:
            return []
        now = self.key.expires_at if self.key else None
        if not self.suggestion.extends:
            self.fields["expiry"].initial = "keep"
        words = f"Unchanged: {now:%Y-%m-%d %H:%M} UTC" if now else "Unchanged: never"
        return [("keep", words), *(choice for choice in choices if now or choice[0] != "never")]
