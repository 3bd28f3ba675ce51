"""Form fields for a key's addresses, modules and IP lists, and for the fields of an API's policy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from types import MappingProxyType
from typing import Any, ClassVar, cast

from django import forms

from keys.apis.policy import Field
from keys.decision.addresses import BadAddress, parse_network, split_networks
from keys.docs.abilities import Ability


class _LinesWidget(forms.Textarea):
    """A text area that JavaScript replaces by a list. Never `required`: a browser cannot focus a hidden field."""

    def use_required_attribute(self, initial: Any) -> bool:
        return False


class NetworksField(forms.CharField):
    """Networks, one a line or separated by commas. Comments after # are dropped: a key's own entries have no
    description.

    `required` only marks the label; keys.key_settings checks whether there must be entries.
    """

    widget = _LinesWidget(attrs={"rows": 3, "spellcheck": "false", "autocapitalize": "off"})

    def to_python(self, value: Any) -> Any:
        networks, problems = [], []
        for entry, _ in split_networks(str(super().to_python(value))):
            try:
                networks.append(parse_network(entry))
            except BadAddress as problem:
                problems.append(str(problem))
        if problems:
            raise forms.ValidationError(problems)
        return tuple(networks)

    def validate(self, value: Any) -> None:
        return


class ModulesWidget(forms.RadioSelect):
    """Choose all modules or some. Without the choice, checked modules mean "some", so the browser must not require
    it."""

    def use_required_attribute(self, initial: Any) -> bool:
        return False

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return super().value_from_datadict(data, files, name) or ("some" if data.get("modules") else None)


class ModuleCheckboxes(forms.CheckboxSelectMultiple):
    """A checkbox for each module. `abilities` describes, by slug, what each module allows."""

    option_template_name = "keys/_module_box.html"
    abilities: Mapping[str, Ability] = MappingProxyType({})

    def create_option(self, name: str, value: Any, *args: Any, **options: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **options)
        if ability := self.abilities.get(str(value)):
            option["ability"] = ability
            option["attrs"]["aria-describedby"] = f"{option['attrs']['id']}_about"
        return option


class ModulesField(forms.MultipleChoiceField):
    """Slugs of modules. `needed` makes the script require a choice while the field is visible."""

    widget = ModuleCheckboxes
    needed = True


class DayField(forms.DateField):
    """A date. `needed` makes the script require it while the field is visible."""

    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    needed = True

    def to_python(self, value: Any) -> date | None:
        try:
            return super().to_python(value)
        except forms.ValidationError:
            raise forms.ValidationError(f"{value!r} is not a date. Enter one such as 2027-01-31.") from None


class ListsField(forms.MultipleChoiceField):
    """IP lists by primary key."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid_choice": "There is no IP list %(value)s in this account. Choose one of this account's lists.",
    }


def get_end_of_day(day: date) -> datetime:
    """Return the last second of the day, UTC, until which a key with that expiry works."""
    return datetime.combine(day, time(23, 59, 59), UTC)


def set_choices(field: forms.Field, choices: list[tuple[str, str]]) -> None:
    cast("forms.ChoiceField", field).choices = choices


def build_field(field: Field) -> forms.Field:
    """Return the form field for a policy's own field."""
    if field.kind == "choice":
        choices = [("", "Choose one"), *((choice.slug, choice.label) for choice in field.choices)]
        return forms.ChoiceField(label=field.label, required=field.required, choices=choices)
    url = forms.URLInput(attrs={"placeholder": "https://"})
    return forms.CharField(
        label=field.label, required=field.required, widget=url if field.kind == "url" else forms.TextInput
    )
