"""Services of APIs: add, change, enable for accounts. An API is an OpenAPI document and a policy, shared by all
accounts."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.db import connection, transaction
from django.db.models import F

from accounts.models import Account
from audit.trail.events import Target
from audit.trail.record import record
from core.actor import Actor
from core.authorization import require
from core.permissions import Permission
from keys.apis.description import Description, get_preset, list_preset_slugs
from keys.apis.difference import Difference, get_difference
from keys.apis.request_link import find_request_link_problem
from keys.apis.stored_modules import store_modules
from keys.models import Api, Enablement, Key


class IncompatibleChange(ValueError):
    """The API's setting is invalid, or existing keys do not allow the change; the text names the value and what would
    be valid."""


class EditConflict(Exception):
    """The API or its keys changed after the preview, so the change would have other effects than those shown."""


@transaction.atomic
def install_presets() -> None:
    """Add the presets that are missing. Existing ones are left alone: they may have been edited."""
    with connection.cursor() as cursor:
        # If two nodes migrate at once, the second waits here and finds the presets installed.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('keys.apis.install_presets', 0))")
    existing = set(Api.objects.values_list("slug", flat=True))
    for slug in list_preset_slugs():
        if slug not in existing:
            add(slug=slug, description=get_preset(slug), by=Actor.from_command("migrate"))


@transaction.atomic
def add(*, slug: str, description: Description, by: Actor) -> Api:
    """Add an API with its modules and routes, and return it. Raise Denied, ConfirmationRequired."""
    require(by, Permission.APIS_CHANGE, account=None)
    by.spend_confirmation("api.add", slug)
    api = Api.objects.create(slug=slug, name=description.name, document=description.document, policy=description.rules)
    store_modules(api, description)
    record(
        "api.added",
        by=by,
        account_id=None,
        target=Target("api", api.slug, api.name),
        modules=[module.slug for module in description.modules],
        routes=[route.text for module in description.modules for route in module.routes],
    )
    return api


@transaction.atomic
def update(*, api: Api, description: Description, by: Actor, previewed: Difference | None = None) -> Difference:
    """Change the API's document and policy, and return the difference.

    Modules are identified by their slugs, so that keys keep their grants. A removed module is revoked from every key
    that had it: such a key has fewer modules, possibly none, and never more. `previewed` is the difference that the
    user was shown. Raise Denied, ConfirmationRequired, IncompatibleChange, or EditConflict if the difference is no
    longer the previewed one.
    """
    require(by, Permission.APIS_CHANGE, account=None)
    by.spend_confirmation("api.change", api.slug)
    api = Api.objects.select_for_update().get(pk=api.pk)
    found = get_difference(api, description)
    if previewed is not None and previewed != found:
        raise EditConflict(f"{api.name} or its keys have changed in the meantime. Review the changes again.")
    require_compatible(api, description, found.keys)
    if not found.changes:
        return found
    api.name, api.document, api.policy = description.name, description.document, description.rules
    api.save(update_fields=["name", "document", "policy"])
    stripped = list(
        Key.objects.select_for_update(of=("self",), no_key=True)
        .filter(api=api, modules__slug__in=found.removed)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    # So that a form of one of these keys that is open now gets an edit conflict.
    Key.objects.filter(pk__in=stripped).update(version=F("version") + 1)
    store_modules(api, description)
    for account in (None, *found.accounts):
        keys = [str(key) for key in found.impacts if account in (None, key.account_id)]
        target = Target("api", api.slug, api.name)
        record("api.changed", by=by, account_id=account, target=target, changes=found.changes, keys=keys)
    return found


@transaction.atomic
def set_request_link(*, api: Api, link: str, by: Actor) -> Api:
    """Set the base URL of the API and return the API. Empty: use that of the policy or the document.

    Raise Denied, ConfirmationRequired, IncompatibleChange.
    """
    require(by, Permission.APIS_CHANGE, account=None)
    by.spend_confirmation("api.request_link", api.slug)
    link = link.strip().rstrip("/")
    if link and (problem := find_request_link_problem(link)):
        raise IncompatibleChange(f"{link!r} {problem}")
    api = Api.objects.select_for_update().defer("document").get(pk=api.pk)
    before, api.request_link = api.request_link, link
    if before == link:
        return api
    api.save(update_fields=["request_link"])
    using = Key.objects.filter(api=api, deleted_at=None).order_by("account").values_list("account", flat=True)
    changes = {"request_link": [before or None, link or None]}
    for account in (None, *using.distinct()):
        target = Target("api", api.slug, api.name)
        record("api.request_link_changed", by=by, account_id=account, target=target, changes=changes)
    return api


def require_compatible(api: Api, description: Description, keys: int) -> None:
    """Raise IncompatibleChange if existing keys do not allow it: how secrets are stored and keys are named is fixed."""
    old, new = api.policy, description.policy
    for word, before, after in (
        ("secret", old.get("secret"), new.secret),
        ("name_kind", old.get("name_kind", "text"), new.name_kind),
        ("credentials", "signature" in old.get("credentials", ()), new.signs),
    ):
        if keys and before != after:
            values = (old.get("credentials"), list(new.credentials)) if word == "credentials" else (before, after)
            raise IncompatibleChange(
                f"{word}: {values[0]!r} cannot become {values[1]!r} while there are keys of {api.name} ({keys}). "
                "Delete them first, or add the API under another slug."
            )


@transaction.atomic
def enable(*, api: Api, account: Account, by: Actor) -> bool:
    """Allow the account to have keys of the API. Return whether it was not allowed before."""
    return bool(enable_all(apis=[api], account=account, by=by))


@transaction.atomic
def enable_all(*, apis: Collection[Api], account: Account, by: Actor) -> list[Api]:
    """Allow the account to have keys of these APIs, with one confirmation. Return those that were not allowed
    before."""
    require(by, Permission.APIS_CHANGE, account=account)
    by.spend_confirmation("api.enable", get_enable_target(account.slug, [api.slug for api in apis]))
    new = []
    for api in sorted(apis, key=lambda api: api.slug):
        _, created = Enablement.objects.get_or_create(account=account, api=api)
        if created:
            target = Target("api", api.slug, api.name)
            record("api.enabled", by=by, account_id=account.pk, target=target, account=account.slug)
            new.append(api)
    return new


def get_enable_target(account: str, apis: Iterable[str]) -> str:
    """Return the target that a confirmation of enabling these APIs is bound to, from slugs."""
    return f"{account}/{','.join(sorted(apis))}"
