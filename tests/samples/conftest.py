"""The languages of the samples, one after the other."""

from __future__ import annotations

import pytest

from tests.samples.programs import LANGUAGES, Language


@pytest.fixture(params=LANGUAGES, ids=lambda language: language.slug)
def language(request: pytest.FixtureRequest) -> Language:
    """Each language in turn, if the machine has it."""
    request.param.needed()
    return request.param
