"""`keyward init`: write the files of a new installation, with fresh secrets, without overwriting any."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

from config.env import Environment, Misconfigured
from config.environment_file import format_line
from config.installation.environment import GATEWAY_FILE, NewInstallation, select_for_gateway
from config.places import FILES
from config.serve.program import COMMAND
from config.variables import MEANINGS

# A host name or an address, IPv6 in brackets, and a port.
SERVER = re.compile(r"([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\])(:[1-9][0-9]{0,4})?")
HEAD = "# Keyward's environment: README.md has a table of the variables. Only its owner may read it.\n"
EMBEDDED = """\
# Until DATABASE_URL is set, Keyward runs a PostgreSQL of its own under KEYWARD_VAR, for one host. For another server,
# have a superuser run roles.sql, and take the # away.
"""
UNITS = "systemd"


def main(arguments: list[str]) -> None:
    """Write the files, or exit with one line for each problem and nothing written."""
    options = _parse(arguments)
    try:
        installation = _check(options)
        folder = Path(options.folder).absolute()
        files = build_files(installation, folder)
        write_files(folder, files)
    except Misconfigured as error:
        sys.exit(str(error))
    sys.stdout.write(describe(folder, installation))


def build_files(installation: NewInstallation, folder: Path) -> dict[str, tuple[str, int]]:
    """Return each file's text and mode, by its path below `folder`."""
    variables, database = installation.build_variables(), installation.build_database_variables()
    files = {
        "keyward.env": (_format(variables, database, embedded=not installation.database), 0o600),
        GATEWAY_FILE: (
            _format(*map(select_for_gateway, (variables, database)), embedded=not installation.database),
            0o600,
        ),
        "roles.sql": (_build_roles(installation), 0o600),
    }
    paths = {
        "/opt/keyward/bin/keyward": _get_program(),
        "/etc/keyward": str(folder),
        "/var/lib/keyward": installation.var,
    }
    for unit in sorted((FILES / "deploy" / "systemd").iterdir()):
        text = unit.read_text(encoding="utf-8")
        files[f"{UNITS}/{unit.name}"] = (re.sub("|".join(paths), lambda match: paths[match[0]], text), 0o644)
    for source in ("nginx", "nginx-portal"):
        for file in sorted((FILES / "deploy" / source).iterdir()):
            text = file.read_text(encoding="utf-8").replace("keys.example.com", installation.host)
            secret = "CHANGE-ME" in text
            files[f"{source}/{file.name}"] = (
                text.replace("CHANGE-ME", installation.gateway_secret),
                0o600 if secret else 0o644,
            )
    return files


def write_files(folder: Path, files: dict[str, tuple[str, int]]) -> None:
    """Write all files, or none if one of them exists. Raise Misconfigured."""
    if present := [name for name in files if os.path.lexists(folder / name)]:
        raise Misconfigured(
            f"{folder / present[0]} exists already: keyward init overwrites nothing, because data encrypted with its "
            "secrets could never be read again. Name another folder, or move the files away."
        )
    try:
        for name, (text, mode) in files.items():
            path = folder / name
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                os.fchmod(descriptor, mode)
                file.write(text)
    except OSError as error:
        raise Misconfigured(f"{path} cannot be written: {error.strerror}.") from error


def describe(folder: Path, installation: NewInstallation) -> str:
    """Return what was written, what to do next, and what to back up separately."""
    server = f"a superuser runs it once: psql -f {folder}/roles.sql postgres"
    embedded = "only for a PostgreSQL of your own; until then Keyward runs one in KEYWARD_VAR"
    return f"""\
{folder}/keyward.env   all secrets and settings: commands and the portal
{folder}/gateway.env   what a gateway needs of them, and no key that opens a token
{folder}/roles.sql     {server if installation.database else embedded}
{folder}/{UNITS}/      units for the portal, the gateway, maintain, send_notices and the proxy's access log
{folder}/nginx/        the proxy in front of your API: change what is marked CHANGE
{folder}/nginx-portal/ the proxy in front of the portal: change what is marked CHANGE

Next:
  keyward migrate
  keyward create_account acme 'Acme Ltd' alice@example.com Alice
  keyward serve
  keyward doctor

The units run as the users keyward and keyward-gateway, who may read their file and no other:
  useradd --system keyward; useradd --system keyward-gateway
  chgrp keyward {folder}/keyward.env; chgrp keyward-gateway {folder}/gateway.env; chmod 640 {folder}/*.env

Back up, each in a place of its own:
  the database           pg_dump as the owner's role
  {folder}/keyward.env   never beside the dump: anyone with both has your tokens
  {installation.var}/checkpoints.jsonl   what the trail must hold
"""


def _format(variables: dict[str, str], database: dict[str, str], *, embedded: bool) -> str:
    mark = "# " if embedded else ""
    lines = [_explain(name) + format_line(name, value) for name, value in variables.items()]
    lines += [_explain(name) + mark + format_line(name, value) for name, value in database.items()]
    return HEAD + (EMBEDDED if embedded else "") + "\n".join(lines) + "\n"


def _explain(name: str) -> str:
    return f"# {MEANINGS[name].replace('`', '')}\n"


def _build_roles(installation: NewInstallation) -> str:
    passwords = {
        "owner_password": installation.owner_password,
        "application_password": installation.application_password,
    }
    sets = "".join(f"\\set {name} '{value}'\n" for name, value in passwords.items())
    return sets + (FILES / "deploy" / "postgresql" / "roles.sql").read_text(encoding="utf-8")


def _get_program() -> str:
    """Return the command's path as it was called: where it leads through a link, the units follow the link to the next
    version."""
    called = Path(sys.argv[0]).absolute()
    return str(called if called.name == COMMAND else Path(sys.executable).with_name(COMMAND))


def _check(options: argparse.Namespace) -> NewInstallation:
    """Return problems of the options, found by the readers of the environment, so that the written values are valid."""
    env = Environment({"BASE_URL": options.base_url, "EMAIL_URL": options.email_url}, production=True)
    base_url = env.base_url("BASE_URL", "")
    email = env.url("EMAIL_URL", "email", "")
    if not email["EMAIL_BACKEND"].endswith("smtp.EmailBackend"):
        env.report("EMAIL_URL is not usable: it must be a mail server, such as smtp+tls://user:password@host:587.")
    if "'" in options.email_url:
        env.report("EMAIL_URL is not usable: a ' in it must be written as %27.")
    database = options.database
    if database and not SERVER.fullmatch(database):
        env.report(f"--database {database!r} is not usable: it must be a host and a port, such as localhost:5432.")
    env.check()
    folder = Path(options.folder).absolute()
    var = Path(options.var).absolute() if options.var else folder / "var"
    return NewInstallation(base_url=base_url, email_url=options.email_url, database=database, var=str(var))


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="keyward init",
        description="Write the files of a new installation: environment with fresh secrets, SQL for the database's "
        "roles, systemd units, proxy files. Overwrites nothing.",
    )
    parser.add_argument("folder", nargs="?", default=".", help="where the files go, such as /etc/keyward (default: .)")
    parser.add_argument(
        "--base-url", default="http://localhost:8000", metavar="URL", help="the portal's address, as people reach it"
    )
    parser.add_argument(
        "--email-url", default="smtp://localhost:25", metavar="URL", help="the mail server: smtp+tls://user:pw@host:587"
    )
    parser.add_argument(
        "--database", default="", metavar="HOST:PORT", help="a PostgreSQL server (default: the embedded one)"
    )
    parser.add_argument("--var", default="", metavar="FOLDER", help="where Keyward writes (default: var in the folder)")
    return parser.parse_args(arguments)
