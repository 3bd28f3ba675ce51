"""The account's settings: Administrators change them, Auditors see them."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from accounts.forms.settings import SettingsForm, build_preview
from accounts.models import Account
from accounts.services import Invalid, build_account_target, change_settings
from accounts.views.common import can_change_users, get_changeable_account
from core.actor import ConfirmationRequired
from core.authorization import Denied, has_permission
from core.page_guard import SignedIn, needs
from core.pages import get_form_data, get_form_status, own_account, render_page
from core.permissions import Permission

ASK = "This reveals masked phone numbers, also in API calls, so it needs your confirmation."


@needs(Permission.USERS_SEE)
@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: SignedIn) -> HttpResponse:
    account = own_account(request)
    if request.method == "POST":
        if not has_permission(request.user, Permission.USERS_CHANGE):
            raise Denied(Permission.USERS_CHANGE)
        get_changeable_account(request)
    form = _form(request, account)
    if form.is_valid():
        by = form.get_confirmed_actor(request.user, request.actor) if form.has_confirmation else request.actor
        try:
            if by:
                change_settings(account=account, settings=form.settings, by=by)
                messages.success(request, "Settings saved.")
                return redirect("settings")
        except ConfirmationRequired:
            form.add_error("password", ASK)
        except Invalid as problem:
            form.add_service_errors(problem)
    return _page(request, account, form, get_form_status(request))


@needs(Permission.USERS_CHANGE)
@require_POST
def settings_preview(request: SignedIn) -> HttpResponse:
    """Show how phone numbers would look, without saving: a fragment for the script, else the whole page with the form
    as typed."""
    return _page(request, own_account(request), _form(request, own_account(request)), 200, preview_only=True)


def _form(request: SignedIn, account: Account) -> SettingsForm:
    form = SettingsForm(get_form_data(request), account=account)
    form.set_action(request.user, "settings.unmask", account.slug, build_account_target(account))
    return form


def _page(
    request: SignedIn, account: Account, form: SettingsForm, status: int, *, preview_only: bool = False
) -> HttpResponse:
    needs_password = form.is_bound and "password" in form.errors and not preview_only
    context = {
        "account": account,
        "form": form,
        "numbers": build_preview(form),
        "ask": needs_password,
        "may_change": can_change_users(request),
    }
    if preview_only and request.htmx:
        return render_page(request, "accounts/mask_preview", context)
    # The password is never sent back: without JavaScript its field is empty when the page is shown again.
    return render_page(request, "accounts/settings", context, status)
