"""Complete programs that call an API with one key, in several languages. Pure.

Each is a text under programs/, in which the few things that differ from key to key stand as @@NAME@@. What is free text
is filled in as a string literal of the language. The secret is nowhere: the programs read it from a variable of the
environment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["token", "basic", "signature", "recording"]
# Where every program looks for the key's secret.
SECRET_VARIABLE = "KEYWARD_SECRET"  # noqa: S105 - its name is no secret
# As many lines go on one sheet of paper under a program's heading, A4 or Letter, as print.css sets them.
_SHEET = 66
_PROGRAMS = Path(__file__).with_name("programs")
_PLACE = re.compile(r"@@([A-Z_]+)@@")


@dataclass(frozen=True, slots=True)
class Sample:
    """A program as it is shown: the language's slug and name, what to call the file, and the command that runs it; a
    curl command is pasted into a shell and has neither."""

    language: str
    label: str
    file_name: str
    code: str
    how_to_run: str

    @property
    def parts(self) -> list[str]:
        """The program in pieces between which a sheet of paper may end: one, unless it is too long for a sheet."""
        if self.code.count("\n") <= _SHEET:
            return [self.code]
        return re.split(r"(?<=\n\n)(?!\n)", self.code)


@dataclass(frozen=True, slots=True)
class _Language:
    """`run` is the program and the file's ending; `literal` writes a text as a string literal."""

    slug: str
    label: str
    run: tuple[str, str] | None
    literal: Callable[[str], str]

    def sample(self, kind: Kind, texts: dict[str, str], plain: dict[str, str]) -> Sample | None:
        program = _PROGRAMS / self.slug / f"{kind}.txt"
        if not program.exists():
            return None
        values = plain | {name: self.literal(text) for name, text in texts.items()}
        code = _PLACE.sub(lambda place: values[place[1]], program.read_text("utf-8"))
        if self.run is None:
            return Sample(self.slug, self.label, "", code, "")
        command, ending = self.run
        name = "recording" if kind == "recording" else "call"
        # A Java file is called as its class.
        file_name = f"{name.title() if ending == 'java' else name}.{ending}"
        arguments = "[LEAD_ID]" if kind == "recording" else "[METHOD [URL [BODY]]]"
        return Sample(self.slug, self.label, file_name, code, f"{command} {file_name} {arguments}")


def build_samples(
    kind: Kind, *, url: str, api_id: str, method: str = "GET", body: str = "", username: str = "", header: str = ""
) -> list[Sample]:
    """The programs for one kind of credential, in the order in which they are offered.

    `method`, `url` and `body` are a call to begin with, its address whole and percent-encoded; for recordings `url` is
    what stands before the lead ID, as in `https://api.example.com/recordings`. `username` is of Basic. `header` is of
    tokens, one of keys.apis.policy's HEADERS: `Authorization: Bearer `.
    """
    texts = {"METHOD": method, "URL": url, "BODY": body, "API_ID": api_id, "USERNAME": username}
    name, _, scheme = header.partition(": ")
    # A command has no variables, so what a call that reads does without is not there at all.
    options = [] if method == "GET" else [f"--request {method}"]
    if body:
        options += ["--header 'Content-Type: application/json'", f"--data-raw {_quote_shell(body)}"]
    writing = "".join(f" \\\n    {option}" for option in options)
    plain = {"HEADER": header, "NAME": name, "SCHEME": scheme, "WRITING": writing}
    made = (language.sample(kind, texts, plain) for language in _LANGUAGES)
    return [sample for sample in made if sample is not None]


def _quote_php(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _quote_python(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _quote_shell(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


_LANGUAGES = (
    _Language("php", "PHP", ("php", "php"), _quote_php),
    _Language("python", "Python", ("python3", "py"), _quote_python),
    # Escapes instead of letters that are not ASCII: Java reads a file as the machine's locale says.
    _Language("java", "Java", ("java", "java"), json.dumps),
    _Language("bash", "Bash", ("bash", "sh"), _quote_shell),
    _Language("curl", "curl", None, _quote_shell),
)
