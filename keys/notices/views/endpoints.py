"""Pages of webhook endpoints: Administrators change them, Auditors see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.forms.confirm import ConfirmForm
from accounts.services.locks import Invalid, build_account_target
from accounts.views.common import can_change_users, get_changeable_account
from core.actor import Actor
from core.page_guard import SignedIn, needs
from core.pages import get_form_data, get_form_status, own_account, render_dialog, render_page
from core.permissions import Permission
from keys.notices.forms import EndpointForm
from keys.notices.models import Delivery, Endpoint
from keys.notices.selectors import list_endpoints, list_latest_deliveries
from keys.notices.services import endpoints as services
from keys.notices.words import build_title

_methods = require_http_methods(["GET", "HEAD", "POST"])


@needs(Permission.USERS_CHANGE)
@_methods
def webhook_new(request: SignedIn) -> HttpResponse:
    account = get_changeable_account(request)
    form = EndpointForm(get_form_data(request), account=account)
    form.set_action(request.user, "webhook.add", account.slug, build_account_target(account))
    by = form.get_confirmed_actor(request.user, request.actor) if form.is_valid() else None
    try:
        if by:
            new = services.add_endpoint(account=account, url=form.cleaned_data["url"], by=by)
            return _render_secret(request, new, "Endpoint added")
    except Invalid as problem:
        form.add_service_errors(problem)
    return render_dialog(
        request, "keys/notices/endpoint_new", "Add webhook endpoint", {"form": form}, get_form_status(request)
    )


@needs(Permission.USERS_SEE)
@require_safe
def webhook_detail(request: SignedIn, pk: UUID) -> HttpResponse:
    endpoint = _get_endpoint_or_404(request, pk)
    context = {
        "endpoint": endpoint,
        "secrets": endpoint.secrets.order_by("-created_at"),
        "deliveries": [(build_title(each.notice.kind, 1), each) for each in list_latest_deliveries(endpoint)],
        "may_change": can_change_users(request),
    }
    return render_page(request, "keys/notices/endpoint", context)


@needs(Permission.USERS_CHANGE)
@_methods
def webhook_rotate(request: SignedIn, pk: UUID) -> HttpResponse:
    def rotate(endpoint: Endpoint, by: Actor) -> HttpResponse:
        return _render_secret(request, services.rotate_secret(endpoint=endpoint, by=by), "Secret rotated")

    return _confirm(request, pk, "rotate", "Rotate signing secret", rotate, action="webhook.rotate")


@needs(Permission.USERS_CHANGE)
@_methods
def webhook_enable(request: SignedIn, pk: UUID) -> HttpResponse:
    def enable(endpoint: Endpoint, by: Actor) -> HttpResponse:
        services.set_enabled(endpoint=endpoint, enabled=True, by=by)
        return _redirect(request, endpoint, f"{endpoint.host} is enabled.")

    return _confirm(request, pk, "enable", "Enable {host}", enable, action="webhook.enable")


@needs(Permission.USERS_CHANGE)
@_methods
def webhook_disable(request: SignedIn, pk: UUID) -> HttpResponse:
    def disable(endpoint: Endpoint, by: Actor) -> HttpResponse:
        services.set_enabled(endpoint=endpoint, enabled=False, by=by)
        return _redirect(request, endpoint, f"{endpoint.host} is disabled: no notices are sent there.")

    return _confirm(request, pk, "disable", "Disable {host}", disable)


@needs(Permission.USERS_CHANGE)
@_methods
def webhook_delete(request: SignedIn, pk: UUID) -> HttpResponse:
    def delete(endpoint: Endpoint, by: Actor) -> HttpResponse:
        services.delete_endpoint(endpoint=endpoint, by=by)
        messages.success(request, f"{endpoint.host} is deleted.")
        return redirect("notices")

    return _confirm(request, pk, "delete", "Delete {host}", delete)


@needs(Permission.USERS_CHANGE)
@require_POST
def webhook_test(request: SignedIn, pk: UUID) -> HttpResponse:
    endpoint = _get_changeable_endpoint_or_404(request, pk)
    try:
        with _raise_404_if_deleted():
            services.send_test(endpoint=endpoint, by=request.actor)
    except services.Disabled:
        return _redirect_disabled(request, endpoint)
    return _redirect(request, endpoint, "The test is sent within a minute. Its result appears below.")


@needs(Permission.USERS_CHANGE)
@require_POST
def webhook_send_again(request: SignedIn, pk: UUID, delivery: int) -> HttpResponse:
    endpoint = _get_changeable_endpoint_or_404(request, pk)
    found = Delivery.objects.filter(pk=delivery, endpoint=endpoint).select_related("endpoint__account", "notice")
    again = found.first()
    if again is None:
        raise Http404("Delivery not found.")
    try:
        with _raise_404_if_deleted():
            services.send_again(delivery=again, by=request.actor)
    except services.Disabled:
        return _redirect_disabled(request, endpoint)
    return _redirect(request, endpoint, "The notice is sent again within a minute.")


def _confirm(
    request: SignedIn,
    pk: UUID,
    verb: str,
    title: str,
    run: Callable[[Endpoint, Actor], HttpResponse],
    *,
    action: str = "",
) -> HttpResponse:
    """Ask before a change of the endpoint. Once it is confirmed, for an `action` with the password, run the change and
    return its response. The template is the verb's; {host} in the title is the endpoint's."""
    endpoint = _get_changeable_endpoint_or_404(request, pk)
    form = None
    by = request.actor if request.method == "POST" else None
    if action:
        form = ConfirmForm(get_form_data(request))
        form.set_action(request.user, action, str(endpoint.pk), services.build_endpoint_target(endpoint))
        by = form.get_confirmed_actor(request.user, request.actor) if form.is_valid() else None
    if by:
        with _raise_404_if_deleted():
            return run(endpoint, by)
    context, title = {"endpoint": endpoint, "form": form}, title.format(host=endpoint.host)
    return render_dialog(request, f"keys/notices/endpoint_{verb}", title, context, get_form_status(request))


def _render_secret(request: SignedIn, new: services.NewSecret, title: str) -> HttpResponse:
    """Show the secret, in the one response that does."""
    context = {"endpoint": new.endpoint, "secret": new.secret}
    return render_dialog(request, "keys/notices/endpoint_secret", title, context)


def _get_endpoint_or_404(request: SignedIn, pk: UUID) -> Endpoint:
    endpoint = list_endpoints(own_account(request)).filter(pk=pk).first()
    if endpoint is None:
        raise Http404("Webhook endpoint not found.")
    return endpoint


def _get_changeable_endpoint_or_404(request: SignedIn, pk: UUID) -> Endpoint:
    get_changeable_account(request)
    return _get_endpoint_or_404(request, pk)


@contextmanager
def _raise_404_if_deleted() -> Iterator[None]:
    try:
        yield
    except services.Deleted as gone:
        raise Http404("The webhook endpoint has been deleted in the meantime.") from gone


def _redirect(request: SignedIn, endpoint: Endpoint, message: str) -> HttpResponse:
    messages.success(request, message)
    return redirect("webhook-detail", endpoint.pk)


def _redirect_disabled(request: SignedIn, endpoint: Endpoint) -> HttpResponse:
    messages.error(request, f"{endpoint.host} is disabled, so nothing was sent. Enable it first.")
    return redirect("webhook-detail", endpoint.pk)
