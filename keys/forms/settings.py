"""The form of a key's settings, with the fields, order and wording of its API's policy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from keys.apis.policy import Field
from keys.apis.policy_parsing import FLAGS, SETTINGS
from keys.decision.addresses import EXAMPLES, get_width_warning
from keys.forms.current_values import format_current
from keys.forms.fields import (
    DayField,
    ListsField,
    ModulesField,
    ModulesWidget,
    NetworksField,
    build_field,
    get_end_of_day,
    set_choices,
)
from keys.forms.new_ip_list import NEW_LIST, NewListForm, get_width_warnings
from keys.forms.options import FormSection, KeyFormOptions
from keys.forms.rotation_schedule import RotationScheduleForm
from keys.ip_lists.entries import NewList
from keys.key_settings import (
    Invalid,
    KeySettings,
    check_expiry,
    check_immutable_settings,
    check_scheduled_rotation,
    clean_settings,
    explain_immutable_setting,
    get_latest_expiry,
    get_max_lifetime_days,
)
from keys.models import Key
from keys.selectors.flags import needs_account_masking

LIFETIMES = {30: "30 days", 90: "90 days", 365: "1 year"}
PRESELECTED_DAYS = 90

# Settings with more form fields than the one of their name.
SETTING_FIELDS = {
    "modules": ("every_module", "modules"),
    "expiry": ("expiry", "expires_on"),
    "scheduled_rotation": ("scheduled_rotation", "rotation_overlap"),
    "ip_lists": ("ip_lists", "new_list", "new_list_entries"),
}


class KeySettingsForm(NewListForm, RotationScheduleForm):
    """Base of the create and edit forms. `main` holds what the policy asks for, `more` the rest ("More settings")."""

    name = forms.CharField()
    addresses = NetworksField(required=False)
    ip_lists = ListsField(required=False)
    every_module = forms.ChoiceField(
        choices=[("all", "All, including those added later"), ("some", "Selected")], widget=ModulesWidget
    )
    modules = ModulesField(required=False)
    expiry = forms.ChoiceField()
    expires_on = DayField(
        label="Expires on",
        required=False,
        help_text='Used with "A date". The key works until the end of that day (UTC).',
    )

    requested_list: NewList | None = None

    def __init__(self, *args: Any, offer: KeyFormOptions, key: Key | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.offer, self.rules, self.key = offer, offer.rules, key
        self.before = KeySettings.from_key(key) if key else None
        self.longest_days = get_max_lifetime_days(offer.account, self.rules)
        self.module_names = {module.slug: module.name for module in offer.modules}
        self.list_names = {ip_list.pk: ip_list.name for ip_list in offer.ip_lists}
        self.fields |= {field.slug: build_field(field) for field in self.rules.fields if field.kind != "fixed"}
        self.fields |= {flag: forms.BooleanField(required=False) for flag in FLAGS if flag in self.rules.flags}
        self._set_choices()
        for setting in ("name", *SETTINGS):
            for field in self._list_fields(setting)[:1]:
                self._apply_wording(setting, self.fields[field])
        self.fields["modules"].label = f"{self.rules.get_label('modules')} of this key"
        for setting in self.immutable_settings:
            for name in self._list_fields(setting):
                self.fields[name].required = False
        own = [field.slug for field in self.rules.fields]
        shown = [name for setting in (*self.rules.asks, *SETTINGS) for name in self._list_fields(setting)]
        self.order_fields(["name", *own, *dict.fromkeys(shown)])

    @property
    def immutable_settings(self) -> frozenset[str]:
        """The settings that can no longer be changed."""
        return self.rules.immutable_settings if self.key else frozenset()

    @property
    def main(self) -> list[FormSection]:
        own_sections = [self._build_own_section(field) for field in self.rules.fields]
        return [
            self._build_section("owner" if "owner" in self.fields else "name"),
            *own_sections,
            *self._build_sections(self.rules.asks),
        ]

    @property
    def more(self) -> list[FormSection]:
        return list(self._build_sections([setting for setting in SETTINGS if setting not in self.rules.asks]))

    @property
    def has_more_errors(self) -> bool:
        """Whether "More settings" must be open to show errors in it."""
        return any(part.errors for part in self.more)

    @property
    def warnings(self) -> list[str]:
        """Return warnings about unusual but valid input. Valid forms only."""
        wide = [warning for network in self.key_settings.networks if (warning := get_width_warning(network))]
        wide += get_width_warnings(self.requested_list)
        if self.key_settings.mask_phone and needs_account_masking("mask_phone", self.offer.account):
            wide.append(f"{self.rules.get_label('mask_phone')} has no effect while the account's phone masking is off.")
        return wide

    @property
    def latest(self) -> datetime | None:
        created_at = self.key.created_at if self.key else timezone.now()
        return get_latest_expiry(created_at, self.longest_days)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self.requested_list = self.read_new_list(cleaned, self.offer.account)
        typed = self._read_settings(cleaned)
        # Every error is shown at once; a field that has one already, because it could not be parsed, gets no second.
        for check in (self._check_settings, self._check_schedule, self._check_expiry):
            try:
                check(typed)
            except Invalid as problem:
                errors = problem.message_dict
                new = {name: errors[name] for name in errors if self._get_field_name(name) not in self.errors}
                self.add_service_errors(Invalid(new))
        return cleaned

    def _check_settings(self, typed: KeySettings) -> None:
        """Set `key_settings`; the new list counts as one of the lists during validation."""
        added = {NEW_LIST: self.requested_list.name} if self.requested_list else {}
        typed = replace(typed, ip_lists=typed.ip_lists.union(added))
        key_settings = clean_settings(typed, self.rules, self.module_names, self.list_names | added)
        self.key_settings = replace(key_settings, ip_lists=key_settings.ip_lists.difference(added))
        if self.before:
            check_immutable_settings(self.before, self.key_settings, self.rules)

    def _check_schedule(self, typed: KeySettings) -> None:
        if not self.before or typed.scheduled_rotation != self.before.scheduled_rotation:
            check_scheduled_rotation(typed.scheduled_rotation, self.rules)

    def _check_expiry(self, typed: KeySettings) -> None:
        if not self.before or typed.expires_at != self.before.expires_at:
            check_expiry(typed.expires_at, self.rules, now=timezone.now(), latest=self.latest)

    def add_service_errors(self, problem: Invalid) -> None:
        """Add the errors to the fields of the form, or to the form where it has no such field."""
        for name, messages in problem.message_dict.items():
            place = self._get_field_name(name)
            self.add_error(place if place in self.fields else None, messages)

    def _get_field_name(self, name: str) -> str:
        if name == "expiry" and self.data.get("expiry") == "date":
            return "expires_on"
        return "owner" if name == "name" and "name" not in self.fields else name

    # Parsing

    def _read_settings(self, cleaned: dict[str, Any]) -> KeySettings:
        typed = KeySettings(
            name=self._get_name(cleaned),
            fields={field.slug: self._get_own_value(field, cleaned) for field in self.rules.fields},
            networks=cleaned.get("addresses", ()),
            ip_lists=frozenset(map(int, cleaned.get("ip_lists", ()))),
            modules=None if cleaned.get("every_module") == "all" else frozenset(cleaned.get("modules", ())),
            expires_at=self._parse_expiry(cleaned.get("expiry") or "never", cleaned.get("expires_on")),
            scheduled_rotation=self.read_schedule(cleaned),
            **{flag: cleaned.get(flag, False) for flag in FLAGS},
        )
        if self.before is None:
            return typed
        # Fixed settings have no input and are not sent. If one is sent all the same, check_immutable_settings validates
        # it.
        unsubmitted = [setting for setting in self.immutable_settings if not self._is_submitted(setting)]
        return typed.restore(unsubmitted, self.before)

    def _get_name(self, cleaned: dict[str, Any]) -> str:
        return cleaned.get("name", "")

    def _get_own_value(self, field: Field, cleaned: dict[str, Any]) -> str:
        return self.data.get(field.slug, field.value) if field.kind == "fixed" else cleaned.get(field.slug, "")

    def _is_submitted(self, setting: str) -> bool:
        return any(name in self.data for name in SETTING_FIELDS.get(setting, (setting,)))

    def _parse_expiry(self, choice: str, day: date | None) -> datetime | None:
        if choice == "keep" and self.key:
            return self.key.expires_at
        if choice == "never":
            return None
        if choice != "date":
            return timezone.now() + timedelta(days=int(choice))
        if day is None:
            if "expires_on" not in self.errors:
                self.add_error("expires_on", "Choose the day on which the key expires.")
            return None
        return get_end_of_day(day)

    # Rendering

    def _build_sections(self, settings: Sequence[str]) -> Iterator[FormSection]:
        for setting in settings:
            if self._list_fields(setting):
                yield self._build_section(setting)

    def _build_section(self, setting: str) -> FormSection:
        fields, label = tuple(self[name] for name in self._list_fields(setting)), self.rules.get_label(setting)
        if setting not in self.immutable_settings:
            return FormSection(setting, label, fields)
        assert self.before is not None
        text = format_current(setting, self.before, self.offer) or "–"
        return FormSection(setting, label, fields, text, self._get_immutable_note(setting))

    def _build_own_section(self, field: Field) -> FormSection:
        if field.kind == "fixed":
            return FormSection(field.slug, field.label, (), field.value)
        return FormSection(field.slug, field.label, (self[field.slug],))

    def _list_fields(self, setting: str) -> list[str]:
        return [name for name in SETTING_FIELDS.get(setting, (setting,)) if name in self.fields]

    def _apply_wording(self, setting: str, field: forms.Field) -> None:
        """Set label and help text from the policy, and mark settings that cannot be changed later."""
        field.label = self.rules.get_label(setting)
        note, help_text = self.rules.notes.get(setting, ""), str(field.help_text)
        # A policy that asks for addresses with a note of its own replaces the standard text.
        if setting == "addresses" and not (note and setting in self.rules.asks):
            help_text = f"Addresses or ranges that calls may come from, for example {EXAMPLES}."
            if self.rules.addresses == "optional":
                help_text += " Without any address or IP list, calls are accepted from everywhere."
        if setting in self.rules.immutable_settings and not note:
            note = self._get_immutable_note(setting)
        off = _render_masking_off() if needs_account_masking(setting, self.offer.account) else ""
        field.help_text = format_html_join(" ", "{}", ((text,) for text in (help_text, note, off) if text))

    def _get_immutable_note(self, setting: str) -> str:
        why = explain_immutable_setting(setting, self.rules)
        note = "" if self.rules.name_kind == "owner" and setting == "name" else self.rules.notes.get(setting)
        return note or f"{why[:1].upper()}{why[1:]}"

    def _set_choices(self) -> None:
        set_choices(self.fields["modules"], list(self.module_names.items()))
        self.fields["modules"].widget.abilities = self.offer.abilities
        set_choices(self.fields["ip_lists"], [(str(pk), name) for pk, name in self.list_names.items()])
        self.fields["addresses"].required = self.rules.addresses == "required"
        if "modules" not in self.rules.asks:
            self.fields["every_module"].initial = "all"
        self.offer_schedules(self.rules, self.key)
        if choices := self._list_lifetimes():
            set_choices(self.fields["expiry"], choices)
        else:
            del self.fields["expiry"], self.fields["expires_on"]

    def _list_lifetimes(self) -> list[tuple[str, str]]:
        """Return the choices of the expiry; empty if keys of this API never expire."""
        longest = self.longest_days
        must = self.rules.expiry == "required" or longest is not None
        if self.rules.expiry == "none" and not must and not (self.key and self.key.expires_at):
            return []
        lifetimes = {days: words for days, words in LIFETIMES.items() if longest is None or days <= longest}
        if longest is not None and longest < PRESELECTED_DAYS:
            lifetimes[longest] = f"{longest} day{'s' if longest > 1 else ''}"
        self.fields["expiry"].initial = str(min(PRESELECTED_DAYS, longest or PRESELECTED_DAYS)) if must else "never"
        choices = [] if must else [("never", "Never")]
        return [*choices, *((str(days), words) for days, words in sorted(lifetimes.items())), ("date", "A date")]


def _render_masking_off() -> SafeString:
    """Return the note that Mask Phone Number has no effect now. The link opens a new tab, so that input is kept."""
    return format_html(
        "<strong>No effect:</strong> the account's phone masking is off. "
        '<a href="{}#masking" target="_blank">Turn it on in the settings</a>'
        '<span class="hush"> (opens in a new tab)</span>.',
        reverse("settings"),
    )
