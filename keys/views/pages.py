"""What the key pages share: how a key is found, how an action is confirmed, how a page or its fragment is answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Lower
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers

from accounts.access import SignedIn
from accounts.forms import ConfirmForm
from accounts.models import Account, User
from accounts.permissions import Permission
from accounts.policy import has, require_active
from accounts.returning import return_url, row_id
from accounts.selectors import people_of
from audit.actor import Actor
from keys.apis.policy import Policy
from keys.docs.abilities import abilities_of
from keys.docs.granted import of_api
from keys.key_form import Offer
from keys.models import Api, Key
from keys.policy import ip_lists_of, visible_to
from keys.selectors import for_page


def account_of(request: SignedIn) -> Account:
    """The user's account: only members of one may open these pages."""
    assert request.user.account is not None
    return request.user.account


def may_change(request: SignedIn) -> bool:
    """Whether the buttons that change keys are of use to this user, now."""
    return has(request.user, Permission.KEYS_CHANGE) and account_of(request).status == Account.Status.ACTIVE


def found(request: SignedIn, public_id: str) -> Key:
    """The key, if this user may see it; another account's or a deleted one is not there."""
    key = for_page(visible_to(request.user)).filter(public_id=public_id).first()
    if key is None:
        raise Http404("There is no such key.")
    return key


def found_to_change(request: SignedIn, public_id: str) -> Key:
    """As `found`; a pending or suspended account's keys are not changed."""
    key = found(request, public_id)
    require_active(account_of(request))
    return key


@contextmanager
def gone_is_not_found() -> Iterator[None]:
    """For a key that was deleted after it was found."""
    try:
        yield
    except Key.DoesNotExist as gone:
        raise Http404("The key was deleted in the meantime.") from gone


def offer(request: SignedIn, api: Api, rules: Policy) -> Offer:
    """What a form about a key of this API lets this user choose."""
    account, modules = account_of(request), of_api(api)
    return Offer(
        account=account,
        rules=rules,
        modules=modules,
        abilities=abilities_of(api.document, modules),
        ip_lists=list(ip_lists_of(request.user).order_by(Lower("name"), "pk")),
        owners=list(active_people(account)) if rules.name_kind == "owner" else (),
    )


def behind(request: SignedIn, public_id: str) -> str:
    """Return where an action on a key leads when it is done: the list that it was opened from, or the key's page."""
    return return_url(request, reverse("key-list"), reverse("key-detail", args=[public_id]), row_id("key", public_id))


def active_people(account: Account) -> QuerySet[User]:
    """Who may own a key."""
    return people_of(account).filter(is_active=True).order_by("nickname", "pk")


def posted(request: SignedIn) -> QueryDict | None:
    """What a form is bound to; an empty POST is a form with nothing filled in, not a fresh one."""
    return request.POST if request.method == "POST" else None


def status_of(request: SignedIn) -> int:
    """Of a page that shows a form: a form that was sent comes back because something in it is wrong."""
    return 422 if request.method == "POST" else 200


def confirmed(request: SignedIn, form: ConfirmForm) -> Actor | None:
    """The actor with consent to what the form asked; None if it was refused, and the form says so at the field."""
    return form.confirmed(request.user, request.actor)


def answer(request: SignedIn, name: str, context: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """The page `keys/<name>.html`, or for htmx and panels the fragment that it includes. Never stored: a page of keys
    that history brings back would be out of date, or hold a secret."""
    return _private(request, f"keys/_{name}.html" if request.htmx else f"keys/{name}.html", context, status)


def dialog(request: SignedIn, name: str, title: str, context: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """As `answer`, for what has no page of its own but this title: `keys/_<name>.html`."""
    fragment = f"keys/_{name}.html"
    template = fragment if request.htmx else "dialog.html"
    return _private(request, template, {**context, "title": title, "fragment": fragment}, status)


def _private(request: SignedIn, template: str, context: Mapping[str, Any], status: int) -> HttpResponse:
    response = render(request, template, dict(context), status=status)
    response.headers["Cache-Control"] = "no-store"
    patch_vary_headers(response, ["HX-Request"])
    return response
