"""Template tag for the old secret on a key's page."""

from __future__ import annotations

from django import template

from keys.models import Key
from keys.selectors.old_secret import OldSecret, OldSecretUse, read_key_secret_usage, summarise_old_secret_use
from keys.selectors.old_secret import get_old_secret as old_secret_of

register = template.Library()


@register.simple_tag
def old_secret(key: Key) -> OldSecret | None:
    return old_secret_of(key)


@register.simple_tag
def old_secret_use(key: Key, old: OldSecret) -> OldSecretUse | None:
    usage = read_key_secret_usage(key)
    return summarise_old_secret_use(key, old, usage) if usage else None
