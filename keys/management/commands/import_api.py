"""`manage.py import_api`: add an API, or change it after showing the effects on its keys."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.text import slugify

from core.actor import Actor
from core.program import PROGRAM
from keys import apis
from keys.apis.description import BadDescription, Description
from keys.apis.difference import get_difference
from keys.apis.file_limits import UnreadableFile
from keys.apis.findings import FaultyFile, format_count, format_warnings
from keys.apis.proposal import format_proposal, propose_modules, render_with_proposal
from keys.apis.proxy_support import format_proxy_advice
from keys.models import Api


class Command(BaseCommand):
    help = (
        "Add an API from its OpenAPI document (3.0 or 3.1) and the policy of its keys, both YAML or JSON. If the API "
        "exists, show what would change for its keys, and change it after you answer Yes."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the OpenAPI document")
        parser.add_argument(
            "--policy", type=Path, required=True, help="the policy; docs/apis.md describes its settings"
        )
        parser.add_argument(
            "--slug", default="", help="slug, the name in URLs; default: the file's name before its first dot"
        )
        parser.add_argument("--strict", action="store_true", help="treat warnings about the document as errors")
        parser.add_argument(
            "--propose-modules",
            action="store_true",
            help="print the policy with modules by path for operations without a tag, and change nothing",
        )
        parser.add_argument("--yes", action="store_true", help="change the API without asking for confirmation")
        parser.add_argument("--dry-run", action="store_true", help="show what would be done, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options["slug"] or slugify(options["file"].name.partition(".")[0])
        if slug != slugify(slug) or not 1 <= len(slug) <= 64:
            raise CommandError(
                f"--slug {slug!r} is not 1 to 64 lowercase letters, digits and hyphens, such as billing."
            )
        try:
            description = Description.from_files(
                options["file"], options["policy"], strict=options["strict"], progress=self._report_progress
            )
            self._print_warnings(description)
            if advice := format_proxy_advice(description.policy, description.modules):
                self.stderr.write(advice, self.style.WARNING)
            proposed = propose_modules(description.document, description.policy, description.modules)
            if options["propose_modules"]:
                self.stdout.write(render_with_proposal(description.rules, proposed), ending="")
                return
            api = Api.objects.filter(slug=slug).first()
            if proposed:
                self.stdout.write(
                    f"{format_proposal(proposed, description.modules)} Use --propose-modules to print that policy."
                )
            if api is None:
                self._add(slug, description, options)
            else:
                self._change(api, description, options)
        except (UnreadableFile, FaultyFile, BadDescription, apis.IncompatibleChange, apis.EditConflict) as error:
            raise CommandError(str(error)) from error

    def _report_progress(self, stage: str) -> None:
        self.stderr.write(f"{stage} …", self.style.NOTICE)

    def _print_warnings(self, description: Description) -> None:
        """Print the faults of the document that the gateway tolerates."""
        warnings = description.warnings
        if warnings:
            self.stderr.write(f"{format_warnings(warnings.total)}:", self.style.WARNING)
        for line in warnings.list_lines():
            self.stderr.write(f"  {line}", self.style.WARNING)

    def _add(self, slug: str, description: Description, options: dict[str, Any]) -> None:
        for module in description.modules:
            number = "" if module.number is None else f", {module.number}"
            self.stdout.write(f"{module.slug} ({module.name}{number})")
            for route in module.routes:
                self.stdout.write(f"  {route.text}")
        if options["dry_run"]:
            self.stdout.write(f"Would add the API {slug} ({description.name}). Nothing was changed.")
            return
        routes = sum(len(module.routes) for module in description.modules)
        self._report_progress(f"Storing {format_count(routes, 'route')}")
        apis.add(slug=slug, description=description, by=Actor.from_command("import_api"))
        self.stdout.write(f"Added the API {slug} ({description.name}). Next: {PROGRAM} enable_api {slug} ACCOUNT")

    def _change(self, api: Api, description: Description, options: dict[str, Any]) -> None:
        found = get_difference(api, description)
        if not found.changes:
            self.stdout.write(f"The API {api.slug} is already up to date.")
            return
        for line in found.format_lines():
            self.stdout.write(line)
        apis.require_compatible(api, description, found.keys)
        if options["dry_run"]:
            self.stdout.write(f"Would change the API {api.slug}. Nothing was changed.")
            return
        if not options["yes"] and not self._ask_to_continue(api):
            raise CommandError("Nothing was changed: answer Yes, or use --yes.")
        apis.update(api=api, description=description, previewed=found, by=Actor.from_command("import_api"))
        self.stdout.write(f"Changed the API {api.slug}.")

    def _ask_to_continue(self, api: Api) -> bool:
        if not sys.stdin.isatty():
            return False
        return input(f"Change the API {api.slug}? Type Yes: ").strip() == "Yes"
