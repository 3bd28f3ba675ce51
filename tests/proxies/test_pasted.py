"""What the panel hands over with a new key, pasted into a shell: a whole call of every kind, through a real proxy."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from accounts.models import User
from core.permissions import Role
from keys.models import Api, Key
from tests.factories.accounts import PASSWORD, a_user, an_account
from tests.factories.keys import api_for
from tests.proxies import nginx
from tests.proxies.program import Proxy

if TYPE_CHECKING:
    from tests.gateways import RunningGateway

CAPTIONED = re.compile(
    r'<p class="secret-caption">([^<]*)</p>\s*<div.*?<code class="secret-line">(.*?)</code>', re.DOTALL
)
COPIED = re.compile(r'data-prefix="([^"]*)" data-suffix="([^"]*)"')
# What is filled in, and what each key's whole calls are called.
FILLED: dict[str, dict[str, Any]] = {
    "cloud-pbx": {"name": 'Jo\'s "ü"  \\ $HOME', "addresses": "127.0.0.1"},
    "billing": {"name": "Robot", "platform": "web"},
    "sip-caller": {"name": "Robot", "every_module": "some", "modules": ["account-reader"], "expiry": "90"},
    "lms-call-logic": {"recordings": "on"},
    "textpeak": {"name": "Robot"},
}


@pytest.fixture(scope="module", params=FILLED)
def slug(request: pytest.FixtureRequest) -> str:
    missing = [program for program in ("bash", "curl", "openssl") if shutil.which(program) is None]
    if missing or nginx.PROGRAM is None:
        pytest.skip(f"not installed: {', '.join(missing) or 'nginx'}")
    return request.param


@pytest.fixture(scope="module")
def proxy(slug: str, running_gateway: RunningGateway, upstream_port: int) -> Iterator[Proxy]:
    with nginx.serve(gateway=running_gateway.port, upstream=upstream_port, api=slug) as running:
        yield running


@pytest.fixture
def alice(transactional_db: None, slug: str, proxy: Proxy) -> User:
    ruled(slug, request_link=f"http://127.0.0.1:{proxy.port}")
    alice = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    api_for(alice.account, slug)
    return alice


def ruled(slug: str, **words: Any) -> None:
    api = Api.objects.get(slug=slug)
    Api.objects.filter(pk=api.pk).update(policy=api.policy | words)


def handed_over(alice: User, slug: str, **other: Any) -> dict[str, str]:
    """Make a key through the form; return the lines that its answer shows, by their captions."""
    client = Client()
    client.force_login(alice)
    given = {"owner": str(alice.pk), "every_module": "all", "expiry": "never", "enabled": "on"} | FILLED[slug] | other
    sent = given | {"form_token": str(uuid.uuid4()), "password": PASSWORD}
    page = client.post(f"/keys/new/?api={slug}", sent).content.decode()
    lines = {caption: unescape(re.sub(r"<[^>]*>", "", line)) for caption, line in CAPTIONED.findall(page)}
    # What Copy copies is what is seen.
    for before, after in COPIED.findall(page):
        assert any(line.startswith(unescape(before)) and line.endswith(unescape(after)) for line in lines.values())
    return lines


def pasted(line: str, folder: Path, shell: str = "bash") -> str:
    done = subprocess.run(
        [shell, "-c", line],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_whole_call_is_allowed_when_it_is_pasted(alice: User, slug: str, tmp_path: Path) -> None:
    lines = handed_over(alice, slug)
    [line] = [line for caption, line in lines.items() if caption.startswith("Example call with curl")]

    for shell in ("bash", "sh"):
        output = pasted(line, tmp_path, shell)
        assert output.startswith("HTTP/1.1 200"), output
        assert Key.objects.get().public_id in output

    download = lines.get("Download the recording of a lead (example: lead-7)")
    assert bool(download) == (slug == "lms-call-logic")
    if download:
        assert pasted(download, tmp_path) == "200\n"
        saved = json.loads((tmp_path / "recording-lead-7").read_text())
        assert saved["received"]["identity"]["X-Key-Id"] == Key.objects.get().public_id
    if slug == "sip-caller":
        # It contains nothing that reads.
        lines = handed_over(alice, slug, modules=["partner-admin"])
        assert pasted(lines["Example call with curl (POST, may change data)"], tmp_path).startswith("HTTP/1.1 201")
    if slug == "billing":
        ruled(slug, credentials=["api_key"])
        line = handed_over(alice, slug)["Example call with curl"]
        assert "X-API-Key: kw_" in line
        assert pasted(line, tmp_path).startswith("HTTP/1.1 200")
