"""The published worked examples hold in every language: asked of the samples' own functions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keys.docs.samples import Kind, samples
from tests.samples.programs import Language

ROOT = Path(__file__).resolve().parents[2]
VECTORS = json.loads((ROOT / "docs" / "signature-vectors.json").read_text())
SECRET = VECTORS["secret"]


def code(kind: Kind, language: Language) -> str:
    offered = samples(kind, url="https://api.example.com/reports", api_id=VECTORS["api_id"])
    return next(sample.code for sample in offered if sample.language == language.slug)


@pytest.mark.quality(8)
def test_every_request_is_signed_as_published(language: Language, tmp_path: Path, figure):
    requests = VECTORS["requests"]
    cases = []
    for each in requests:
        path, _, query = each["target"].partition("?")
        cases.append((each["method"], path, query, each["timestamp"], each["nonce"], each["body_sha256"]))
    signed = language.ask(tmp_path, code("signature", language), "signature", cases, secret=SECRET)
    wrong = [each["name"] for each, got in zip(requests, signed, strict=True) if got != each["signature"]]
    assert (wrong, len(requests)) == ([], 20)
    figure(f"{len(requests)} worked examples signed as published in {language.slug}")


def test_every_link_has_the_published_key(language: Language, tmp_path: Path):
    links = VECTORS["recording_links"]
    cases = [(each["lead_id"], each["expires"]) for each in links]
    made = language.ask(tmp_path, code("recording", language), "lead_id_key", cases, secret=SECRET)
    assert made == [each["lead_id_key"] for each in links]
