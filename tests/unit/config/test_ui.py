"""Template tags of the user interface."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django import forms
from django.template import Context, Template
from django.test import RequestFactory

from core.templatetags import ui

NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)


def render(text: str, **context: object) -> str:
    return Template("{% load ui %}" + text).render(Context(context))


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(0), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=60), "1 minute ago"),
        (timedelta(minutes=59, seconds=59), "59 minutes ago"),
        (timedelta(hours=25), "1 day ago"),
        (timedelta(days=29), "29 days ago"),
        (timedelta(days=60), "2 months ago"),
        (timedelta(days=364), "12 months ago"),
        (timedelta(days=365), "1 year ago"),
        (timedelta(seconds=-1), "in a moment"),
        (timedelta(seconds=-59), "in a moment"),
        (timedelta(days=-90), "in 3 months"),
        (timedelta(days=-7, seconds=5), "in 7 days"),
        (timedelta(hours=-1, seconds=5), "in 1 hour"),
        (timedelta(hours=-1, minutes=-29), "in 1 hour"),
        (timedelta(hours=-24, minutes=1), "in 1 day"),
    ],
)
def test_a_relative_time_counts_whole_steps_and_rounds_those_ahead(ago: timedelta, words: str) -> None:
    assert ui.format_relative(NOW - ago, NOW) == words


class Confirmed(forms.Form):
    password = forms.CharField(required=False)
    owner = forms.CharField()


def test_the_confirmation_is_the_last_of_the_fields_at_fault_and_not_optional_then() -> None:
    form = Confirmed({})
    assert not ui.is_needed(form["password"])
    form.add_error("password", "Confirm with your password.")
    assert [field.name for field in ui.wrong_fields(form)] == ["owner", "password"]
    assert ui.is_needed(form["password"])


def test_a_relative_time_has_the_absolute_one_in_its_tooltip() -> None:
    html = render("{% when at %}", at=NOW)
    assert 'datetime="2026-11-20T12:00:00.123Z"' in html
    assert 'title="2026-11-20 12:00:00 UTC"' in html


def test_a_clock_time_has_the_whole_time_and_the_relative_one_in_its_tooltip() -> None:
    html = render("{% clock at %}", at=NOW)
    assert ">12:00:00.123<" in html
    assert 'title="2026-11-20 12:00:00.123 UTC, ' in html
    assert render("{{ at|day }}", at=NOW) == "Friday 20 November 2026"


@pytest.mark.parametrize(
    ("ago", "words"), [(timedelta(seconds=3), "under a minute"), (timedelta(days=40), "1 month"), (None, "–")]
)
def test_an_age_is_an_age(ago: timedelta | None, words: str) -> None:
    html = render("{% age at %}", at=ago and datetime.now(UTC) - ago)
    assert f">{words}<" in html
    assert "ago" not in html


def test_an_absolute_time_is_utc_and_has_milliseconds_when_asked() -> None:
    assert ">2026-11-20 12:00:00 UTC<" in render("{% moment at %}", at=NOW)
    assert ">2026-11-20 12:00:00.123 UTC<" in render("{% moment at ms=True %}", at=NOW)


def test_a_time_that_never_was_is_a_word() -> None:
    assert ">Never<" in render("{% when at %}", at=None)
    assert ">Not yet<" in render('{% moment at "Not yet" %}', at=None)


def test_a_state_is_a_word_not_a_colour_alone() -> None:
    assert '<span class="badge warn">Expires soon</span>' in render('{% status "expires_soon" %}')
    assert '<span class="badge plain">Half open</span>' in render('{% status "half_open" %}')


class Filters(forms.Form):
    q = forms.CharField(label="Search", required=False)
    status = forms.ChoiceField(choices=[("active", "Active"), ("disabled", "Disabled")], required=False)
    api = forms.CharField(required=False)


def chips(query: str, skip: str = "") -> dict[str, object]:
    request = RequestFactory().get(f"/keys/?{query}")
    return ui.chips({"request": request}, Filters(request.GET), skip)


def test_each_filter_that_is_on_has_a_chip_that_takes_it_off() -> None:
    found = chips("q=web&status=active&after=abc")
    assert found["chips"] == [("Search: web", "?status=active"), ("Status: Active", "?q=web")]
    assert found["clear"] == "?"


def test_a_tab_gets_no_chip_and_stays_when_all_are_cleared() -> None:
    found = chips("q=web&api=billing", skip="api")
    assert found["chips"] == [("Search: web", "?api=billing")]
    assert found["clear"] == "?api=billing"


def test_a_chip_shows_what_was_typed_as_text() -> None:
    request = RequestFactory().get("/keys/", {"q": "<script>"})
    html = render("{% chips form %}", request=request, form=Filters(request.GET))
    assert "&lt;script&gt;" in html
    assert "<script>" not in html


def test_without_filters_there_are_no_chips() -> None:
    request = RequestFactory().get("/keys/")
    assert render("{% chips form %}", request=request, form=Filters(request.GET)).strip() == ""


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("/customers", ["/customers"]),
        ("GET /customers/{customer_id}/invoices/", ["GET /customers/", "{customer_id}/", "invoices/"]),
        ("https://api.example/v1?a=1&b=2", ["https://api.example/", "v1", "?a=1", "&amp;b=2"]),
        ("alice@acme.example", ["alice", "@acme.example"]),
        ("/a</code>", ["/a&lt;/", "code&gt;"]),
        ("–", ["–"]),
    ],
)
def test_an_address_is_broken_between_its_parts(address: str, parts: list[str]) -> None:
    assert render("{{ address|breakable }}", address=address).split("<wbr>") == parts
