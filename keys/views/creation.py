"""Adding a key: the form, and the one answer that shows its token."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from accounts.access import SignedIn, needs
from accounts.permissions import Permission
from accounts.policy import require_active
from keys.apis.policy import Policy
from keys.forms import CreateForm
from keys.policy import apis_of
from keys.services import AlreadyCreated, Invalid, create
from keys.views.pages import account_of, answer, confirmed, posted


@needs(Permission.KEYS_CHANGE)
@require_http_methods(["GET", "HEAD", "POST"])
def key_new(request: SignedIn) -> HttpResponse:
    account = account_of(request)
    require_active(account)
    apis, slug = list(apis_of(request.user)), request.GET.get("api", "")
    chosen = [api for api in apis if api.slug == slug or (not slug and len(apis) == 1)]
    if not chosen:
        return answer(request, "choose", {"apis": apis, "unknown": slug}, 404 if slug else 200)
    api = chosen[0]
    rules = Policy.read(api.policy)
    form = CreateForm(posted(request), account=account, rules=rules, modules=api.modules.order_by("position"))
    form.ask(request.user, "key.create", str(form["form_token"].value()))
    context = {"form": form, "api": api, "rules": rules}
    if form.is_valid():
        token = form.cleaned_data["form_token"]
        by = confirmed(request, form)
        try:
            if by:
                made = create(
                    account=account,
                    api=api,
                    terms=form.terms,
                    enabled=form.cleaned_data["enabled"],
                    form_token=token,
                    by=by,
                )
                return answer(request, "created", context | {"key": made.key, "token": made.token})
        except AlreadyCreated as already:
            return answer(request, "already", context | {"key": already.key}, 409)
        except Invalid as problem:
            form.refuse(problem)
    return answer(request, "new", context, 422 if request.method == "POST" else 200)
