"""The base of Support's administration: lists and details that only read, and buttons that run services.

Nothing is added, changed or deleted by Django's own forms. A `Button` states its effects, asks for Yes and for the
fields of its form, runs one service with Support as the actor, and reports the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin import ModelAdmin, ShowFacets
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG, PAGE_VAR, SEARCH_VAR, ChangeList, ChangeListSearchForm
from django.core.exceptions import BadRequest
from django.db.models import Model
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from django.views.decorators.http import require_safe

from core import authorization
from core.actor import Actor
from core.admin_tables import BoundedList, BoundedPaginator, get_label, list_cells, list_sections
from core.authorization import AccountNotActive
from core.filters.strict import list_labels
from core.page_guard import SignedIn
from core.permissions import Permission


def reject_unknown_parameters(request: HttpRequest, form: Form) -> None:
    """Raise BadRequest for a name, in the URL or the body, that is no field of the form: a filter that a page does not
    have must not be ignored."""
    known = {*form.fields, "csrfmiddlewaretoken"}
    if unknown := sorted({*request.GET, *request.POST} - known):
        raise BadRequest(f'There is no "{unknown[0]}" here. There are: {", ".join(list_labels(form))}.')


Crumbs = Sequence[tuple[str, str]]


class Button:
    """An action of Support on one row, with a page that first states its effects. Stateless; see `run`."""

    # The last part of the page's path and of its route's name.
    name = ""
    label = ""
    form: type[Form] = Form
    # Exceptions of the service whose message is shown. Denied is not among them: it is answered with 403.
    refusals: tuple[type[Exception], ...] = (AccountNotActive,)
    dangerous = False

    @property
    def verb(self) -> str:
        """The label as it follows "Yes,"."""
        return self.label[:1].lower() + self.label[1:]

    def is_available(self, row: Any, by: Actor) -> bool:
        return True

    def make_form(self, row: Any, data: Any) -> Form:
        """Return the form, bound to `data` unless that is None."""
        return self.form(data)

    def prepare(self, form: Form, row: Any, request: SignedIn) -> None:
        """Set the form's context, before it is validated or shown."""

    def get_actor(self, form: Form, request: SignedIn) -> Actor | None:
        """Return the actor on whose behalf the service runs; None if the form has an error, which it shows."""
        return request.actor

    def get_effects(self, row: Any) -> Iterable[str]:
        """Return sentences for the page: what happens on Yes, and to whom."""
        return ()

    def run(self, row: Any, form: Form, by: Actor) -> str:
        """Run one service, and return a sentence about what was done."""
        raise NotImplementedError

    def format_refusal(self, problem: Exception) -> str:
        return str(problem)


