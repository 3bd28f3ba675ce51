"""Changing a key's terms."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from accounts.access import SignedIn, needs
from accounts.permissions import Permission
from audit.actor import Actor, NotConfirmed
from keys.apis.policy import Policy
from keys.forms import EditForm
from keys.models import Key
from keys.selectors import Edit, last_edits
from keys.services import Invalid, Stale, edit
from keys.views.pages import answer, confirmed, found_to_change, gone_is_not_found, posted

ASK = "This lets more in than before, so it needs your password."


@needs(Permission.KEYS_CHANGE)
@require_http_methods(["GET", "HEAD", "POST"])
def key_edit(request: SignedIn, public_id: str) -> HttpResponse:
    key = found_to_change(request, public_id)
    form = _form(request, posted(request), key)
    status = 422 if request.method == "POST" else 200
    context: dict[str, Any] = {"key": key, "form": form}
    if form.is_valid():
        by: Actor | None = request.actor
        if form.was_given:
            by = confirmed(request, form)
        try:
            if by:
                with gone_is_not_found():
                    edit(key=key, version=form.cleaned_data["version"], terms=form.terms, by=by)
                messages.success(request, f"{form.terms.name} is saved.")
                return redirect("key-detail", public_id)
        except Stale as stale:
            return answer(request, "edit", _again(request, stale), 409)
        except NotConfirmed:
            form.add_error("password", ASK)
        except Invalid as problem:
            form.refuse(problem)
    ask = form.fields["password"].required = "password" in form.errors
    return answer(request, "edit", context | {"ask": ask}, status)


def _form(request: SignedIn, data: Any, key: Key) -> EditForm:
    form = EditForm(data, key=key, rules=Policy.read(key.api.policy), modules=key.api.modules.order_by("position"))
    form.ask(request.user, "key.edit", key.public_id)
    return form


def _again(request: SignedIn, stale: Stale) -> dict[str, Any]:
    """The form with everything typed, for the version that the other one saved, and what that one changed."""
    typed = request.POST.copy()
    typed["version"] = str(stale.key.version)
    form = _form(request, typed, stale.key)
    edits = last_edits(stale.key, max(stale.edits, 1))
    return {"key": stale.key, "form": form, "edits": edits, "rows": _rows(edits, form)}


def _rows(edits: list[Edit], form: EditForm) -> list[tuple[str, str, str]]:
    """(label, before, now) of every field that the edits changed."""
    labels = {"modules": form.rules.modules_called, "expiry": "Expiration"}
    rows: dict[str, tuple[str, str, str]] = {}
    for done in edits:
        for name, (old, new) in done.changes.items():
            label = labels.get(name) or (form.fields[name].label if name in form.fields else name)
            before = rows[name][1] if name in rows else _text(old)
            rows[name] = (str(label), before, _text(new))
    return list(rows.values())


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value or "")
