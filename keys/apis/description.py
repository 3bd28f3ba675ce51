"""An API as its document and its policy describe it, checked as a whole, and the presets among them. No database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from keys.apis import document as documents
from keys.apis import reading
from keys.apis.modules import ModuleOf, modules_of
from keys.apis.policy import Policy

PRESETS = Path(__file__).resolve().parent.parent / "presets"


@dataclass(frozen=True, slots=True)
class Description:
    """A document that is valid, a policy that is consistent, and the modules that both make together."""

    document: Mapping[str, Any]
    rules: Mapping[str, Any]
    policy: Policy
    modules: tuple[ModuleOf, ...]

    @property
    def name(self) -> str:
        return " ".join(self.document["info"]["title"].split())

    @classmethod
    def of(cls, document: Any, rules: Any) -> Self:
        """Raises BadDocument or BadPolicy."""
        policy = Policy.read(rules)
        documents.check(document)
        return cls(document, rules, policy, modules_of(document, policy))

    @classmethod
    def read(cls, document: Path, policy: Path) -> Self:
        """Of two files, YAML or JSON. Raises Unreadable, BadDocument or BadPolicy."""
        return cls.of(reading.read(document), reading.read(policy))


def preset_slugs() -> list[str]:
    return sorted(path.name.removesuffix(".policy.yaml") for path in PRESETS.glob("*.policy.yaml"))


@cache
def preset(slug: str) -> Description:
    """`<slug>.openapi.yaml` with the `<slug>.policy.yaml` beside it. That they are valid OpenAPI is for the tests to
    show: it takes seconds, and every first start would pay for it."""
    document, rules = (reading.read(PRESETS / f"{slug}.{kind}.yaml") for kind in ("openapi", "policy"))
    policy = Policy.read(rules)
    return Description(document, rules, policy, modules_of(document, policy))
