"""Helpers shared by the pages of IP lists: load a list or answer 404, and run a service for a form."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from django.db.models import QuerySet
from django.http import Http404, QueryDict

from accounts.forms.users import ServiceErrorForm
from accounts.models import Account
from core.actor import Actor, ConfirmationRequired
from core.authorization import check_active
from core.page_guard import SignedIn
from core.pages import own_account
from keys.ip_lists.forms import OptionalConfirmForm
from keys.ip_lists.importing import ImportPreview
from keys.ip_lists.selectors import with_counts, with_use
from keys.key_settings import Invalid
from keys.models import IpList, IpListEntry
from keys.selectors.replay import replay_ip_list
from keys.views.common import get_confirmed_actor
from keys.views.effects import ChangeEffect
from keys.visibility import get_visible_ip_lists

if TYPE_CHECKING:
    from keys.ip_lists.selectors import CountedList, UsedList

# With one annotation or another.
Listed = TypeVar("Listed", bound=IpList)
CONFIRMATION_NEEDED = "Keys use this list and this change allows more addresses, so confirm with your password."


def get_ip_list_or_404(request: SignedIn, pk: int) -> CountedList:
    """Return the list if the user may see it. Raise Http404 for lists of other accounts."""
    return _get_or_404(with_counts(get_visible_ip_lists(request.user)).select_related("account"), pk)


def get_ip_list_to_change_or_404(request: SignedIn, pk: int) -> CountedList:
    """Return the list as get_ip_list_or_404 does. Raise AccountNotActive unless the account is active."""
    ip_list = get_ip_list_or_404(request, pk)
    check_active(ip_list.account)
    return ip_list


def get_list_of_entry_or_404(request: SignedIn, pk: int) -> UsedList:
    """Return the list that an entry is added to or changed in. Raise Http404 for lists of other accounts, and
    AccountNotActive unless the account is active."""
    ip_list = _get_or_404(with_use(get_visible_ip_lists(request.user)), pk)
    check_active(own_account(request))
    return ip_list


def _get_or_404(lists: QuerySet[Listed], pk: int) -> Listed:
    ip_list = lists.filter(pk=pk).first()
    if ip_list is None:
        raise Http404("IP list not found.")
    return ip_list


def get_disabled_reason(request: SignedIn) -> str:
    """Return why lists cannot be changed now; empty if they can."""
    status = own_account(request).status
    return "" if status == Account.Status.ACTIVE else f"The account is {status}: its IP lists cannot be changed."


@contextmanager
def raise_404_if_deleted() -> Iterator[None]:
    """Raise Http404 if the list or entry is deleted between loading and locking it."""
    try:
        yield
    except (IpList.DoesNotExist, IpListEntry.DoesNotExist) as gone:
        raise Http404("The IP list or its entry has been deleted in the meantime.") from gone


def run_service(request: SignedIn, form: ServiceErrorForm, service: Callable[[Actor], Any]) -> bool:
    """Run the service, and return whether it succeeded; add its errors to the form."""
    by: Actor | None = request.actor
    if isinstance(form, OptionalConfirmForm) and form.has_confirmation:
        by = get_confirmed_actor(request, form)
    if by is None:
        return False
    try:
        with raise_404_if_deleted():
            service(by)
    except ConfirmationRequired:
        form.add_error("password", CONFIRMATION_NEEDED)
    except Invalid as problem:
        form.add_service_errors(problem)
    return not form.errors


def needs_confirmation(form: OptionalConfirmForm, needed: object) -> bool:
    """Make the form's confirmation required if it is needed, and return whether it is."""
    form.fields["password"].required = bool(needed)
    return bool(needed)


def find_import_effect(
    ip_list: CountedList, preview: ImportPreview, params: QueryDict, log: str = ""
) -> ChangeEffect | None:
    """Replay the import over the calls of all keys that use the list; None if it changes nothing for them. It can only
    admit more, so nothing has to be accepted. `log` is the page of the log that rows link to."""
    added = {entry.network for entry in preview.entries if entry.enabled}
    if not added or not ip_list.key_count:
        return None
    live = set(ip_list.entries.filter(enabled=True).values_list("network", flat=True))
    return ChangeEffect(replay_ip_list(ip_list, live | added), "", params, log=log)


def get_selected_ids(request: SignedIn, name: str) -> list[int]:
    """Return the primary keys selected in the list, from the URL; malformed values are ignored."""
    return [int(text) for text in request.GET.getlist(name) if re.fullmatch(r"[0-9]{1,18}", text)]
