"""Every command that Keyward did not write is decided about: harmless, refused, or replaced by one that goes through
the services. A new version of an app that brings another one fails here."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.apps import apps
from django.core import management
from django.core.management import CommandError, call_command, find_commands, get_commands, load_command_class

from config.places import ROOT
from config.refused_commands import RefusedCommand

# Those that change neither people nor keys nor the trail, and why.
HARMLESS = {
    "check": "reads",
    "clearsessions": "deletes sessions that have expired",
    "compilemessages": "writes files of translations",
    "createcachetable": "makes the cache's table, for migrate",
    "findstatic": "reads",
    "inspectdb": "reads the tables' columns, no rows",
    "makemessages": "writes files of translations",
    "makemigrations": "writes migrations",
    "optimizemigration": "writes migrations",
    "remove_stale_contenttypes": "deletes the names of models that are gone, which nothing of Keyward's refers to",
    "runserver": "serves the portal's pages, which go through the services",
    "sendtestemail": "sends a mail to whom it is told",
    "showmigrations": "reads",
    "sqlflush": "prints SQL",
    "sqlmigrate": "prints SQL",
    "sqlsequencereset": "prints SQL",
    "squashmigrations": "writes migrations",
    "startapp": "writes files",
    "startproject": "writes files",
}
REPLACED = {"changepassword", "collectstatic", "migrate"}


def stock() -> set[str]:
    """Return the commands of Django and of every installed app that is not in this repository."""
    packages = [Path(app.path) for app in apps.get_app_configs()]
    foreign = [path for path in packages if path.parent != ROOT]
    folders = [Path(management.__file__).parent, *(path / "management" for path in foreign)]
    return {name for folder in folders for name in find_commands(str(folder))}


def refused() -> set[str]:
    classes = {name: load_command_class(owner, name) for name, owner in get_commands().items() if owner == "config"}
    return {name for name, command in classes.items() if isinstance(command, RefusedCommand)}


def test_every_stock_command_is_decided() -> None:
    decided = [set(HARMLESS), REPLACED, refused()]
    assert stock() == set.union(*decided), "decide about it here: harmless, replaced or refused"
    assert sum(map(len, decided)) == len(set.union(*decided)), "decided twice"
    ours = {app.name for app in apps.get_app_configs() if Path(app.path).parent == ROOT}
    assert {name for name in stock() if get_commands()[name] in ours} == REPLACED | refused()


@pytest.mark.parametrize("name", sorted(refused()))
def test_a_refused_command_says_what_to_use_instead(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = load_command_class("config", name)
    assert isinstance(command, RefusedCommand)
    assert command.instead
    with pytest.raises(CommandError, match="Keyward does not run"):
        call_command(name)
    with pytest.raises(SystemExit) as ended:
        command.run_from_argv(["manage.py", name, "--no-input", "--database", "maintenance", "x.json"])
    assert ended.value.code == 1
    output = capsys.readouterr().err
    assert f"Keyward does not run {name}." in output
    assert command.instead in output


@pytest.mark.django_db(databases=["default", "maintenance"])
@pytest.mark.parametrize("to", [("audit", "zero"), ("accounts", "zero"), ("sessions", "zero")])
def test_migrations_do_not_go_back(to: tuple[str, str]) -> None:
    with pytest.raises(CommandError, match=f"Keyward does not migrate back to {to[0]} {to[1]}: that would drop"):
        call_command("migrate", *to, verbosity=0, interactive=False)


@pytest.mark.django_db(databases=["default", "maintenance"])
def test_what_there_is_no_migration_of_is_still_django_to_say() -> None:
    with pytest.raises(CommandError, match="Cannot find a migration matching"):
        call_command("migrate", "audit", "0999", plan=True)
