"""Lines of proxies' access logs."""

from __future__ import annotations

import contextlib
import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.calls.access_log import MAX_LINE_BYTES, AccessLogEntry, MalformedLine, parse_line
from core.request_id import generate_request_id

ID = "019a9f3c-2b1a-7c3d-8e4f-0123456789ab"
GOOD = {"request_id": ID, "status": 200, "duration_ms": 12.5, "bytes": 1024}


def line(**fields: object) -> bytes:
    return json.dumps(GOOD | fields).encode()


def test_a_line_is_what_the_proxy_knows():
    assert parse_line(line()) == AccessLogEntry(UUID(ID), 200, 12.5, 1024)


def test_other_fields_and_numbers_in_quotes_are_fine():
    assert parse_line(line(status="200", bytes="7", level="info", ts=1.5)) == AccessLogEntry(UUID(ID), 200, 12.5, 7)


@pytest.mark.parametrize("nothing", [None, "", "-"])
def test_a_call_that_the_gateway_did_not_answer_is_no_call(nothing):
    assert parse_line(line(request_id=nothing)) is None


@pytest.mark.parametrize("message", [-1, 0, "000", "-1"])
def test_what_did_not_come_to_be_is_0(message):
    read = parse_line(line(status=message, duration_ms=message, bytes=message))
    assert read == AccessLogEntry(UUID(ID), 0, 0.0, 0)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"request_id": "x"}, "request_id is 'x'; it must be the X-Request-Id of the gateway's answer"),
        (
            {"request_id": "e3b0c442-98fc-4c14-9afb-f4c8996fb924"},
            "request_id is 'e3b0c442-98fc-4c14-9afb-f4c8996fb924'",
        ),
        ({"request_id": 7}, "request_id is '7'"),
        ({"request_id": [ID]}, "request_id is"),
        ({"status": "ok"}, "status is 'ok'; it must be a status such as 200"),
        ({"status": 600}, "status is '600'"),
        ({"status": None}, "status is 'None'"),
        ({"status": True}, "status is 'True'"),
        ({"duration_ms": float("nan")}, "duration_ms is 'nan'"),
        ({"duration_ms": float("inf")}, "duration_ms is 'inf'"),
        ({"duration_ms": "1,5"}, "duration_ms is '1,5'; it must be milliseconds such as 12 or 1.5"),
        ({"bytes": -2}, "bytes is '-2'"),
        ({"bytes": 2**63}, "bytes is '9223372036854775808'; it must be a number of bytes such as 1024"),
        ({"bytes": {}}, "bytes is '{}'"),
        ({"status": "x" * 500}, f"status is {'x' * 40!r}"),
    ],
)
def test_a_field_that_cannot_be_read_is_named_with_what_would_be_right(fields, expected):
    with pytest.raises(MalformedLine) as error:
        parse_line(line(**fields))
    assert expected in str(error.value)
    assert len(str(error.value)) < 150


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_field_that_is_missing_is_named(name):
    with pytest.raises(MalformedLine, match=f"^{name} is missing"):
        parse_line(json.dumps({other: value for other, value in GOOD.items() if other != name}).encode())


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"GET / 200",
        b"[]",
        b"7",
        b"null",
        b'"x"',
        b"{",
        b"\xff\xfe",
        b"\0",
        b"[" * 60_000,
        b"9" * 6000,
        b"x" * 70_000,
    ],
)
def test_what_is_no_json_object_is_refused(garbage):
    with pytest.raises(MalformedLine):
        parse_line(garbage)


def test_a_line_that_is_too_long_is_refused_unread():
    with pytest.raises(MalformedLine, match=f"longer than {MAX_LINE_BYTES}"):
        parse_line(line(more="x" * MAX_LINE_BYTES))


def test_a_request_id_says_when_the_gateway_was_asked():
    read = parse_line(line(request_id=generate_request_id()))
    assert read is not None
    assert read._replace(request_id=UUID(ID)).requested_at == int(ID[:8] + ID[9:13], 16) / 1000


anything = st.integers() | st.floats() | st.booleans() | st.text(alphabet="-+.0123456789einf \0é", max_size=20)


@given(st.binary(max_size=200) | st.dictionaries(st.sampled_from(sorted(GOOD)), anything))
def test_nothing_else_happens_whatever_the_line_is(message):
    with contextlib.suppress(MalformedLine):
        parse_line(message if isinstance(message, bytes) else json.dumps(GOOD | message).encode())
