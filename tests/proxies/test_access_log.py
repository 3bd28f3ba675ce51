"""What each proxy writes into its access log, in the format of deploy/, completes the row of the call."""

from __future__ import annotations

import io

from django.core.management import call_command

from tests.proxies.client import Answer, ask
from tests.proxies.program import Proxy
from tests.proxies.rows import row
from tests.waiting import wait_until


def lines_of(proxy: Proxy, answers: list[Answer]) -> str:
    """Return the proxy's access log, as soon as it has a line for each of these."""

    def read() -> str:
        return proxy.access_log.read_text() if proxy.access_log.exists() else ""

    def has_all() -> bool:
        text = read()
        return all(f'"{answer.header("X-Request-Id")}"' in text for answer in answers)

    wait_until(has_all, seconds=30, describe=read)
    return read()


def test_rows_get_status_duration_and_bytes(proxy, world, tmp_path):
    _, token = world.key("A", modules=("customers",))
    answers = [
        ask(proxy.port, "/customers", token=token),
        ask(proxy.port, "/customers/none", token=token),
        ask(proxy.port, "/invoices", token=token),
        ask(proxy.port, "/customers", token=token[:-1]),
        ask(proxy.port, "/customers", method="HEAD", token=token),
        ask(proxy.port, "/_keyward/whoami", token=token),
    ]
    log = tmp_path / "access.log"
    log.write_text(lines_of(proxy, answers))
    complained = io.StringIO()
    call_command("ingest_access_log", str(log), stdout=io.StringIO(), stderr=complained)
    assert complained.getvalue() == ""
    for answer, status in zip(answers, [200, 404, 403, 401, 200, 200], strict=True):
        logged = row(answer)
        assert logged["status"] == status == answer.status
        assert 0 <= float(str(logged["duration_ms"])) < 10_000
        # HAProxy counts the headers too.
        sent = len(answer.body)
        assert logged["bytes"] == sent or (proxy.kind == "haproxy" and int(str(logged["bytes"])) > sent)


def test_no_secret_is_in_an_access_log(proxy, world):
    _, token = world.key()
    answer = ask(proxy.port, f"/customers?token={token}", token=token)
    assert token not in lines_of(proxy, [answer])
