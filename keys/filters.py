"""Filters of the list of keys. An unknown parameter or an invalid value is an error and shows no rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, ClassVar

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet, Value
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Lower, Now, Right
from django.db.models.lookups import Exact

from accounts.models import Account, User
from core.lists import (
    MAX_ROWS_COUNTED,
    Column,
    ListFilter,
    PageFilter,
    PageRange,
    StrictFilterForm,
    build_choice_filter,
    build_word_start_regex,
    count_rows,
)
from keys import filter_conditions as conditions
from keys.crypto.secrets import parse_masked_token
from keys.models import Api, Key, KeyModule, Module
from keys.selectors.keys import (
    STATUSES,
    build_old_secret_condition,
    build_status_condition,
    count_keys_by_api,
)
from keys.selectors.paging import MAX_BIGINT, Candidates, Order, Page, Position, get_page
from keys.selectors.rows import KeyRow, list_rows


class OwnerField(forms.CharField):
    """A nickname in any case; `clean` returns the user."""

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account

    def clean(self, value: Any) -> User | None:
        if not (nickname := super().clean(value)):
            return None
        user = (
            User.objects.annotate(small=Lower("nickname")).filter(account=self.account, small=nickname.lower()).first()
        )
        if user is None:
            raise ValidationError(
                f'There is no user "{nickname}" in this account. Enter a nickname exactly as shown in the list.'
            )
        return user


class OwnerFilter(django_filters.Filter):
    field_class = OwnerField


class KeyFilterForm(StrictFilterForm):
    """Validate the filters and parse the cursor, whose type depends on the sort column: text or time."""

    by_text = ("name", "owner")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        timed = (cleaned.get("sort") or "created").removeprefix("-") not in self.by_text
        for name in ("after", "before"):
            try:
                cleaned[name] = Position.parse(cleaned[name], timed=timed) if cleaned.get(name) else None
            except ValidationError as error:
                self.add_error(name, error)
        if cleaned.get("after") and cleaned.get("before"):
            raise ValidationError("Use after or before, not both.")
        return cleaned


class KeyFilter(ListFilter):
    """Filters, sort and cursor of the list. `keys` are the keys of one account that the reader may see."""

    columns: ClassVar = {
        "created": Column("Created", F("created_at"), True),
        "name": Column("Name", Lower("name")),
        "owner": Column("Owner", F("listing__owner_name")),
        "age": Column("Secret age", F("listing__secret_made_at")),
        "used": Column("Last used", conditions.USED_AT, True),
    }
    default_sort = "-created"
    nouns = ("key", "keys")

    q = django_filters.CharFilter(label="Search", max_length=200, method="leave_unchanged")
    api = django_filters.ChoiceFilter(label="API", widget=forms.HiddenInput, method="leave_unchanged")
    status = build_choice_filter("Status", "Any status", STATUSES)
    owner = OwnerFilter(
        label="Owner",
        max_length=64,
        method="leave_unchanged",
        widget=forms.TextInput(attrs={"aria-label": "Owner", "placeholder": "Any owner", "list": "owners"}),
    )
    module = build_choice_filter("Module", "Any module", ())
    unused = build_choice_filter("Unused for", "Used or not", conditions.UNUSED_CHOICES)
    expires = build_choice_filter("Expires within", "Any expiry", conditions.EXPIRY_CHOICES)
    age = build_choice_filter("Secret older than", "Any secret age", conditions.AGE_CHOICES)
    addresses = build_choice_filter("IP ACL", "Any IP ACL", conditions.ADDRESS_CHOICES)
    user_status = build_choice_filter("User status", "Any user status", conditions.USER_STATUS_CHOICES)
    secret = build_choice_filter("Secret", "Any secret", conditions.SECRET_CHOICES)
    rotation = build_choice_filter("Rotation", "Any rotation", conditions.ROTATION_CHOICES)
    # API IDs, for exports of the rows that were selected.
    selected = django_filters.CharFilter(
        label="Selected keys", max_length=4000, widget=forms.HiddenInput, method="leave_unchanged"
    )
    after = django_filters.CharFilter(
        label="Position", max_length=300, widget=forms.HiddenInput, method="leave_unchanged"
    )
    before = django_filters.CharFilter(
        label="Position", max_length=300, widget=forms.HiddenInput, method="leave_unchanged"
    )

    # The number of the page's first key, which links to the page carry: counting the keys before it would cost time.
    start = PageFilter(
        label="Position", min_value=1, max_value=MAX_BIGINT, widget=forms.HiddenInput, method="leave_unchanged"
    )

    class Meta:
        form = KeyFilterForm

    def __init__(
        self, data: Any, keys: QuerySet[Key], *, account: Account, apis: Iterable[Api], everyones: bool = True
    ) -> None:
        super().__init__(data, keys)
        self.account = account
        self.tab = next((api for api in apis if api.slug == data.get("api")), None)
        self.filters["api"].extra["choices"] = [(api.slug, api.name) for api in apis]
        if everyones:
            self.filters["owner"].extra["account"] = account
        else:
            del self.filters["owner"]
        module = self.filters["module"]
        if self.tab:
            module.extra["choices"] = [(of.slug, of.name) for of in self.tab.modules.order_by("position", "pk")]
        else:
            module.extra["error_messages"] = {"invalid_choice": "Select an API's tab before filtering by module."}

    def filter_queryset(self, queryset: QuerySet[Key]) -> QuerySet[Key]:
        return queryset.filter(self._build_condition(self._match_words_by_index))

    def _build_condition(self, in_name: Callable[[str], Q]) -> Q:
        values = self.form.cleaned_data
        by_name = {
            "q": lambda text: self._build_search_condition(text, in_name(text)),
            "api": lambda slug: Q(api=self.tab),
            "status": build_status_condition,
            "owner": lambda user: Q(owner=user),
            "module": self._build_module_condition,
            "unused": lambda days: conditions.LISTING_OF_ACCOUNT & conditions.build_unused_condition(days),
            "expires": conditions.build_expiry_condition,
            "age": lambda days: (
                conditions.LISTING_OF_ACCOUNT & Q(listing__secret_made_at__lt=Now() - conditions.build_interval(days))
            ),
            "addresses": conditions.build_address_condition,
            "user_status": lambda status: Q(owner__is_active=status == "active"),
            "secret": lambda _: build_old_secret_condition(),
            "rotation": conditions.build_rotation_condition,
            "selected": lambda text: Q(public_id__in=text.split()),
        }
        found = Q()
        for name, condition in by_name.items():
            if values.get(name):
                found &= condition(values[name])
        return found

    def _build_search_condition(self, text: str, in_name: Q) -> Q:
        """Match the start of a word of the name, of the nickname or e-mail, the API ID, or its last 4 characters."""
        # Cheapest conditions first: OR stops at the first that is true, before the regular expression on the name.
        found = Q(public_id=parse_masked_token(text)) | Q(owner__in=self._owner_ids)
        if len(text) == 4:
            found |= Q(Exact(Right("public_id", 4), text))
        return found | in_name

    @cached_property
    def _owner_ids(self) -> list[int]:
        """Return the primary keys of matching owners. Queried separately: inside an OR, a subquery cannot use an
        index."""
        text = self.form.cleaned_data["q"]
        named = User.objects.filter(Q(nickname__istartswith=text) | Q(email__istartswith=text), account=self.account)
        return list(named.values_list("pk", flat=True))

    def _match_words(self, text: str) -> Q:
        return Q(name__iregex=build_word_start_regex(text))

    def _match_words_by_index(self, text: str) -> Q:
        """Match words of the name by the full-text index, then check their positions by the regular expression."""
        words = Func(F("account"), F("name"), function="key_words")
        query_words = Func(Value(self.account.pk), Value(text), function="key_words_wanted")
        return Q(CombinedExpression(words, "@@", query_words, BooleanField())) & self._match_words(text)

    def _build_module_condition(self, slug: str) -> Q:
        # A module that contains this one grants it too.
        of_tab = Module.objects.filter(Q(slug=slug) | Q(contained__contains=[slug]), api=self.tab)
        granted = KeyModule.objects.filter(key=OuterRef("pk"), module__in=of_tab)
        return Q(all_modules=True) | Q(Exists(granted))

    @property
    def is_narrowed(self) -> bool:
        """Whether any filter other than the tab is set."""
        return bool(self.active.keys() - {"api"})

    @property
    def more_fields(self) -> list[forms.BoundField]:
        """Return the fields of the filters that are folded away."""
        folded = ("addresses", "user_status", "secret", "rotation")
        return [self.form[name] for name in folded if name in self.form.fields]

    @property
    def has_active_more(self) -> bool:
        return any(field.name in self.active for field in self.more_fields)

    @property
    def order(self) -> Order:
        return Order(
            self.sort_column.expression, self.sort_by.removeprefix("-") not in ("created", "name"), self.is_descending
        )

    def _get_start_bound(self) -> Q:
        """Return the filters' conditions on the sort column, so that the index scan starts at the first matching
        key."""
        values, sort = self.form.cleaned_data, self.sort_by.removeprefix("-")
        found = Q()
        if values["age"] and sort in ("age", "created"):
            # A secret is never older than its key, so the bound holds for both columns.
            column = "created_at" if sort == "created" else "listing__secret_made_at"
            found &= Q(**{f"{column}__lt": Now() - conditions.build_interval(values["age"])})
        if values["unused"] and sort == "used":
            found &= conditions.build_unused_condition(values["unused"])
        if values["unused"] not in ("", "never") and sort == "created":
            found &= Q(created_at__lt=Now() - conditions.build_interval(values["unused"]))
        if values.get("owner") and sort == "owner":
            found &= Q(listing__owner_name=Lower(Value(values["owner"].nickname)))
        return found

    @cached_property
    def page(self) -> Page:
        values = self.form.cleaned_data
        keys = self.queryset.filter(self._get_start_bound())
        candidates = Candidates(
            keys, self._build_condition(self._match_words), self._build_condition(self._match_words_by_index)
        )
        return get_page(candidates, self.order, values["after"], values["before"], self.page_size)

    @property
    def page_links(self) -> dict[str, str]:
        """Return the URLs of the previous and the next page, empty where there is none."""
        here, first = self.page, self._first
        back, on = (
            {"start": str(number)} if first else {} for number in (first - self.page_size, first + len(here.keys))
        )
        return {
            "previous": self.build_url(before=str(here.before), **back) if here.before else "",
            "next": self.build_url(after=str(here.after), **on) if here.after else "",
        }

    @property
    def _first(self) -> int:
        """The number of the page's first key; 0 if the link to the page did not say it."""
        return 1 if not self.page.before else self.form.cleaned_data["start"] or 0

    @cached_property
    def counts(self) -> dict[int, int] | None:
        """The number of the reader's keys by API, whatever the filters; None if there are too many to count."""
        return count_keys_by_api(self.queryset)

    def get_page_range(self) -> PageRange:
        """Return which keys the page shows. Where there are too many keys to count, those that match are not
        counted."""
        here = self.page
        total: int | None
        if not (here.before or here.after):
            total = len(here.keys)
        elif self.counts is None:
            total = None if self.active else MAX_ROWS_COUNTED + 1
        elif self.is_narrowed:
            total = count_rows(self.qs)
        else:
            total = self.counts.get(self.tab.pk, 0) if self.tab else sum(self.counts.values())
        return PageRange(self._first, len(here.keys), total, self.nouns)

    def sort_rows(self) -> QuerySet[Key]:
        """Return all matching keys in the list's order, not only those of the page."""
        return self.order.apply(self.qs)

    def get_rows(self) -> list[KeyRow]:
        """Return the rows of the page's keys, in order."""
        place = {found.key: place for place, found in enumerate(self.page.keys)}
        if not place:
            return []
        return sorted(list_rows(place), key=lambda row: place[row.id])
