"""Widgets of forms."""

from __future__ import annotations

import pytest
from django import forms
from django.forms.renderers import DjangoTemplates
from django.utils.safestring import mark_safe
from pytest_django.asserts import assertHTMLEqual

from core.filters.fields import FilterSelect, OpenSelect

CHOICES = [("", "Any <state>"), ("on", "On & up"), (2, "Two"), ("More", [("a", "A"), ("b", "B")])]


@pytest.mark.parametrize("chosen", ["", "on", 2, "b", None])
@pytest.mark.parametrize("widget", [forms.Select, forms.SelectMultiple])
def test_a_drop_down_is_written_as_django_writes_it(widget: type[forms.Select], chosen: object) -> None:
    one = widget(attrs={"aria-label": 'A "state"', "required": True, "hidden": False}, choices=CHOICES)
    of_form = forms.Form().renderer
    value = [chosen] if widget is forms.SelectMultiple else chosen
    assert type(of_form) is not DjangoTemplates
    assertHTMLEqual(
        one.render("state", value, renderer=of_form), one.render("state", value, renderer=DjangoTemplates())
    )


@pytest.mark.parametrize("kind", [FilterSelect, OpenSelect])
def test_a_drop_down_of_filters_is_written_anew_for_other_values_and_choices(kind: type[FilterSelect]) -> None:
    written = set()
    for choices in (CHOICES, CHOICES[1:], [("", "A"), ("on", "<script>")]):
        for chosen in ("", "on", "b", None, "<b>"):
            for attrs in (None, {"required": True}):
                one = kind(attrs={"aria-label": "State"}, choices=choices)
                uncached = kind(attrs={"aria-label": "State"}, choices=choices)
                expected = forms.Select.render(uncached, "state", chosen, attrs)
                assert one.render("state", chosen, attrs) == one.render("state", chosen, attrs) == expected
                assert "<script>" not in expected
                written.add(expected)
    assert len(written) == (24 if kind is OpenSelect else 20)


@pytest.mark.parametrize("value", ["", None, "a <b> & 'c'", 7, mark_safe("&lt;b&gt;")])
@pytest.mark.parametrize(
    "widget",
    [forms.TextInput, forms.NumberInput, forms.EmailInput, forms.PasswordInput, forms.HiddenInput, forms.CheckboxInput],
)
def test_an_input_is_written_as_django_writes_it(widget: type[forms.Widget], value: object) -> None:
    one = widget(attrs={"placeholder": "<any>", "required": True, "disabled": False, "maxlength": 20})
    of_form = forms.Form().renderer
    assert one.render("name", value, renderer=of_form) == one.render("name", value, renderer=DjangoTemplates())
