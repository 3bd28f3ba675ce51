"""APIs: an OpenAPI document and a policy for its keys, installation-wide, enabled for each account."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from django.db import connection, transaction

from accounts.models import Account
from accounts.permissions import Permission
from accounts.policy import require
from audit.actor import Actor
from audit.events import Target
from audit.record import record
from keys.apis.document import modules_of
from keys.apis.policy import Policy
from keys.models import Api, Enablement, Module, Route

PRESETS = Path(__file__).resolve().parent.parent / "presets"


@transaction.atomic
def install_presets() -> None:
    """Add each preset that is not there yet: `<slug>.openapi.yaml` beside `<slug>.policy.yaml`."""
    by = Actor.command("migrate")
    with connection.cursor() as cursor:
        # Of two nodes that migrate at once, the second waits and finds them there.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('keys.apis.install_presets', 0))")
    for path in sorted(PRESETS.glob("*.policy.yaml")):
        slug = path.name.removesuffix(".policy.yaml")
        if not Api.objects.filter(slug=slug).exists():
            document = yaml.safe_load((PRESETS / f"{slug}.openapi.yaml").read_text(encoding="utf-8"))
            add(slug=slug, document=document, rules=yaml.safe_load(path.read_text(encoding="utf-8")), by=by)


@transaction.atomic
def add(*, slug: str, document: Mapping[str, Any], rules: Mapping[str, Any], by: Actor) -> Api:
    """Add an API. `rules` are its policy's JSON. Raises BadDocument or BadPolicy."""
    require(by, Permission.APIS_CHANGE, account=None)
    by.spend_confirmation("api.add", slug)
    Policy.read(rules)
    modules = modules_of(document)
    api = Api.objects.create(slug=slug, name=document["info"]["title"], document=document, policy=rules)
    for position, found in enumerate(modules):
        module = Module.objects.create(api=api, slug=found.slug, name=found.name, position=position)
        Route.objects.bulk_create(Route(module=module, method=method, template=path) for method, path in found.routes)
    record(
        "api.added",
        by=by,
        account_id=None,
        target=Target("api", api.slug, api.name),
        modules=[module.slug for module in modules],
        routes=[f"{method} {path}" for module in modules for method, path in module.routes],
    )
    return api


@transaction.atomic
def enable(*, api: Api, account: Account, by: Actor) -> None:
    """Let the account have keys of the API."""
    require(by, Permission.APIS_CHANGE, account=account)
    by.spend_confirmation("api.enable", f"{account.slug}/{api.slug}")
    _, new = Enablement.objects.get_or_create(account=account, api=api)
    if new:
        target = Target("api", api.slug, api.name)
        record("api.enabled", by=by, account_id=account.pk, target=target, account=account.slug)
