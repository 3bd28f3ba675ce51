"""What granting a module lets a key do, in the words of the API's document."""

from __future__ import annotations

from keys.apis.description import get_preset
from keys.docs.abilities import MAX_NAMED, get_abilities
from keys.docs.documentation import describe_document
from tests.unit.keys.documents import a_document, described, operation


def test_a_module_is_told_of_by_its_description_operations_and_what_it_contains() -> None:
    sip = get_preset("sip-caller")
    found = get_abilities(describe_document(sip.document), sip.modules)

    assert found["account-reader"].description == "Reads campaigns, numbers and calls of an account."
    assert found["partner-admin"].operations == ("Add a partner", "Add a customer")
    assert found["administrator"].contains == ("Account Reader", "Partner Admin", "Partner Reader")
    assert found["account-reader"].contains == ()


def test_operations_are_named_once_and_not_without_end() -> None:
    paths = {f"/goods/{n}": {"get": operation("Goods", summary=f"Good {n}")} for n in range(MAX_NAMED + 3)}
    paths |= {"/goods/again": {"get": operation("Goods", summary="Good 1")}, "/bare": {"get": operation("Bare")}}
    shop = described(a_document(paths))
    found = get_abilities(describe_document(shop.document), shop.modules)

    assert found["goods"].operations == tuple(f"Good {n}" for n in range(MAX_NAMED))
    assert found["goods"].more == 3
    assert found["bare"].operations == ("GET /bare",)
    assert found["bare"].description == ""


def test_recordings_are_no_ability_of_a_category() -> None:
    lms = get_preset("lms-call-logic")

    found = get_abilities(describe_document(lms.document), lms.modules)["detailed-reports"]
    assert found.operations == ("Reports of a category", "Rows of a report", "Tracked calls, newest first",
                                "One call, with its lead ID")  # fmt: skip
