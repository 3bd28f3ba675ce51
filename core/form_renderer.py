"""Render the form widgets that pages have many of in Python: Django includes two templates for each option of a select
and one for the attributes of each input, which took a quarter of the time of a page with filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.forms.renderers import TemplatesSetting
from django.utils.html import conditional_escape as escape
from django.utils.safestring import SafeString


class FormRenderer(TemplatesSetting):
    """Django's renderer of forms with the project's templates, but for inputs and selects."""

    def render(self, template_name: str, context: Mapping[str, Any], request: Any = None) -> str:
        if render_widget := WIDGETS.get(template_name):
            return SafeString(render_widget(context["widget"]))
        return super().render(template_name, dict(context), request)


def render_attributes(attributes: Mapping[str, Any]) -> str:
    """Return the attributes with a space before each, as Django's template does: True has no value, False is left
    out."""
    return "".join(
        f" {escape(name)}" if value is True else f' {escape(name)}="{escape(str(value))}"'
        for name, value in attributes.items()
        if value is not False
    )


def render_input(widget: Mapping[str, Any]) -> str:
    value = "" if widget["value"] is None else f' value="{escape(str(widget["value"]))}"'
    names = f'type="{escape(widget["type"])}" name="{escape(widget["name"])}"'
    return f"<input {names}{value}{render_attributes(widget['attrs'])}>"


def render_select(widget: Mapping[str, Any]) -> str:
    groups = []
    for group, options, _ in widget["optgroups"]:
        rendered = "".join(
            f'\n  <option value="{escape(str(option["value"]))}"{render_attributes(option["attrs"])}>'
            f"{escape(option['label'])}</option>"
            for option in options
        )
        groups.append(f'\n  <optgroup label="{escape(group)}">{rendered}\n  </optgroup>' if group else rendered)
    attributes = render_attributes(widget["attrs"])
    return f'<select name="{escape(widget["name"])}"{attributes}>{"".join(groups)}\n</select>'


INPUTS = ("input", "text", "number", "email", "url", "password", "hidden", "date", "datetime", "time", "checkbox")
WIDGETS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    **{f"django/forms/widgets/{name}.html": render_input for name in INPUTS},
    "django/forms/widgets/select.html": render_select,
}
