"""The programs of a key's documentation: taken from its pages, and run with nothing but the key's secret."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html import unescape
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from django.test import Client

from core.permissions import Role
from keys.models import Api, Route
from tests.factories.accounts import a_user, an_account
from tests.proxies import nginx
from tests.proxies.program import Proxy
from tests.samples.programs import CURL, LANGUAGES, Language

if TYPE_CHECKING:
    from keys.services import CreatedKey
    from tests.gateways import RunningGateway

PROGRAM = re.compile(r'<code data-sample="([a-z]+)">(.*?)</code>', re.DOTALL)
# Those of the parts that a long program is printed in.
MARKS = re.compile("</?span>")
STATUS = re.compile(r"^(?:HTTP/\S+ )?([0-9]{3})\b", re.MULTILINE)
# Each kind of credential, and what its key needs besides the least. A name is free text in a program's code.
PRESETS: dict[str, dict[str, Any]] = {
    "billing": {},
    "cloud-pbx": {"name": 'Jo\'s "ü" \\ $HOME', "networks": (ip_network("127.0.0.1"),)},
    "lms-call-logic": {"recordings": True},
}


# Another call, as the command line may name one: an odd query, and a body that is not ASCII.
QUERY = "note=J%C3%BCrgen%20+&b=&a=(1)*'~&where[state]=CA&&b=%2b"
BODY = '{"name": "Jürgen 東京", "at": "@home"}'
CREATES = {"billing": "/customers", "cloud-pbx": "/leads", "lms-call-logic": "/customers"}


class Behind(NamedTuple):
    """A preset's API behind a proxy."""

    preset: str
    proxy: Proxy

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.proxy.port}"

    def key(self) -> CreatedKey:
        """Return a new one, of an API whose policy says that it is reached through this proxy."""
        from tests.factories.keys import a_key_of

        api = Api.objects.get(slug=self.preset)
        Api.objects.filter(pk=api.pk).update(policy=api.policy | {"request_link": self.address})
        if self.preset == "lms-call-logic":
            # Nothing of its own takes a body.
            Route.objects.create(module=api.modules.get(slug="detailed-reports"), method="POST", template="/customers")
        return a_key_of(self.preset, a_user(an_account(), "alice", Role.ADMINISTRATOR), **PRESETS[self.preset])


@pytest.fixture(scope="module")
def behind(request: Any, running_gateway: RunningGateway, upstream_port: int) -> Iterator[Behind]:
    if nginx.PROGRAM is None:
        pytest.skip("nginx is not installed")
    with nginx.serve(gateway=running_gateway.port, upstream=upstream_port, api=request.param) as proxy:
        yield Behind(request.param, proxy)


def programs(made: CreatedKey, page: str) -> dict[str, str]:
    """Return the programs on a page of the key's documentation, by language, as its owner sees them."""
    client = Client()
    client.force_login(made.key.owner)
    content = client.get(f"/keys/{made.key.public_id}/{page}/").content.decode()
    assert made.token not in content
    return {language: unescape(MARKS.sub("", code)) for language, code in PROGRAM.findall(content)}


def mistyped(secret: str) -> str:
    """Return the secret with one other character."""
    return secret[:-9] + ("a" if secret[-9] != "a" else "b") + secret[-8:]


def status(output: str) -> str:
    found = STATUS.search(output)
    assert found, output
    return found[1]


# Java compiles a program each time, so with --full alone for every preset.
CASES = [
    pytest.param(
        preset,
        language,
        marks=[pytest.mark.full] if language.slug == "java" and preset != "lms-call-logic" else [],
        id=f"{preset}-{language.slug}",
    )
    for preset in PRESETS
    for language in [*LANGUAGES, CURL]
]


@pytest.mark.quality(8)
@pytest.mark.parametrize(("behind", "language"), CASES, indirect=["behind"])
def test_the_programs_of_a_key_s_page_run(
    transactional_db: None, behind: Behind, language: Language, tmp_path: Path, figure: Callable[[str], None]
):
    language.needed()
    made = behind.key()
    offered = programs(made, "docs")
    if language == CURL and behind.preset == "lms-call-logic":
        # What is signed takes more than one command.
        assert list(offered) == [each.slug for each in LANGUAGES]
        return
    file, code = f"call.{language.ending}", offered[language.slug]

    output = language.run(tmp_path, file, code, secret=made.token)
    assert (status(output), '"received"' in output) == ("200", True), output
    refused = language.run(tmp_path, file, code, secret=mistyped(made.token))
    assert (status(refused), "invalid_credentials" in refused) == ("401", True), refused
    if language != CURL:
        other = ("POST", f"{behind.address}{CREATES[behind.preset]}?{QUERY}", BODY)
        output = language.run(tmp_path, file, code, *other, secret=made.token)
        received = json.loads(output[output.index("{") :])
        assert (status(output), received["data"]) == ("201", {"id": "9001", **json.loads(BODY)})
        assert (received["received"]["query"], received["received"]["body_bytes"]) == (QUERY, len(BODY.encode()))
        # Nothing follows the headers, and nobody waits for it.
        output = language.run(tmp_path, file, code, "HEAD", secret=made.token)
        assert (status(output), '"received"' in output) == ("200", False), output
    figure(f"the {language.slug} program for {behind.preset} passes, with another secret not")


@pytest.mark.quality(8)
@pytest.mark.parametrize("behind", ["lms-call-logic"], indirect=True)
@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.slug)
def test_the_programs_for_recordings_download_one(
    transactional_db: None, behind: Behind, language: Language, tmp_path: Path, figure: Callable[[str], None]
):
    language.needed()
    made = behind.key()
    file, code = f"recording.{language.ending}", programs(made, "call-download")[language.slug]

    link, output, saved = language.run(tmp_path, file, code, secret=made.token).splitlines()
    name = saved.removeprefix("Saved as ")
    assert (link.startswith(f"{behind.address}/recordings/"), output) == (True, "200")
    assert json.loads((tmp_path / name).read_text())["received"]["identity"]["X-Key-Id"] == made.key.public_id

    (tmp_path / name).unlink()
    _, output, body = language.run(tmp_path, file, code, secret=mistyped(made.token)).split("\n", 2)
    assert (output, "invalid_credentials" in body, (tmp_path / name).exists()) == ("401", True, False)
    figure(f"the {language.slug} program for recordings downloads one, with another secret not")
