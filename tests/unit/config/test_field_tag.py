"""The tag that renders many fields of a form."""

from __future__ import annotations

from typing import Any

from django import forms
from django.template import Context, engines

from core.templatetags import lists


class Form(forms.Form):
    name = forms.CharField(label="Name & more")
    place = forms.CharField(required=False)
    kind = forms.ChoiceField(choices=[("", "Any"), ("<b>", "<b>")], required=False)
    note = forms.CharField(required=False, help_text="At most a line.")
    number = forms.IntegerField(required=False)
    agreed = forms.BooleanField(required=False)
    secret = forms.CharField(widget=forms.PasswordInput, required=False)
    ways = forms.MultipleChoiceField(choices=[("a", "A")], widget=forms.CheckboxSelectMultiple, required=False)
    hidden = forms.CharField(widget=forms.HiddenInput, required=False)


def render(source: str, form: forms.Form) -> str:
    template = engines["django"].engine.from_string("{% load fields %}" + source)  # type: ignore[attr-defined]
    return str(template.render(Context({"form": form})))


def test_fields_are_rendered_as_the_template_renders_each() -> None:
    one_by_one = "{% for field in form %}{% include 'components/field.html' %}{% endfor %}"
    sent: tuple[dict[str, Any] | None, ...] = (
        None,
        {},
        {"name": '"><script>', "kind": "<b>", "number": "many", "place": f"{lists.PLACEHOLDER}id-"},
    )
    for data in sent:
        expected = render(one_by_one, Form(data))
        assert render("{% fields form %}", Form(data)) == expected
        assert "Name &amp; more" in expected
        assert "<script>" not in expected
