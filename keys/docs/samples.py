"""Complete sample programs that call an API with a key, in several languages. Pure.

Each is a template under programs/ with placeholders such as @@NAME@@. Free text is inserted as a string literal of the
language. No program contains the secret: it is read from an environment variable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["token", "basic", "signature", "recording"]
# The environment variable that every program reads the secret from.
SECRET_VARIABLE = "KEYWARD_SECRET"  # noqa: S105 - its name is no secret
# Lines that fit on a printed page (A4 or Letter) below a program's heading; see print.css.
_SHEET = 66
_PROGRAMS = Path(__file__).with_name("programs")
_PLACE = re.compile(r"@@([A-Z_]+)@@")


@dataclass(frozen=True, slots=True)
class Sample:
    """A program with its language, file name and the command that runs it.

    A curl command is pasted into a shell and has no file name or command.
    """

    language: str
    label: str
    file_name: str
    code: str
    how_to_run: str

    @property
    def parts(self) -> list[str]:
        """The code split where a printed page may break: one part unless it is longer than a page."""
        if self.code.count("\n") <= _SHEET:
            return [self.code]
        return re.split(r"(?<=\n\n)(?!\n)", self.code)


@dataclass(frozen=True, slots=True)
class _Language:
    """A language. `run` is the command and the file extension; `literal` formats a string literal."""

    slug: str
    label: str
    run: tuple[str, str] | None
    literal: Callable[[str], str]

    def build_sample(self, kind: Kind, texts: dict[str, str], plain: dict[str, str]) -> Sample | None:
        program = _PROGRAMS / self.slug / f"{kind}.txt"
        if not program.exists():
            return None
        values = plain | {name: self.literal(text) for name, text in texts.items()}
        code = _PLACE.sub(lambda place: values[place[1]], program.read_text("utf-8"))
        if self.run is None:
            return Sample(self.slug, self.label, "", code, "")
        command, ending = self.run
        name = "recording" if kind == "recording" else "call"
        # A Java file must be named after its class.
        file_name = f"{name.title() if ending == 'java' else name}.{ending}"
        arguments = "[LEAD_ID]" if kind == "recording" else "[METHOD [URL [BODY]]]"
        return Sample(self.slug, self.label, file_name, code, f"{command} {file_name} {arguments}")


def build_samples(
    kind: Kind, *, url: str, api_id: str, method: str = "GET", body: str = "", username: str = "", header: str = ""
) -> list[Sample]:
    """Return the programs for one kind of credential, in the order in which they are offered.

    `method`, `url` and `body` are the example call; the URL is complete and percent-encoded. For recordings `url` is
    the part before the lead ID, such as `https://api.example.com/recordings`. `username` is for Basic; `header` is for
    tokens, one of keys.apis.policy.HEADERS, such as `Authorization: Bearer `.
    """
    texts = {"METHOD": method, "URL": url, "BODY": body, "API_ID": api_id, "USERNAME": username}
    name, _, scheme = header.partition(": ")
    # The curl command has no conditionals, so options that a GET does not need are left out here.
    options = [] if method == "GET" else [f"--request {method}"]
    if body:
        options += ["--header 'Content-Type: application/json'", f"--data-raw {_quote_shell(body)}"]
    writing = "".join(f" \\\n    {option}" for option in options)
    plain = {"HEADER": header, "NAME": name, "SCHEME": scheme, "WRITING": writing}
    samples = (language.build_sample(kind, texts, plain) for language in _LANGUAGES)
    return [sample for sample in samples if sample is not None]


def _quote_php(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _quote_python(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _quote_shell(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


_LANGUAGES = (
    _Language("php", "PHP", ("php", "php"), _quote_php),
    _Language("python", "Python", ("python3", "py"), _quote_python),
    # Non-ASCII characters are escaped, because Java reads source files in the locale's encoding.
    _Language("java", "Java", ("java", "java"), json.dumps),
    _Language("bash", "Bash", ("bash", "sh"), _quote_shell),
    _Language("curl", "curl", None, _quote_shell),
)
