"""What people fill in about keys. Forms read; what is right is said by keys.terms, for the services too."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from accounts.forms import ConfirmForm, PasswordField
from accounts.models import Account
from keys.addresses import EXAMPLES, BadAddress, Network, parse_network
from keys.apis.policy import Field, Policy
from keys.models import Key, Module
from keys.terms import Invalid, Terms, check_expiry, checked, latest_expiry, longest_days

LIFETIMES = {30: "30 days", 90: "90 days", 365: "1 year"}
PRESELECTED_DAYS = 90


class KeyForm(forms.Form):
    """A key's terms, with the fields and words of its API's policy. The base of creating and editing."""

    name = forms.CharField()
    addresses = forms.CharField(
        label="IP ACL",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocapitalize": "off"}),
        help_text=f"Addresses or ranges that calls may come from, such as {EXAMPLES}. Empty: any address.",
    )
    every_module = forms.ChoiceField(
        choices=[("all", "All, also those added later"), ("some", "Only those ticked")],
        initial="all",
        widget=forms.RadioSelect,
    )
    modules = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)
    expiry = forms.ChoiceField(label="Expiration")
    expires_on = forms.DateField(
        label="Expires on",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="For “A date”: the key works until the end of that day, UTC.",
    )

    def __init__(
        self,
        *args: Any,
        account: Account,
        rules: Policy,
        modules: Iterable[Module],
        key: Key | None = None,
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self.rules, self.key = rules, key
        self.longest_days = longest_days(account, rules)
        self.known_modules = {module.slug: module.name for module in modules}
        self.fields["name"].label = rules.name_label
        self.fields["addresses"].required = rules.addresses == "required"
        self.fields["every_module"].label = rules.modules_called
        self.fields["modules"].label = f"{rules.modules_called} of this key"
        _choose(self.fields["modules"], list(self.known_modules.items()))
        self.fields |= {field.slug: _asked(field) for field in rules.fields}
        self.order_fields(["name", *(field.slug for field in rules.fields), "addresses"])
        if choices := self._lifetimes():
            _choose(self.fields["expiry"], choices)
        else:
            del self.fields["expiry"], self.fields["expires_on"]

    @property
    def own_fields(self) -> list[forms.BoundField]:
        """What the API's policy asks besides the name."""
        return [self[field.slug] for field in self.rules.fields]

    @property
    def more_is_wrong(self) -> bool:
        """Whether "More settings" must be open for its errors to be seen."""
        return bool({"every_module", "modules", "expiry", "expires_on"} & set(self.errors))

    @property
    def latest(self) -> datetime | None:
        made = self.key.created_at if self.key else timezone.now()
        return latest_expiry(made, self.longest_days)

    def clean_addresses(self) -> tuple[Network, ...]:
        networks, problems = [], []
        for entry in re.split(r"[\s,;]+", self.cleaned_data["addresses"]):
            try:
                networks += [parse_network(entry)] if entry else []
            except BadAddress as problem:
                problems.append(str(problem))
        if problems:
            raise forms.ValidationError(problems)
        return tuple(networks)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        wrong = set(self.errors)
        try:
            self.terms = checked(self._terms(cleaned), self.rules, self.known_modules)
            if not self.key or self.terms.expires_at != self.key.expires_at:
                check_expiry(self.terms.expires_at, self.rules, now=timezone.now(), latest=self.latest)
        except Invalid as problem:
            # A field that could not be read has its own message already.
            left = {name: messages for name, messages in problem.message_dict.items() if name not in wrong}
            self.refuse(Invalid(left))
        return cleaned

    def refuse(self, problem: Invalid) -> None:
        """Show what a service or the terms say, at the field if the form has it."""
        for name, messages in problem.message_dict.items():
            if name == "expiry" and self.data.get("expiry") == "date":
                name = "expires_on"
            self.add_error(name if name in self.fields else None, messages)

    def _terms(self, cleaned: dict[str, Any]) -> Terms:
        return Terms(
            name=cleaned.get("name", ""),
            fields={field.slug: cleaned.get(field.slug, "") for field in self.rules.fields},
            networks=cleaned.get("addresses", ()),
            modules=None if cleaned.get("every_module") == "all" else frozenset(cleaned.get("modules", ())),
            expires_at=self._expires_at(cleaned.get("expiry", "never"), cleaned.get("expires_on")),
        )

    def _expires_at(self, choice: str, day: Any) -> datetime | None:
        if choice == "keep" and self.key:
            return self.key.expires_at
        if choice == "never":
            return None
        if choice != "date":
            return timezone.now() + timedelta(days=int(choice))
        if day is None:
            raise Invalid({"expires_on": "Choose the day on which the key expires."})
        return datetime.combine(day, time(23, 59, 59), UTC)

    def _lifetimes(self) -> list[tuple[str, str]]:
        """What may be chosen; nothing if keys of this API never expire."""
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


class CreateForm(ConfirmForm, KeyForm):
    enabled = forms.BooleanField(label="Enabled", required=False, initial=True)
    form_token = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)


class EditForm(ConfirmForm, KeyForm):
    """The password is asked for only when the change lets more in; then the form is shown again with it."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2**31 - 1)
    password = PasswordField(required=False)

    def __init__(self, data: Any = None, *, key: Key, rules: Policy, modules: Iterable[Module]) -> None:
        terms = Terms.of(key)
        initial = {
            "name": terms.name,
            **terms.fields,
            "addresses": "\n".join(str(network) for network in terms.networks),
            "every_module": "all" if terms.modules is None else "some",
            "modules": sorted(terms.modules or ()),
            "version": key.version,
        }
        super().__init__(data, initial=initial, account=key.account, key=key, rules=rules, modules=modules)

    def _lifetimes(self) -> list[tuple[str, str]]:
        choices = super()._lifetimes()
        if not choices:
            return []
        now = self.key.expires_at if self.key else None
        self.fields["expiry"].initial = "keep"
        words = f"As it is: {now:%Y-%m-%d %H:%M} UTC" if now else "As it is: never"
        return [("keep", words), *(choice for choice in choices if now or choice[0] != "never")]


def _choose(field: forms.Field, choices: list[tuple[str, str]]) -> None:
    assert isinstance(field, forms.ChoiceField)
    field.choices = choices


def _asked(field: Field) -> forms.Field:
    if field.kind == "choice":
        choices = [("", "Choose one"), *((choice.slug, choice.label) for choice in field.choices)]
        return forms.ChoiceField(label=field.label, required=field.required, choices=choices)
    url = forms.URLInput(attrs={"placeholder": "https://"})
    return forms.CharField(
        label=field.label, required=field.required, widget=url if field.kind == "url" else forms.TextInput
    )
