"""The languages of the samples: how a program is run, and how one function of it is asked many times in one process.

For that the sample's text is kept up to where the call begins, and a few lines are put behind it that read a case a
line from standard input, its arguments separated by an ASCII unit separator, and print what the function returns.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

SEPARATOR = "\x1f"


def _before(code: str, line: str) -> str:
    head, found, _ = code.partition(f"\n{line}\n")
    assert found, line
    return head + "\n"


def _php(code: str, function: str) -> str:
    loop = f'while (($l = fgets(STDIN)) !== false) echo {function}(...explode("\\x1f", rtrim($l, "\\n"))), "\\n";\n'
    call = next(line for line in ("// The call.", "// The link.") if f"\n{line}\n" in code)
    return _before(code, call) + loop


def _python(code: str, function: str) -> str:
    loop = f'for line in sys.stdin:\n    print({function}(*line.rstrip("\\n").split("\\x1f")))\n'
    return _before(code, 'if __name__ == "__main__":') + loop


def _java(code: str, function: str) -> str:
    count = 7 if function == "signature" else 3
    name = "Call" if function == "signature" else "Recording"
    arguments = ", ".join(f"a[{number}]" for number in range(count))
    loop = (
        "class Asked {\n    public static void main(String[] none) throws Exception {\n"
        "        var lines = new java.io.BufferedReader(new java.io.InputStreamReader(System.in, UTF_8));\n"
        "        for (String line; (line = lines.readLine()) != null;) {\n"
        f'            String[] a = line.split("\\u001f", -1);\n'
        f"            System.out.println({name}.{function}({arguments}));\n"
        "        }\n    }\n}\n\n"
    )
    # The first class is the one that is run.
    head, found, rest = code.partition(f"\nclass {name} {{\n")
    assert found
    return head + "\n" + loop + found + rest


def _bash(code: str, function: str) -> str:
    call = next(line for line in ("# The call.", "# The link.") if f"\n{line}\n" in code)
    return _before(code, call) + f"while IFS=$'\\x1f' read -r -a given; do {function} \"${{given[@]}}\"; done\n"


@dataclass(frozen=True)
class Language:
    """`asking` makes a program that asks one function; `camel` if the names of functions are written so."""

    slug: str
    programs: tuple[str, ...]
    ending: str
    asking: Callable[[str, str], str]
    camel: bool = False
    options: tuple[str, ...] = ()

    def needed(self) -> None:
        """Skips the test by name where a program is missing."""
        missing = [program for program in self.programs if shutil.which(program) is None]
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)}")

    def run(self, folder: Path, file_name: str, code: str, *arguments: str, secret: str, stdin: str = "") -> str:
        """Return what the program prints, in a folder of its own."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file_name).write_text(code, "utf-8")
        done = subprocess.run(
            [self.programs[0], *self.options, file_name, *arguments],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", "KEYWARD_SECRET": secret},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr + done.stdout
        assert secret not in done.stdout
        return done.stdout

    def ask(self, folder: Path, code: str, function: str, cases: Iterable[Iterable[str]], *, secret: str) -> list[str]:
        """Return what the sample's function returns for each case; `function` in small letters with underscores."""
        first, *rest = function.split("_")
        name = first + "".join(word.title() for word in rest) if self.camel else function
        stdin = "".join(SEPARATOR.join((secret, *case)) + "\n" for case in cases)
        return self.run(
            folder, f"asked.{self.ending}", self.asking(code, name), secret=secret, stdin=stdin
        ).splitlines()


LANGUAGES = (
    Language("php", ("php",), "php", _php, camel=True),
    Language("python", ("python3",), "py", _python),
    # Nothing here runs long enough to be worth the better compiler.
    Language("java", ("java", "javac"), "java", _java, camel=True, options=("-XX:TieredStopAtLevel=1",)),
    Language("bash", ("bash", "curl", "openssl"), "sh", _bash),
)
# A command to be pasted into a shell.
CURL = Language("curl", ("bash", "curl"), "sh", _bash)
