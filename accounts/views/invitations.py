"""Pages to invite a user, withdraw an invitation and accept one."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts import services
from accounts.forms.users import AcceptForm, InviteForm
from accounts.models import Invitation
from accounts.services import Invalid, InvalidInvitation
from accounts.signin import rate_limits
from accounts.views.common import get_changeable_account
from core.actor import Actor
from core.back_links import get_return_url
from core.page_guard import SignedIn, needs, public
from core.pages import get_form_data, get_form_status, render_dialog
from core.permissions import Permission

_methods = require_http_methods(["GET", "HEAD", "POST"])
# Of a primary key in a URL.
MAX_DIGITS = 18
TOO_MANY = "Too many invitations to this e-mail address or from your IP address. Try again in an hour."


@needs(Permission.USERS_CHANGE)
@_methods
def user_invite(request: SignedIn) -> HttpResponse:
    """Invite a user, and show the link to pass on. `?again=` fills in an earlier invitation. The response is the same
    whether the e-mail belongs to nobody or to a user of another account."""
    account = get_changeable_account(request)
    earlier = account.invitations.filter(pk=_get_number(request, "again")).first()
    initial = {"email": earlier.email, "roles": earlier.roles} if earlier else {}
    form = InviteForm(get_form_data(request), account=account, initial=initial)
    token = str(form["form_token"].value())
    form.set_action(request.user, "user.invite", token, services.build_account_target(account))
    by = form.get_confirmed_actor(request.user, request.actor) if form.is_valid() else None
    if by and not _is_within_limits(form.cleaned_data["email"], by):
        form.add_error("email", TOO_MANY)
    elif by:
        email, roles = form.cleaned_data["email"], form.cleaned_data["roles"]
        try:
            invitation = services.invite(account=account, email=email, roles=roles, form_token=token, by=by)
        except Invalid as problem:
            form.add_service_errors(problem)
        else:
            return render_dialog(request, "accounts/invited", "Invitation sent", invitation._asdict())
    context = {"form": form, "earlier": earlier}
    return render_dialog(request, "accounts/invite", "Invite user", context, get_form_status(request))


@needs(Permission.USERS_CHANGE)
@_methods
def invitation_withdraw(request: SignedIn, pk: int) -> HttpResponse:
    account = get_changeable_account(request)
    invitation = account.invitations.filter(pk=pk).first()
    if invitation is None:
        raise Http404("Invitation not found.")
    if request.method != "POST":
        return render_dialog(
            request,
            "accounts/invitation_withdraw",
            f"Withdraw invitation to {invitation.email}",
            {"invitation": invitation},
        )
    try:
        services.withdraw_invitation(invitation=invitation, by=request.actor)
    except Invitation.DoesNotExist as gone:
        raise Http404("The invitation has already been accepted or withdrawn.") from gone
    messages.success(request, f"Invitation to {invitation.email} withdrawn. Its link no longer works.")
    return redirect(get_return_url(request, reverse("user-list"), reverse("user-list")))


@public("whoever has the link is the one invited")
@_methods
def invitation_accept(request: HttpRequest, token: str) -> HttpResponse:
    """Show the invitation; a POST accepts it. A GET changes nothing, so that a mail scanner does not use up the
    link."""
    invitation = services.find_invitation(token)
    if invitation is None:
        return _render_invalid(request)
    form = AcceptForm(get_form_data(request), invitation=invitation)
    if form.is_valid() and not request.user.is_authenticated:
        try:
            services.accept_invitation(token=token, **form.cleaned_data, by=request.actor)  # type: ignore[attr-defined]
        except InvalidInvitation:
            return _render_invalid(request)
        except Invalid as problem:
            form.add_service_errors(problem)
        else:
            messages.success(request, f"Welcome to {invitation.account}. Sign in with your e-mail and password.")
            return redirect("account_login")
    context = {"invitation": invitation, "form": form}
    return _set_private_headers(render(request, "accounts/accept.html", context, status=get_form_status(request)))


def _render_invalid(request: HttpRequest) -> HttpResponse:
    """Return the page for a link that was used, withdrawn, has expired or never existed."""
    return _set_private_headers(render(request, "accounts/invitation_over.html", status=404))


def _set_private_headers(response: HttpResponse) -> HttpResponse:
    response.headers["Cache-Control"] = "no-store"
    # The URL is a secret until it is used.
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _get_number(request: SignedIn, name: str) -> int:
    """Return the number in the URL's query; 0 if there is none."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < MAX_DIGITS else 0


def _is_within_limits(email: str, by: Actor) -> bool:
    return rate_limits.count_mail(rate_limits.INVITATION, email, rate_limits.INVITATION_FROM_ADDRESS, by.address)
