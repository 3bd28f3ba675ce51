"""Render the stored document and policy as files to read, edit and import again.

The database keeps neither order nor comments, so names are sorted in the order that people usually write.
keys.apis.yaml_loader parses the result to exactly the same value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from keys.apis.policy import Policy
from keys.apis.yaml_loader import is_text

# Larger files are written as JSON: YAML would take seconds.
MAX_YAML_CHARACTERS = 500_000

_DOCUMENT_ORDER = (
    *("openapi", "info", "title", "version", "name", "in", "url", "summary", "description", "required"),
    *(
        "jsonSchemaDialect",
        "servers",
        "tags",
        "security",
        "paths",
        "webhooks",
        "components",
        "parameters",
        "get",
        "put",
        "post",
    ),
    *("delete", "options", "head", "patch", "trace", "operationId", "deprecated", "requestBody", "responses", "schema"),
    *("type", "format", "enum", "default", "properties", "items"),
)
_POLICY_ORDER = (
    *Policy.__dataclass_fields__,
    *("tag", "slug", "number", "label", "kind", "required", "choices", "value", "contains", "routes"),
)


class _Dumper(yaml.CSafeDumper):
    """Write texts that YAML 1.2 would read as other types in quotes, and texts with line ends as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: Any, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None if is_text(text) else '"'
    node: yaml.Node = dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)
    return node


_Dumper.add_representer(str, _represent_text)


def render_document(document: Mapping[str, Any]) -> str:
    """Return the OpenAPI document as YAML, or as JSON if it is large."""
    return _render(_sort_names(document, _DOCUMENT_ORDER))


def render_policy(rules: Mapping[str, Any]) -> str:
    """Return the policy as YAML."""
    return _render(_sort_names(rules, _POLICY_ORDER))


def get_file_name(slug: str, kind: str, text: str) -> str:
    """Return the file's name in the form of the presets': `billing.policy.yaml`."""
    return f"{slug}.{kind}.{'json' if text.startswith('{') else 'yaml'}"


def _render(value: Any) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    # In YAML a name << is a merge key, quoted or not.
    if len(text) > MAX_YAML_CHARACTERS or '"<<"' in text:
        return text
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))


def _sort_names(value: Any, order: tuple[str, ...]) -> Any:
    """Return the value with the names of every mapping in this order, all others after them by name."""
    places = {name: place for place, name in reversed(list(enumerate(order)))}

    def sort(value: Any) -> Any:
        if isinstance(value, Mapping):
            names = sorted(value, key=lambda name: (places.get(name, len(order)), name))
            return {name: sort(value[name]) for name in names}
        return [sort(item) for item in value] if isinstance(value, list) else value

    return sort(value)
