#!/usr/bin/env python3
"""Verify an account's digests, and that exports are complete by them. Needs Python 3.8 or later, and verify_export.py
beside it.

    python3 verify_digests.py PUBLIC_KEY.pem DIGESTS [FILE MANIFEST]...

PUBLIC_KEY.pem is the installation's public key. DIGESTS is a folder or the ZIP of digests with their index, as
downloaded from Keyward's audit trail. FILE is an export of the API log or the audit trail as CSV, JSON Lines or XLSX,
and MANIFEST its signed manifest. Prints which hours are covered and exits 0, or prints what is wrong in which hours and
exits 1.

Each digest states how many calls and events an account had in some hours, the first and the last, the SHA-256 of their
rows in the normal form below, and the SHA-256 of the digest before it. The last digest is signed. So no row can be
removed, added, changed or moved without breaking the chain of digests.
"""

import csv
import hashlib
import json
import os
import re
import sys
import zipfile
from xml.etree import ElementTree

import verify_export

KIND, INDEX = "keyward-digest-1", "keyward-digests-1"
LOGS = {"API log": "calls", "audit trail": "events"}
LATE = ("status", "duration_ms", "bytes")
# Scopes of an export of the trail that contain every event of the account's own.
SCOPE = "Events of"
WITH_ROUTINE = "Both, routine included"
SCOPES = (WITH_ROUTINE, "Account and installation, without routine", "This account")
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


class Wrong(Exception):
    """A file is not valid; the message says why."""


# Digests


def canonical(document):
    """Return the JSON that is signed and hashed."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def read_files(content):
    """Yield name and bytes of each file in a folder or a ZIP."""
    if os.path.isdir(content):
        for name in sorted(os.listdir(content)):
            with open(os.path.join(content, name), "rb") as file:
                yield name, file.read()
        return
    with zipfile.ZipFile(content) as archive:
        for name in sorted(archive.namelist()):
            yield name, archive.read(name)


def is_signature_valid(document, key):
    rest = {name: value for name, value in document.items() if name != "signature"}
    signature = verify_export.base64.b64decode(document.get("signature", ""), validate=True)
    return verify_export.signed_by(key, canonical(rest), signature)


def read_digests(content, key):
    """Return the digests in their order, after checking their chain, signatures and indexes. Raise Wrong."""
    digests, indexes = {}, []
    for name, text in read_files(content):
        try:
            document = verify_export.parse(text)
        except (ValueError, RecursionError) as error:
            raise Wrong(f"{name} is not a digest: {error}")
        kind = document.get("kind")
        if kind == INDEX:
            indexes.append((name, document))
        elif kind == KIND:
            number = document.get("number")
            if type(number) is not int or number < 1:
                raise Wrong(f"{name} has no number")
            if number in digests and digests[number] != document:
                raise Wrong(f"there are two different digests {number}, one of them in {name}")
            digests[number] = document
        else:
            raise Wrong(f"{name} is of kind {kind!r}, neither a digest nor an index of them")
    if not digests:
        raise Wrong("there is no digest")
    if not indexes:
        raise Wrong("the index is missing, so nobody can tell whether the newest digests are")
    ordered = [digests[number] for number in sorted(digests)]
    check_chain(ordered, key)
    for name, index in indexes:
        check_index(name, index, digests, ordered[0]["account"], key)
    if not any(index["last"] == ordered[-1]["number"] for _, index in indexes):
        raise Wrong(f"no index ends with digest {ordered[-1]['number']}")
    return ordered


def check_chain(digests, key):
    """Check the last digest by its signature, each earlier one by its hash in the next, and that no hours or events are
    left out between them. Raise Wrong."""
    last = digests[-1]
    if not is_signature_valid(last, key):
        raise Wrong(f"digest {last['number']} is not as it was signed, or was signed with another key")
    for after, digest in zip(digests[:0:-1], digests[-2::-1]):
        number = digest["number"]
        if after["number"] != number + 1:
            gap = f"{number + 1} to {after['number'] - 1}"
            raise Wrong(f"digests {gap} are missing: from {digest['until']} to {after['since']} nothing is covered")
        if after["previous"] != hashlib.sha256(canonical(digest)).hexdigest():
            raise Wrong(f"digest {number} ({span(digest)}) is not the one that digest {number + 1} follows")
    event = None
    for place, digest in enumerate(digests):
        number, events = digest["number"], digest["events"]
        if digest["account"] != last["account"]:
            raise Wrong(f"digest {number} is of another account: {digest['account']['slug']}")
        if place and (digest["since"] != digests[place - 1]["until"]):
            raise Wrong(f"digest {number} begins at {digest['since']}, the one before ends at another time")
        if (number == 1) != (digest["previous"] is None) or (number == 1) != (digest["since"] is None):
            raise Wrong(f"digest {number} does not say what comes before it")
        if place and digest["late"]["since"] != digests[place - 1]["late"]["until"]:
            raise Wrong(f"digest {number} leaves out columns that arrived late")
        if number == 1:
            event = 0
        if events["count"]:
            first, end = int(events["first"]), int(events["last"])
            if end - first + 1 != events["count"] or (event is not None and first != event + 1):
                raise Wrong(f"digest {number} ({span(digest)}): numbers of events are left out before event {end}")
            event = end


def check_index(name, index, digests, account, key):
    """Check that an index is signed and that its digests are all there. Raise Wrong."""
    if not is_signature_valid(index, key):
        raise Wrong(f"{name} is not as it was signed, or was signed with another key")
    if index["account"] != account:
        raise Wrong(f"{name} is of another account: {index['account']['slug']}")
    missing = [number for number in range(index["first"], index["last"] + 1) if number not in digests]
    if missing:
        raise Wrong(f"digest {missing[-1]} is missing: {name} knows of it")
    if hashlib.sha256(canonical(digests[index["last"]])).hexdigest() != index["sha256"]:
        raise Wrong(f"digest {index['last']} is not the one that {name} knows")


def span(digest):
    """Return the hours of a digest in words."""
    return f"from {digest['since'] or 'the beginning'} to {digest['until']}"


# Rows of a file: dicts of the cells' texts by column


class Number(float):
    """A number that keeps the text it was written as."""

    def __new__(cls, text):
        number = super().__new__(cls, text)
        number.text = text
        return number


def text_of(value):
    """Return a JSON value as the text of its cell in CSV."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return value.text
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    return str(value)


