"""Create a key, and show its token in the response to the POST."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from accounts.models import Account
from audit.trail.events import Target
from core.authorization import check_active
from core.page_guard import SignedIn, needs
from core.pages import get_form_data, get_form_status, own_account, render_dialog
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.forms.create_edit import CreateForm, build_duplicate
from keys.models import Key
from keys.selectors.first_steps import get_first_steps
from keys.selectors.keys import find_key_by_form_token
from keys.services import AlreadyCreated, Invalid, create
from keys.views.common import build_form_options, get_confirmed_actor, get_key_or_404
from keys.views.credential import build_credential
from keys.visibility import get_enabled_apis


@needs(Permission.KEYS_CHANGE)
@require_http_methods(["GET", "HEAD", "POST"])
def key_new(request: SignedIn) -> HttpResponse:
    account = own_account(request)
    check_active(account)
    like = get_key_or_404(request, request.GET["like"]) if "like" in request.GET else None
    apis, slug = list(get_enabled_apis(request.user)), like.api.slug if like else request.GET.get("api", "")
    selected = [api for api in apis if api.slug == slug or (not slug and len(apis) == 1)]
    if not selected:
        steps = get_first_steps(request.user, has_apis=bool(apis))
        choice = {"apis": apis, "unknown": slug, "first_steps": steps}
        return render_dialog(request, "keys/choose", "Add API key", choice, 404 if slug else 200)
    api = selected[0]
    rules = Policy.from_data(api.policy)
    initial = build_duplicate(like) if like else {}
    form = CreateForm(get_form_data(request), initial=initial, offer=build_form_options(request, api, rules))
    form.set_action(request.user, "key.create", str(form["form_token"].value()), Target("api", api.slug, api.name))
    context = {"form": form, "api": api, "rules": rules, "like": like}
    # Checked first: a form that was used before needs neither confirmation nor corrections.
    if key := _find_created_key(form, account):
        return render_dialog(request, "keys/already_created", "Already created", {"key": key}, 409)
    by = get_confirmed_actor(request, form) if form.is_valid() else None
    try:
        if by:
            new = create(
                account=account,
                api=api,
                key_settings=form.key_settings,
                owner=form.owner,
                enabled=form.cleaned_data["enabled"],
                form_token=form.cleaned_data["form_token"],
                new_list=form.requested_list,
                by=by,
            )
            context |= {
                "key": new.key,
                "credential": build_credential(new.key, rules, new.token),
                "warnings": form.warnings,
            }
            return render_dialog(request, "keys/created", f"{rules.noun[:1].upper()}{rules.noun[1:]} created", context)
    except AlreadyCreated as already:
        return render_dialog(request, "keys/already_created", "Already created", {"key": already.key}, 409)
    except Invalid as problem:
        form.add_service_errors(problem)
    title = f"Duplicate {like.name}" if like else f"Add {rules.noun}"
    return render_dialog(request, "keys/new", title, context, get_form_status(request))


def _find_created_key(form: CreateForm, account: Account) -> Key | None:
    if not form.is_bound:
        return None
    form.is_valid()
    token = form.cleaned_data.get("form_token")
    return find_key_by_form_token(token, account.pk) if token else None
