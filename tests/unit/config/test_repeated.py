"""The tag of lists that renders a part of a row once for all rows."""

from __future__ import annotations

import pytest
from django.template import Context, engines
from django.utils.safestring import mark_safe

from core.templatetags import lists

ROWS = [("a & <b>", True), (f"{lists.PLACEHOLDER}name-", False), (mark_safe("c &amp; d"), True)]


def render(source: str, **values: object) -> str:
    template = engines["django"].engine.from_string("{% load lists %}" + source)  # type: ignore[attr-defined]
    return str(template.render(Context(values)))


def test_texts_of_each_row_are_filled_in_and_escaped_as_by_an_include() -> None:
    row = "keys/_row_actions.html"
    values = "number=number url='/keys/1/' can_download=enabled"
    page = {"rows": [{"name": name, "enabled": on, "number": f"n{on}"} for name, on in ROWS], "may_change": True}
    page |= {"back": "back=x%3D1", "new_url": "/keys/new/"}
    loop = "{% for row in rows %}{% with number=row.number name=row.name enabled=row.enabled %}"
    end = "{% endwith %}{% endfor %}"
    repeated = render(f"{loop}{{% repeated '{row}' name=name enabled=enabled {values} %}}{end}", **page)
    included = render(f"{loop}{{% include '{row}' with {values} %}}{end}", **page)
    assert repeated == included
    assert "Edit a &amp; &lt;b&gt;" in repeated
    assert "Edit c &amp; d" in repeated


def test_the_values_of_a_row_count_as_if_they_were_named_one_by_one() -> None:
    values = {"name": "a & <b>", "url": "/keys/1/", "number": "n", "enabled": True, "can_download": False}
    page = {"row": values, "may_change": True, "back": "back=x%3D1", "new_url": "/keys/new/"}
    one_by_one = " ".join(f"{name}=row.{name}" for name in values)
    expected = render(f"{{% repeated 'keys/_row_actions.html' {one_by_one} %}}", **page)
    assert render("{% repeated 'keys/_row_actions.html' row %}", **page) == expected
    assert render("{% repeated 'keys/_row_actions.html' row name='c' %}", **page) == expected.replace(
        "a &amp; &lt;b&gt;", "c"
    )


def test_many_rows_are_rendered_as_one_by_one() -> None:
    rows = [
        {"name": name, "url": "/keys/1/", "number": f"n{on}", "enabled": on, "can_download": on} for name, on in ROWS
    ]
    page = {"rows": rows, "may_change": True, "back": "back=x%3D1", "new_url": "/keys/new/"}
    row = "'keys/_row_actions.html'"
    one_by_one = render(f"{{% for row in rows %}}{{% repeated {row} row %}}{{% endfor %}}", **page)
    assert render(f"{{% repeated_rows {row} rows %}}", **page) == one_by_one
    assert render(f"{{% repeated_rows {row} rows %}}", rows=[]) == ""


def test_what_is_neither_a_flag_nor_a_text_is_refused() -> None:
    with pytest.raises(AssertionError):
        render("{% repeated_rows 'keys/_row_actions.html' rows %}", rows=[{"name": "a", "number": 1}])
