"""One embedded PostgreSQL for the whole run, in a folder of its own, and everything as a real installation has it.

Tests act as the application's database role, so that its rights are tested too. Given DATABASE_URL (and
MAINTENANCE_DATABASE_URL), they use a database test_<name> on that server instead, and drop it afterwards.
"""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import hypothesis
import pytest
from pytest_django import DjangoDbBlocker

if TYPE_CHECKING:
    from accounts.models import Account, User
    from tests.factories.keys import CreatedKey

for name in list(os.environ):
    # A developer's own configuration must not decide what is tested.
    if name.startswith("KEYWARD_") or name in (
        "ALLOWED_HOSTS", "BASE_URL", "CACHE_URL", "EMAIL_URL", "PORT", "GATEWAY_PORT", "GATEWAY_SECRETS",
        "TRUSTED_PROXIES", "PGBOUNCER", "REPLICA_DATABASE_URL", "SECRET_KEY", "TOKEN_PEPPERS", "SEALING_KEYS",
        "SIGNING_KEYS", "AUDIT_KEYS", "CHECKPOINT_KEY", "TOKEN_PREFIX", "KEY_MAX_LIFETIME_DAYS",
        "WEBHOOK_ALLOWED_NETWORKS",
    ):  # fmt: skip
        del os.environ[name]
pytest_plugins = ["tests.figures"]
# Generated cases of each of Hypothesis' tests.
EXAMPLES = {"fast": 20, "sample": 100, "full": 1_000}
LONG = {"access", "benchmarks", "docs", "faults", "system"}
VAR = Path(tempfile.mkdtemp(prefix="keyward-test-"))
os.environ |= {"KEYWARD_VAR": str(VAR), "DJANGO_SETTINGS_MODULE": "config.settings"}
# A run that is told to end ends as by Ctrl-C: fixtures are torn down, the server stops, the folder goes.
signal.signal(signal.SIGTERM, signal.default_int_handler)
# Playwright's event loop runs in the thread of the tests; the ORM is not called from inside it.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="whole figures instead of samples")
    parser.addoption("--fast", action="store_true", help="few generated examples, and no test that is marked slow")
    parser.addoption("--fsync", action="store_true", help="let the test database wait for the disk")


def pytest_configure(config: pytest.Config) -> None:
    from django.conf import settings

    settings.EMBEDDED_FSYNC = config.getoption("--fsync") or config.getoption("--full")
    # A test's transaction is as long as the test, also on a busy machine.
    options = settings.DATABASES["default"]["OPTIONS"]
    if "options" in options:
        options["options"] += " -c idle_in_transaction_session_timeout=0"
    # Pages are tested without a collectstatic before them.
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.WHITENOISE_AUTOREFRESH = True
    # Still argon2id, but a password costs a millisecond.
    settings.PASSWORD_HASHERS = ["tests.hashers.QuickArgon2"]
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    size = "fast" if config.getoption("--fast") else "full" if config.getoption("--full") else "sample"
    for name, count in EXAMPLES.items():
        hypothesis.settings.register_profile(name, max_examples=count, deadline=None)
    hypothesis.settings.load_profile(size)
    # Registered first, so run last: after the handler that stops the server, whatever ended the run.
    atexit.register(shutil.rmtree, VAR, ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Let processes that run tests side by side begin as this one did, or they would share its folder and database."""
    for name in ("KEYWARD_VAR", "DJANGO_SETTINGS_MODULE"):
        os.environ.pop(name, None)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Browsers last: once there is one, its event loop runs in this thread, and asyncio.run() refuses a second. What
    takes long first, so that processes side by side end together."""
    left_out = {"full"} if not config.getoption("--full") else set()
    left_out |= {"slow"} if config.getoption("--fast") else set()
    deselected = [item for item in items if any(item.get_closest_marker(name) for name in left_out)]
    items[:] = [item for item in items if item not in deselected]
    config.hook.pytest_deselected(items=deselected)
    items.sort(
        key=lambda item: (
            "browser" in item.path.parts or "playwright" in getattr(item, "fixturenames", ()),
            not LONG & set(item.path.parts),
        )
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Keep the thousands of collected tests out of every later garbage collection."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _skip_fails((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _skip_fails((yield))


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def _skip_fails(report: Report) -> Report:
    """With REQUIRE_ALL=1, as in CI, what is missing must not pass for what works."""
    if os.environ.get("REQUIRE_ALL") == "1" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.longrepr = f"REQUIRE_ALL=1 and this was skipped: {reason}"
    return report


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether to run the whole figure (`./test --full`) or a sample."""
    return bool(request.config.getoption("--full"))


@pytest.fixture(scope="session")
def fast(request: pytest.FixtureRequest) -> bool:
    """Whether a small sample will do (`./test --fast`)."""
    return bool(request.config.getoption("--fast"))


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Migrate as the owner; in tests alone the application's role may also truncate, as transactional tests do."""
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connections

    from config import database_roles
    from tests.databases import external_test_database, template_of_present_database

    with ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        stack.enter_context(external_test_database(create=not settings.EMBEDDED_DATABASE))
        call_command("migrate", verbosity=0, interactive=False)
        stack.enter_context(template_of_present_database())
        owner = connections["maintenance"]
        with owner.cursor() as cursor:
            tables = ", ".join(owner.ops.quote_name(t) for t in owner.introspection.django_table_names(True))
            cursor.execute(f'GRANT TRUNCATE ON {tables} TO "{database_roles.get_application_role()}"')
        # Nothing of the owner's may be open while a transactional test truncates.
        owner.close()
        yield
        for connection in connections.all():
            connection.close()


@pytest.fixture(scope="session", autouse=True)
def _emptied() -> Iterator[None]:
    """What a transactional test wrote is deleted, not truncated with all else."""
    from django.test import TransactionTestCase

    from tests.table_cleanup import empty_tables

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(TransactionTestCase, "_fixture_teardown", lambda case: empty_tables())
        yield


@pytest.fixture(scope="session", autouse=True)
def _sessions() -> Iterator[None]:
    from tests.sessions import patch_client

    with pytest.MonkeyPatch.context() as patched:
        patch_client(patched)
        yield


@pytest.fixture(autouse=True)
def _installed(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> None:
    """The presets are there, whichever test ran before."""
    from tests import trail

    trail.began = None
    marked = request.node.get_closest_marker("django_db")
    if not marked and not {"db", "transactional_db", "live_server"} & set(request.fixturenames):
        return
    request.getfixturevalue("django_db_setup")
    from django.db import connection

    from tests.table_cleanup import restore_presets

    # Before the test's own transaction begins.
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        restore_presets(cursor)  # type: ignore[arg-type]
        cursor.execute("SELECT seq FROM audit_head")
        trail.began = cursor.fetchone()[0]


@pytest.fixture
def acme() -> Account:
    from tests.factories.accounts import an_account

    return an_account()


@pytest.fixture
def alice(acme: Account) -> User:
    """Return the Administrator of an account."""
    from core.permissions import Role
    from tests.factories.accounts import a_user

    return a_user(acme, "Alice", Role.ADMINISTRATOR)


@pytest.fixture
def made(alice: User) -> CreatedKey:
    """Return a key of Alice with its token."""
    from tests.factories.keys import a_billing_key

    return a_billing_key(alice)
