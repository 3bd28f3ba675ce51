"""An API described by its document and policy, validated as a whole; and the presets. Uses no database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

from keys.apis import document_check, yaml_loader
from keys.apis.document import BadDocument, get_mapping
from keys.apis.file_limits import UnreadableFile
from keys.apis.findings import Findings, Report, format_count
from keys.apis.modules import ModuleSpec, build_modules
from keys.apis.policy import Policy
from keys.apis.policy_parsing import BadPolicy

PRESETS = Path(__file__).with_name("presets")
# The settings of a policy that name parts of the document.
DOCUMENT_SETTINGS = ("leave_out", "encoded_slash", "modules", "adds_leads", "recordings")


class BadDescription(ValueError):
    """Document and policy are both unreadable or faulty; `errors` has the error of each, by name."""

    def __init__(self, errors: Mapping[str, ValueError]) -> None:
        super().__init__("\n".join(map(str, errors.values())))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Description:
    """A valid document, a consistent policy, and the modules that they define.

    `warnings` are faults of the document that the gateway tolerates.
    """

    document: Mapping[str, Any]
    rules: Mapping[str, Any]
    policy: Policy
    modules: tuple[ModuleSpec, ...]
    warnings: Report = field(default_factory=Report)

    @property
    def name(self) -> str:
        return " ".join(self.document["info"]["title"].split())

    @classmethod
    def from_data(
        cls,
        document: Any,
        rules: Any,
        *,
        text: str | None = None,
        rules_text: str | None = None,
        strict: bool = False,
    ) -> Self:
        """Return the description of a parsed document and policy.

        `text` and `rules_text` are their sources, for line numbers; with `strict`, every warning is an error. Raise
        BadDocument, BadPolicy, or BadDescription with both.
        """
        faults, warnings = Findings(), Report()
        errors: dict[str, ValueError] = {}
        modules: tuple[ModuleSpec, ...] = ()
        policy = Policy.parse(rules, faults)
        try:
            findings = document_check.check_document(document, policy.leave_out)
            # What the policy says about the document is checked if that part of it is right by itself.
            if faults.list_names().isdisjoint(DOCUMENT_SETTINGS):
                modules = build_modules(document, policy, findings, faults)
            warnings = document_check.build_report(findings, text, strict=strict)
        except BadDocument as error:
            errors["document"] = error
        if faults:
            errors["policy"] = BadPolicy(faults.build_report(rules_text))
        _raise_any(errors)
        return cls(document, rules, policy, modules, warnings)

    @classmethod
    def from_files(
        cls, document: Path, policy: Path, *, strict: bool = False, progress: Callable[[str], None] = lambda stage: None
    ) -> Self:
        """Return the description of two files, YAML or JSON.

        Raise UnreadableFile, BadDocument, BadPolicy, or BadDescription with both files' errors.
        """
        errors: dict[str, ValueError] = {}
        text = rules_text = ""
        value = rules = None
        try:
            rules_text = yaml_loader.read_file_text(policy)
            rules = yaml_loader.parse_file_text(policy, rules_text)
        except UnreadableFile as error:
            errors["policy"] = error
        try:
            text = yaml_loader.read_file_text(document)
            progress(f"Reading {document.name}, {len(text) / 1_000_000:,.1f} MB")
            value = yaml_loader.parse_file_text(document, text, progress)
            progress(f"Checking {format_count(len(get_mapping(value, 'paths')), 'path')}")
        except UnreadableFile as error:
            errors["document"] = error
        if errors:
            errors |= find_error("policy", rules, rules_text) if "policy" not in errors else {}
            errors |= find_error("document", value, text) if "document" not in errors else {}
        _raise_any(errors)
        return cls.from_data(value, rules, text=text, rules_text=rules_text, strict=strict)


def find_error(name: str, value: Any, text: str | None) -> dict[str, ValueError]:
    """Return the error of a document or a policy that is checked by itself, by its name, because the other is
    unreadable."""
    try:
        if name == "policy":
            Policy.from_data(value, text)
        else:
            document_check.build_report(document_check.check_document(value), text)
    except (BadDocument, BadPolicy) as error:
        return {name: error}
    return {}


def _raise_any(errors: Mapping[str, ValueError]) -> None:
    if errors:
        raise next(iter(errors.values())) if len(errors) == 1 else BadDescription(errors)


def list_preset_slugs() -> list[str]:
    return sorted(path.name.removesuffix(".policy.yaml") for path in PRESETS.glob("*.policy.yaml"))


@cache
def get_preset(slug: str) -> Description:
    """Return the preset of `<slug>.openapi.yaml` and `<slug>.policy.yaml`.

    The document is not validated here: tests do that, because it takes seconds and every first start would repeat it.
    """
    document, rules = (yaml_loader.load_file(PRESETS / f"{slug}.{kind}.yaml") for kind in ("openapi", "policy"))
    policy = Policy.from_data(rules)
    return Description(document, rules, policy, build_modules(document, policy, Findings(), Findings()))