def read_csv(path):
    csv.field_size_limit(2**31 - 1)
    with open(path, encoding="utf-8-sig", newline="") as file:
        # The names hold no separator, so that what follows the first one is it.
        first = file.readline()
        separator = next((sign for sign in ";\t" if sign in first), ",")
        file.seek(0)
        rows = csv.reader(file, strict=True, delimiter=separator)
        head = next(rows)
        for row in rows:
            if len(row) != len(head):
                raise Wrong(f"{path} has a row of {len(row)} cells under {len(head)} names")
            yield dict(zip(head, row))


def read_jsonl(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        for line in file:
            row = json.loads(line, object_pairs_hook=verify_export.once, parse_float=Number)
            yield {name: text_of(value) for name, value in row.items()}


def read_xlsx(path):
    def cell(found):
        text = found.findtext(f"{SHEET}is/{SHEET}t") or ""
        return re.sub("_x([0-9A-Fa-f]{4})_", lambda code: chr(int(code[1], 16)), text)

    head = None
    with zipfile.ZipFile(path) as book, book.open("xl/worksheets/sheet1.xml") as sheet:
        for _, element in ElementTree.iterparse(sheet):
            if element.tag != f"{SHEET}row":
                continue
            cells = [cell(found) for found in element]
            element.clear()
            if head is None:
                head = cells
            else:
                yield dict(zip(head, cells))


READERS = {"csv": read_csv, "jsonl": read_jsonl, "xlsx": read_xlsx}

# The normal form of a row

NUMBER = re.compile("[+-][0-9]+([.][0-9]+)?")
NOT_XML = dict.fromkeys((*range(1, 9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF), "\N{REPLACEMENT CHARACTER}")
ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
# Masking changes digits in such runs to X and nothing else.
MASKABLE = re.compile("[0-9X]{7,}")
MASKED = ("path", "query")


def neutral(text):
    """Return the text as CSV has it, so that no spreadsheet takes it for a formula."""
    if text[:1] in ("=", "@", "\t", "\r", "\n", "\0") or (text[:1] in ("+", "-") and not NUMBER.fullmatch(text)):
        return "'" + text
    return text


def line(row, columns, hide=()):
    """Return the normal form of a row; digits that masking may change are X in the columns to `hide`."""
    cells = []
    for column in columns:
        text = row[column]
        if column == "data":
            text = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        text = neutral(text.translate(NOT_XML)).translate(ESCAPES)
        cells.append(MASKABLE.sub(lambda run: "X" * len(run[0]), text) if column in hide else text)
    return ("\t".join(cells) + "\n").encode()


def sha256(lines):
    """Return the SHA-256 (hex) of rows in normal form."""
    whole = hashlib.sha256()
    for text in lines:
        whole.update(text)
    return whole.hexdigest()


# An export against the digests


def moment(text):
    """Return the time to the millisecond, as exports of calls have it."""
    return text[:23]


class Spans:
    """Rows of an export, which come from the newest to the oldest, by the digests that they belong to.

    `spans` are (first, end, digest), oldest first, with first <= key < end for the keys of their rows; first may be
    None. `keep(digest, row)` returns what to keep of a row; `compare(digest, kept)` is called once a digest's rows are
    complete, so that no more than one digest's rows are in memory.
    """

    def __init__(self, spans, keep, compare):
        self.spans, self.keep, self.compare, self.kept = spans, keep, compare, []

    def add(self, key, row):
        """Add a row; return whether it belongs to a digest."""
        while self.spans and self.spans[-1][0] is not None and key < self.spans[-1][0]:
            self.close()
        if not self.spans or key >= self.spans[-1][1]:
            return False
        self.kept.append(self.keep(self.spans[-1][2], row))
        return True

    def close(self):
        _, _, digest = self.spans.pop()
        kept, self.kept = self.kept, []
        self.compare(digest, kept)

    def finish(self):
        while self.spans:
            self.close()


class Check:
    """The check of one export. `whole` are the digests that lie entirely in its range, `outside` the hours of its range
    that no digest covers, `problems` what is wrong and `checked` the number of rows that were verified."""

    def __init__(self, path, manifest, digests):
        self.path, self.manifest, self.digests = path, manifest, digests
        self.problems, self.checked = [], 0
        since, until = manifest["range"]["from"], manifest["range"]["to"]
        self.whole = [
            digest
            for digest in digests
            if (since is None or (digest["since"] is not None and digest["since"] >= since))
            and digest["until"] <= until
        ]
        self.outside = []
        covered = (self.whole[0]["since"], self.whole[-1]["until"]) if self.whole else None
        if covered is None:
            self.outside.append(f"no hour of it is covered: the digests end at {digests[-1]['until']}")
            return
        if covered[0] is not None and (since is None or since < covered[0]):
            self.outside.append(f"from {since or 'the first row'} to {covered[0]}")
        if covered[1] < until:
            self.outside.append(f"from {covered[1]} to {until}")

    def wrong(self, digest, text):
        self.problems.append(f"{span(digest)}: {text}")

    def has_count(self, digest, stated, rows, what):
        """Return whether there are as many rows as the digest states; if not, add a problem."""
        if len(rows) == stated["count"]:
            return True
        difference = len(rows) - stated["count"]
        kind = "missing" if difference < 0 else "too many"
        self.wrong(digest, f"{abs(difference)} {what} {kind}, it had {stated['count']}")
        return False

    def calls(self, rows):
        """Check the calls, which are sorted from the newest to the oldest, against the digests of their hours, and
        their status, duration and bytes against later digests, which state them once they can no longer arrive."""
        hours = Spans(
            [(self.moment_of(digest["since"]), moment(digest["until"]), digest) for digest in self.whole],
            self.keep_call,
            self.compare_calls,
        )
        late = Spans(
            [
                (self.moment_of(digest["late"]["since"]), moment(digest["late"]["until"]), digest)
                for digest in self.digests
                if digest["late"]["count"] and self.holds(digest["late"])
            ],
            lambda digest, row: (row["request_id"], line(row, digest["columns"]["late"])),
            self.compare_late,
        )
        last = None
        for row in rows:
            time = moment(row["time"])
            if last is not None and time > last:
                self.problems.append(f"the call {row['request_id']} of {row['time']} is out of order")
                return
            last = time
            hours.add(time, row)
            late.add(time, row)
        hours.finish()
        late.finish()

    @staticmethod
    def moment_of(text):
        return None if text is None else moment(text)

    @staticmethod
    def keep_call(digest, row):
        """Return a call's ID and its normal form, masked as far as masking may go and as it is."""
        columns = digest["columns"]["calls"]
        masked = line(row, columns, MASKED)
        changed = any(MASKABLE.search(row[column]) for column in MASKED)
        return row["request_id"], masked, line(row, columns) if changed else masked

    def compare_calls(self, digest, rows):
        """Compare the calls of one digest's hours with it."""
        stated = digest["calls"]
        rows = sorted(rows)
        if not self.has_count(digest, stated, rows, "calls"):
            return
        self.checked += len(rows)
        ends = (rows[0][0], rows[-1][0]) if rows else ("", "")
        if ends != (stated["first"], stated["last"]):
            self.wrong(digest, "its first or last call is another")
        elif sha256(masked for _, masked, _ in rows) != stated["sha256_masked"]:
            self.wrong(digest, "a call was changed")
        elif self.unmasked and stated["sha256"] is not None and sha256(text for _, _, text in rows) != stated["sha256"]:
            self.wrong(digest, "a phone number in a call was changed")

    def compare_late(self, digest, rows):
        """Compare the late columns of the hours that a digest states them of."""
        stated = digest["late"]
        if len(rows) != stated["count"] or sha256(text for _, text in sorted(rows)) != stated["sha256"]:
            hours = f"from {stated['since'] or 'the beginning'} to {stated['until']}"
            self.problems.append(f"{hours}: status, duration or bytes of a call were changed")

    @property
    def unmasked(self):
        return self.manifest["masking"] == "Not masked."

    def holds(self, late):
        """Return whether the hours of these late columns lie in the export's range."""
        since = self.manifest["range"]["from"]
        return (since is None or (late["since"] is not None and late["since"] >= since)) and late[
            "until"
        ] <= self.manifest["range"]["to"]

    def events(self, rows):
        """Check the account's events by their numbers, and the installation's events one by one."""
        scope = self.manifest["filters"].get(SCOPE, SCOPES[1])
        own = Spans(
            [
                (int(digest["events"]["first"]), int(digest["events"]["last"]) + 1, digest)
                for digest in self.whole
                if digest["events"]["count"]
            ],
            lambda digest, row: line(row, digest["columns"]["events"]),
            self.compare_events,
        )
        installation, last = {}, 0
        for row in rows:
            number = int(row["number"] or 0)
            if row["scope"] == "installation":
                if installation.setdefault(number, row) is not row:
                    self.problems.append(f"event {number} of the installation appears twice")
                continue
            if last and number >= last:
                self.problems.append(f"event {number} of {row['time']} appears twice or is out of order")
                return
            last = number
            if not own.add(number, row) and self.covers(row["time"]):
                self.problems.append(f"event {row['number'] or 'without a number'} of {row['time']} is in no digest")
        own.finish()
        self.compare_installation(installation, scope)

    def covers(self, time):
        """Return whether a digest in the range covers this time."""
        return bool(self.whole) and (
            (self.whole[0]["since"] is None or self.whole[0]["since"] <= time) and time < self.whole[-1]["until"]
        )

    def compare_events(self, digest, rows):
        """Compare the events of one digest, from the newest to the oldest, with it."""
        stated = digest["events"]
        if self.has_count(digest, stated, rows, "events"):
            self.checked += len(rows)
            if sha256(reversed(rows)) != stated["sha256"]:
                self.wrong(digest, "an event was changed")

    def compare_installation(self, rows, scope):
        known = set()
        for digest in self.whole:
            for stated in digest["installation"]["events"]:
                known.add(stated["number"])
                row = rows.get(stated["number"])
                if row is None:
                    if scope == WITH_ROUTINE or (scope == SCOPES[1] and not stated["routine"]):
                        self.wrong(digest, f"event {stated['number']} of the installation is missing")
                elif hashlib.sha256(line(row, digest["columns"]["events"])).hexdigest() != stated["sha256"]:
                    self.wrong(digest, f"event {stated['number']} of the installation was changed")
                else:
                    self.checked += 1
        first = self.whole[0]["installation"]["since"] if self.whole else None
        for number, row in rows.items():
            if number not in known and self.covers(row["time"]) and (first is None or first <= row["time"]):
                self.problems.append(f"event {number} of the installation, {row['time']}, is in no digest")


def check_export(path, manifest_path, digests, key):
    """Return the Check of an export after verifying its manifest. Raise Wrong if the manifest is not valid, or states
    that the export is of another account or was narrowed by filters."""
    with open(manifest_path, "rb") as file:
        manifest = verify_export.parse(file.read())
    wrong = verify_export.problem(path, manifest, key)
    if wrong:
        raise Wrong(wrong)
    account = digests[-1]["account"]["slug"]
    if manifest["account"] != account:
        raise Wrong(f"the export is of the account {manifest['account']}, the digests are of {account}")
    if manifest["content"] not in LOGS:
        raise Wrong(f"there are no digests of {manifest['content']}")
    narrowed = {label: value for label, value in manifest["filters"].items() if label != SCOPE}
    if manifest["filters"].get(SCOPE, SCOPES[1]) not in SCOPES:
        narrowed[SCOPE] = manifest["filters"][SCOPE]
    if narrowed:
        words = "; ".join(f"{label}: {value}" for label, value in narrowed.items())
        raise Wrong(f"the export is not whole: it was narrowed to {verify_export.printable(words)}")
    check = Check(path, manifest, digests)
    rows = READERS[manifest["format"]](path)
    if LOGS[manifest["content"]] == "calls":
        check.calls(rows)
    else:
        check.events(rows)
    return check


def main(arguments):
    if len(arguments) < 2 or len(arguments) % 2:
        sys.exit(__doc__)
    try:
        with open(arguments[0], encoding="ascii") as file:
            key = verify_export.public_key_in(file.read())
        digests = read_digests(arguments[1], key)
    except Wrong as error:
        sys.exit(f"NOT good: {error}.")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        sys.exit(f"NOT good: the digests cannot be used: {error}.")
    first, last = digests[0], digests[-1]
    print(
        f"Good: digests {first['number']} to {last['number']} of {last['account']['slug']}, "
        f"from {first['since'] or 'the beginning'} to {last['until']}."
    )
    failed = False
    for path, manifest_path in zip(arguments[2::2], arguments[3::2]):
        try:
            check = check_export(path, manifest_path, digests, key)
        except Wrong as error:
            print(f"NOT good: {path}: {error}.")
            failed = True
            continue
        except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration, csv.Error,
                zipfile.BadZipFile, ElementTree.ParseError) as error:  # fmt: skip
            print(f"NOT good: {path} or its manifest cannot be used: {error}.")
            failed = True
            continue
        for problem in check.problems:
            print(f"NOT good: {path}: {problem}.")
        failed = failed or bool(check.problems) or not check.whole
        if check.whole and not check.problems:
            whole = f"from {check.whole[0]['since'] or 'the beginning'} to {check.whole[-1]['until']}"
            print(f"Good: {path} is whole {whole}: {check.checked} rows, none missing, added or changed.")
        for outside in check.outside:
            print(f"Not covered by these digests: {path}: {outside}.")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
