"""Helpers shared by the key pages: load a key or answer 404, build form options, confirm actions, find the way back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Lower
from django.http import Http404
from django.urls import reverse

from accounts.forms.confirm import ConfirmForm
from accounts.models import Account, User
from accounts.selectors import list_users
from core.actor import Actor
from core.authorization import check_active, has_permission
from core.back_links import format_row_id, get_return_url
from core.page_guard import SignedIn
from core.pages import own_account
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.docs.abilities import get_abilities
from keys.docs.documentation import get_row_version, load_documentation
from keys.docs.granted import load_api_modules
from keys.forms.options import KeyFormOptions
from keys.models import Api, Key
from keys.selectors.keys import with_own_columns, with_page_relations, with_settings_relations
from keys.visibility import get_visible_ip_lists, get_visible_keys


def can_change_keys(request: SignedIn) -> bool:
    """Return whether the user may change keys of an account that is active now."""
    return has_permission(request.user, Permission.KEYS_CHANGE) and own_account(request).status == Account.Status.ACTIVE


def get_key_or_404(request: SignedIn, public_id: str) -> Key:
    """Return the key if the user may see it. Raise Http404 for deleted keys and those of other accounts."""
    return _get_or_404(with_page_relations(get_visible_keys(request.user)), public_id)


def get_key_alone_or_404(request: SignedIn, public_id: str) -> Key:
    """Return the key as get_key_or_404 does, without its modules and addresses."""
    key = _get_or_404(with_own_columns(get_visible_keys(request.user)), public_id)
    key.account = own_account(request)
    return key


def get_changeable_key_or_404(request: SignedIn, public_id: str) -> Key:
    """Return the key as get_key_or_404 does. Raise AccountNotActive unless the account is active."""
    key = get_key_or_404(request, public_id)
    check_active(own_account(request))
    return key


def get_key_to_edit_or_404(request: SignedIn, public_id: str) -> Key:
    """Return the key as get_changeable_key_or_404 does, with its settings alone, which is what forms with all settings
    show."""
    key = _get_or_404(with_settings_relations(get_visible_keys(request.user)), public_id)
    key.account = own_account(request)
    check_active(key.account)
    return key


def _get_or_404(keys: QuerySet[Key], public_id: str) -> Key:
    key = keys.filter(public_id=public_id).first()
    if key is None:
        raise Http404("Key not found.")
    return key


@contextmanager
def raise_404_if_deleted() -> Iterator[None]:
    """Raise Http404 if the key is deleted between loading and locking it."""
    try:
        yield
    except Key.DoesNotExist as gone:
        raise Http404("The key has been deleted in the meantime.") from gone


def build_form_options(request: SignedIn, api: Api, rules: Policy) -> KeyFormOptions:
    """Return the choices of a form about a key of this API."""
    account, version = own_account(request), get_row_version(api)
    modules = load_api_modules(api.pk, version)
    return KeyFormOptions(
        account=account,
        api=api,
        rules=rules,
        modules=modules,
        abilities=get_abilities(load_documentation(api.pk, version), modules),
        ip_lists=list(get_visible_ip_lists(request.user).order_by(Lower("name"), "pk")),
        owners=list(list_active_users(account)) if rules.name_kind == "owner" else (),
    )


def get_done_url(request: SignedIn, public_id: str) -> str:
    """Return where to go after an action on a key: the list or call it was started from, or the key's page."""
    if request.GET.get("from") == "unused":
        return reverse("unused")
    if request_id := get_origin_call(request):
        return reverse("log-detail", args=[request_id])
    return get_return_url(
        request, reverse("key-list"), reverse("key-detail", args=[public_id]), format_row_id("key", public_id)
    )


def get_origin_call(request: SignedIn) -> UUID | None:
    """Return the request ID in `?call=`, the call from whose page an action was started; None if there is none."""
    try:
        return UUID(request.GET.get("call", ""))
    except ValueError:
        return None


def list_active_users(account: Account) -> QuerySet[User]:
    """Return the account's active users, who may own keys."""
    return list_users(account).filter(is_active=True).order_by("nickname", "pk")


def get_confirmed_actor(request: SignedIn, form: ConfirmForm) -> Actor | None:
    """Return the actor with the confirmation that the form asked for; None if it was refused, with a form error."""
    return form.get_confirmed_actor(request.user, request.actor)