class SupportAdmin(ModelAdmin):
    """A list with a search, and a detail that only reads. `fields` are the fields of the detail; each must be
    declared."""

    buttons: ClassVar[tuple[Button, ...]] = ()
    # Matches a row's primary key in a path.
    pk_converter = "int"
    # The icon and the text of a list without rows.
    icon = "list-bullet"
    detail_template = "admin/detail.html"
    empty_text = ""

    actions = None
    paginator = BoundedPaginator
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    sortable_by = ()
    list_select_related: ClassVar[Any] = True
    preserve_filters = False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return authorization.has_permission(request.user, Permission.ADMINISTRATION)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Return whether the URL may filter by this field: only by the list's own filters, not by a column without an
        index or a password's hash."""
        return lookup.partition("__")[0] in self.list_filter

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return BoundedList

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Raise BadRequest for filters that cannot be applied. Django would redirect to the list without them, or show
        a message above it."""
        if repeated := sorted(name for name, values in request.GET.lists() if len(values) > 1):
            raise BadRequest(f'The filter "{repeated[0]}" appears more than once.')
        # Nor an order, which Django's lists have: it would have no index.
        known = {PAGE_VAR, ERROR_FLAG} | ({SEARCH_VAR} if self.search_fields else set())
        unknown = sorted(name for name in request.GET if name not in known and not self.lookup_allowed(name, ""))
        if unknown:
            labels = [
                *(["Search"] if self.search_fields else []),
                *(get_label(self, name) for name in self.list_filter),
            ]
            there = f" There are: {', '.join(labels)}." if labels else ""
            raise BadRequest(f'There is no "{unknown[0]}" here.{there}')
        if not (page := request.GET.get(PAGE_VAR, "1")).isdecimal():
            raise BadRequest(f'"{page}" is not a page.')
        search = ChangeListSearchForm(request.GET)
        if not search.is_valid():
            raise BadRequest(f"Search failed: {' '.join(map(str, search.errors[SEARCH_VAR]))}")
        if ERROR_FLAG in request.GET:
            raise BadRequest("The filters cannot be applied.")
        try:
            return super().get_changelist_instance(request)
        except IncorrectLookupParameters as problem:
            raise BadRequest(f"The filters cannot be applied: {', '.join(sorted(request.GET))}.") from problem

    def get_url_name(self, name: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{name}"

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs of the list, the page, and a page for each button. None adds, changes or deletes."""
        reads = require_safe(self.changelist_view)
        buttons = [
            path(
                f"<{self.pk_converter}:object_id>/{button.name}/",
                partial(self.button_view, button),
                name=self.get_url_name(button.name),
            )
            for button in self.buttons
        ]
        return [
            path("", reads, name=self.get_url_name("changelist")),
            *self.get_extra_urls(),
            *buttons,
            path(
                f"<{self.pk_converter}:object_id>/change/",
                require_safe(self.change_view),
                name=self.get_url_name("change"),
            ),
        ]

    def get_extra_urls(self) -> list[URLPattern]:
        """Return the URLs of further pages of this model."""
        return []

    @property
    def list_title(self) -> str:
        """Return the heading of the list."""
        return capfirst(str(self.opts.verbose_name_plural))

    def get_list_url(self) -> str:
        return reverse(f"admin:{self.get_url_name('changelist')}")

    def get_page_url(self, pk: Any) -> str:
        return reverse(f"admin:{self.get_url_name('change')}", args=[pk])

    def render(
        self, request: HttpRequest, template: str, context: dict[str, Any], *, crumbs: Crumbs = (), status: int = 200
    ) -> HttpResponse:
        """Return a page. `crumbs` are the texts and addresses of the pages between the list and this one."""
        trail = [(self.list_title, self.get_list_url()), *crumbs]
        return render(request, template, {"crumbs": trail} | context, status=status)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        rows = self.get_changelist_instance(request)
        context = {
            "title": self.list_title,
            "list": rows,
            "headings": [get_label(self, name) for name in self.list_display],
            "rows": [(self.get_page_url(row.pk), list_cells(self, self.list_display, row)) for row in rows.result_list],
            "admin": self,
        } | (extra_context or {})
        return render(request, "admin/list.html", context)

    def get_row_or_404(self, request: HttpRequest, object_id: Any) -> Any:
        row = self.get_object(request, str(object_id))
        if row is None:
            raise Http404(f"no such {self.opts.verbose_name}")
        return row

    def change_view(
        self, request: HttpRequest, object_id: Any, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self.get_row_or_404(request, object_id)
        offered = [
            (button, reverse(f"admin:{self.get_url_name(button.name)}", args=[object_id]))
            for button in self.buttons
            if button.is_available(row, _get_actor(request))
        ]
        context = {
            "buttons": offered,
            "title": str(row),
            "sections": list_sections(self, request, row),
        } | (extra_context or {})
        return self.render(request, self.detail_template, context)

    def button_view(self, button: Button, request: SignedIn, object_id: Any) -> HttpResponse:
        row = self.get_row_or_404(request, object_id)
        back = self.get_page_url(object_id)
        if not button.is_available(row, request.actor):
            messages.warning(request, f'"{button.label}" is not possible for {row}. Nothing was changed.')
            return redirect(back)
        return run_button(self, request, button, row, back)


def run_button(admin: SupportAdmin, request: SignedIn, button: Button, row: Any, back: str) -> HttpResponse:
    """Show what the button does; on POST, call its service and redirect with a message."""
    form = button.make_form(row, request.POST if request.method == "POST" else None)
    button.prepare(form, row, request)
    if form.is_bound and form.is_valid():
        by = button.get_actor(form, request)
        if by is not None:
            try:
                messages.success(request, button.run(row, form, by))
            except button.refusals as problem:
                messages.error(request, f"{button.format_refusal(problem)} Nothing was changed.")
            return redirect(back)
    context = {
        "title": f"{button.label}: {row}",
        "button": button,
        "effects": button.get_effects(row),
        "form": form,
        "back": back,
    }
    crumbs = [(str(row), back)]
    return admin.render(request, "admin/button.html", context, crumbs=crumbs, status=422 if form.errors else 200)


def _get_actor(request: Any) -> Actor:
    return request.actor
