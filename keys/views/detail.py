"""A key's own page."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from accounts.access import SignedIn, needs
from accounts.permissions import Permission
from accounts.policy import has
from keys.apis.policy import Field, Policy
from keys.models import Key
from keys.views.pages import account_of, answer, found, may_change


@needs(Permission.KEYS_SEE_OWN)
@require_safe
def key_detail(request: SignedIn, public_id: str) -> HttpResponse:
    key = found(request, public_id)
    rules = Policy.read(key.api.policy)
    return answer(
        request,
        "detail",
        {
            "key": key,
            "account": account_of(request),
            "may_change": may_change(request),
            "may_see_log": has(request.user, Permission.LOG_SEE),
            "rules": rules,
            "own": [(field.label, _shown(key, field), field.kind) for field in rules.fields],
        },
    )


def _shown(key: Key, field: Field) -> str:
    value = key.fields.get(field.slug, "")
    return {choice.slug: choice.label for choice in field.choices}.get(value, value)
