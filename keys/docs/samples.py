"""Complete programs that call an API with one key, in several languages. Pure.

Each is a text under programs/, in which the few things that differ from key to key stand as @@NAME@@ and are filled in
as string literals of the language. The secret is none of them: the programs read it from an environment variable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["token", "basic", "signature", "recording"]
SECRET_VARIABLE = "KEYWARD_SECRET"  # noqa: S105 - the name of the variable, no secret

_PROGRAMS = Path(__file__).with_name("programs")
_PLACE = re.compile(r"@@([A-Z_]+)@@")
_ARGUMENTS: dict[Kind, str] = {"recording": "[LEAD_ID]"}


@dataclass(frozen=True, slots=True)
class Sample:
    """A program as it is shown: the language's slug and name, what to call the file, and the command that runs it."""

    language: str
    label: str
    file_name: str
    code: str
    how_to_run: str


@dataclass(frozen=True, slots=True)
class _Language:
    slug: str
    label: str
    file_name: str
    run: str
    literal: Callable[[str], str]

    def sample(self, kind: Kind, values: dict[str, str]) -> Sample | None:
        program = _PROGRAMS / self.slug / f"{kind}.txt"
        if not program.exists():
            return None
        code = _PLACE.sub(lambda place: self.literal(values[place[1]]), program.read_text("utf-8"))
        file_name = self.file_name.format(kind=kind, Kind=kind.title())
        arguments = _ARGUMENTS.get(kind, "[METHOD [URL [BODY]]]") if self.run else ""
        return Sample(self.slug, self.label, file_name, code, f"{self.run} {file_name} {arguments}".strip())


def samples(kind: Kind, *, url: str, api_id: str, username: str = "", header: str = "") -> list[Sample]:
    """The programs for one kind of credential, in the order in which they are offered.

    `url` is a call to begin with, whole and percent-encoded; for recordings it is what stands before the lead ID, as
    in `https://api.example.com/recordings`. `username` is of Basic. `header` is of tokens, as in keys.apis.policy's
    HEADERS: `Authorization: Bearer `.
    """
    name, _, scheme = header.partition(": ")
    values = {"URL": url, "API_ID": api_id, "USERNAME": username, "HEADER": name, "SCHEME": scheme}
    made = (language.sample(kind, values) for language in _LANGUAGES)
    return [sample for sample in made if sample is not None]


def _in_php(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _in_python(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _in_shell(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


_LANGUAGES = (
    _Language("php", "PHP", "{kind}.php", "php", _in_php),
    _Language("python", "Python", "{kind}.py", "python3", _in_python),
    # Escapes instead of letters that are not ASCII: Java reads a file as the machine's locale says.
    _Language("java", "Java", "{Kind}.java", "java", json.dumps),
    _Language("bash", "Bash", "{kind}.sh", "bash", _in_shell),
    _Language("curl", "curl", "curl.sh", "", _in_shell),
)
