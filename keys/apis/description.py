"""An API described by its document and policy, validated as a whole; and the presets. Uses no database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from keys.apis import document_check, yaml_loader
from keys.apis.document import get_mapping
from keys.apis.file_limits import UnreadableFile
from keys.apis.findings import Finding, Findings
from keys.apis.modules import ModuleSpec, build_modules
from keys.apis.policy import Policy
from keys.apis.policy_parsing import BadPolicy

PRESETS = Path(__file__).with_name("presets")


@dataclass(frozen=True, slots=True)
class Description:
    """A valid document, a consistent policy, and the modules that they define.

    `warnings` are faults of the document that the gateway tolerates, `omitted` the number of further ones.
    """

    document: Mapping[str, Any]
    rules: Mapping[str, Any]
    policy: Policy
    modules: tuple[ModuleSpec, ...]
    warnings: tuple[Finding, ...] = ()
    omitted: int = 0

    @property
    def name(self) -> str:
        return " ".join(self.document["info"]["title"].split())

    @classmethod
    def from_data(cls, document: Any, rules: Any, *, text: str | None = None, strict: bool = False) -> Self:
        """Return the description of a parsed document and policy.

        `text` is the document's source, for line numbers; with `strict`, every warning is an error. Raise BadDocument,
        BadPolicy.
        """
        policy = Policy.from_data(rules)
        findings = document_check.check_document(document, policy.leave_out)
        modules: tuple[ModuleSpec, ...] = ()
        problem = None
        try:
            modules = build_modules(document, policy, findings)
        except BadPolicy as error:
            # What is wrong with the document may be why, so that it is said first.
            problem = error
        warnings, omitted = document_check.list_warnings(findings, text, strict=strict)
        if problem is not None:
            raise problem
        return cls(document, rules, policy, modules, warnings, omitted)

    @classmethod
    def from_files(
        cls, document: Path, policy: Path, *, strict: bool = False, progress: Callable[[str], None] = lambda stage: None
    ) -> Self:
        """Return the description of two files, YAML or JSON. Raise UnreadableFile, BadDocument, BadPolicy."""
        rules = yaml_loader.load_file(policy)
        text = yaml_loader.read_file_text(document)
        progress(f"Reading {document.name}, {len(text) / 1_000_000:,.1f} MB")
        try:
            value = yaml_loader.parse(text, progress)
        except UnreadableFile as error:
            raise UnreadableFile(f"{document}: {error}") from error
        paths = get_mapping(value, "paths")
        progress(f"Checking {len(paths):,} path{'' if len(paths) == 1 else 's'}")
        return cls.from_data(value, rules, text=text, strict=strict)


def list_preset_slugs() -> list[str]:
    return sorted(path.name.removesuffix(".policy.yaml") for path in PRESETS.glob("*.policy.yaml"))


@cache
def get_preset(slug: str) -> Description:
    """Return the preset of `<slug>.openapi.yaml` and `<slug>.policy.yaml`.

    The document is not validated here: tests do that, because it takes seconds and every first start would repeat it.
    """
    document, rules = (yaml_loader.load_file(PRESETS / f"{slug}.{kind}.yaml") for kind in ("openapi", "policy"))
    policy = Policy.from_data(rules)
    return Description(document, rules, policy, build_modules(document, policy, Findings()))
