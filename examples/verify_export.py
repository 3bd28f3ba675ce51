#!/usr/bin/env python3
"""Verify a file that Keyward exported against its signed manifest. Needs Python 3.8 or later and nothing else.

    python3 verify_export.py FILE MANIFEST PUBLIC_KEY.pem

FILE is the export, MANIFEST its manifest, PUBLIC_KEY.pem the installation's public key, which its operator provides
(`manage.py audit_checkpoint --public-key`). Prints what the manifest states (account, range, filters, columns and more)
and exits 0, or prints what is wrong and exits 1. The manifest is signed with Ed25519 (RFC 8032) over its JSON without
"signature": sorted names, no white space, ASCII. RFC 8032 is implemented below, so that nothing needs to be installed
or trusted.
"""

import base64
import hashlib
import json
import sys

KIND = "keyward-export-2"

# The curve edwards25519 (RFC 8032, section 5.1): -x*x + y*y = 1 + D*x*x*y*y modulo P; ORDER is the base point's.
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def x_of(y, odd):
    """Return the x of the point with this y, by whether x is odd; None if there is no such point."""
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and odd):
        return None
    return P - x if x % 2 != odd else x


def decode(text):
    """Return the point encoded in 32 bytes, in extended coordinates; None if there is no such point."""
    number = int.from_bytes(text, "little")
    y, odd = number % 2**255, number >> 255
    x = x_of(y, odd) if y < P else None
    return None if x is None else (x, y, 1, x * y % P)


def add(a, b):
    """Return the sum of two points in extended coordinates (X, Y, Z, T): x = X/Z, y = Y/Z, x*y = T/Z."""
    first = (a[1] - a[0]) * (b[1] - b[0]) % P
    second = (a[1] + a[0]) * (b[1] + b[0]) % P
    third, fourth = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = second - first, fourth - third, fourth + third, second + first
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number, point):
    result = (0, 1, 1, 0)
    while number:
        if number % 2:
            result = add(result, point)
        point, number = add(point, point), number // 2
    return result


def same(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = decode(BASE_Y.to_bytes(32, "little"))


def signed_by(public_key, message, signature):
    """Return whether the signature is valid (RFC 8032, section 5.1.7)."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    key, point = decode(public_key), decode(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or point is None or scalar >= ORDER:
        return False
    challenge = hashlib.sha512(signature[:32] + public_key + message).digest()
    return same(times(scalar, BASE), add(point, times(int.from_bytes(challenge, "little") % ORDER, key)))


def public_key_in(pem):
    """Return the 32 bytes of a public key in PEM (RFC 8410: the first twelve bytes say Ed25519). Raise ValueError."""
    der = base64.b64decode("".join(line for line in pem.splitlines() if not line.startswith("-----")))
    if len(der) != 44 or der[:12] != bytes.fromhex("302a300506032b6570032100"):
        raise ValueError("the public key is not an Ed25519 key in PEM")
    return der[12:]


def once(pairs):
    """Return the pairs as a dict. Raise ValueError for a repeated name, of whose values readers might take either."""
    found = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"it has the name {name!r} twice")
        found[name] = value
    return found


def refuse_constant(text):
    raise ValueError(f"{text} is not JSON")


def parse(content):
    """Return the JSON object in the bytes, which are UTF-8 with or without a byte order mark. Raise ValueError."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8; take it as it was downloaded") from None
    manifest = json.loads(text, object_pairs_hook=once, parse_constant=refuse_constant)
    if not isinstance(manifest, dict):
        raise ValueError("it is not a JSON object")
    return manifest


def problem(path, manifest, public_key):
    """Return what is wrong with the manifest or the file at `path`, None if nothing is."""
    if manifest.get("kind") != KIND:
        return f"the manifest is of kind {manifest.get('kind')!r}, not {KIND!r}"
    rest = {name: value for name, value in manifest.items() if name != "signature"}
    message = json.dumps(rest, sort_keys=True, separators=(",", ":")).encode("ascii")
    signature = base64.b64decode(manifest.get("signature", ""), validate=True)
    if not signed_by(public_key, message, signature):
        return "the manifest is not as it was signed, or was signed with another key"
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    if digest.hexdigest() != manifest["sha256"]:
        return "the file is not the one that was exported: its SHA-256 is another"
    return None


def printable(text):
    """Escape control characters: filters hold what people typed, which must not control a terminal or fake a line."""
    return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in text)


def describe(manifest):
    """Return the statements of a manifest, one a line."""
    bounds, by = manifest["range"], manifest["exporter"]
    filters = "; ".join(f"{label}: {value}" for label, value in manifest["filters"].items())
    facts = [
        ("Account", manifest["account"]),
        ("Content", f"{manifest['content']}, as {manifest['format']}"),
        ("Range", f"from {bounds['from'] or 'the first row'} to before {bounds['to']}"),
        ("Filters", filters or "none"),
        ("Masking", manifest["masking"]),
        ("Rows", manifest["rows"]),
        ("Columns", f"{len(manifest['columns'])}: {', '.join(manifest['columns'])}"),
        (
            "Exported by",
            f"{by['label']} ({by['kind']} {by['id']}), {manifest['at']}, with Keyward {manifest['version']}",
        ),
        ("File", manifest["file"]),
        ("SHA-256", manifest["sha256"]),
    ]
    return [f"{label + ':':<13}{printable(str(value))}" for label, value in facts]


def main(arguments):
    if len(arguments) != 3:
        sys.exit(__doc__)
    path, manifest_path, key_path = arguments
    try:
        with open(manifest_path, "rb") as file:
            content = file.read()
        with open(key_path, encoding="ascii") as file:
            key = public_key_in(file.read())
    except (OSError, ValueError) as error:
        sys.exit(f"NOT good: cannot be read: {error}.")
    try:
        manifest = parse(content)
        wrong = problem(path, manifest, key)
    except OSError as error:
        wrong = f"cannot be read: {error}"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        wrong = f"the manifest cannot be used: {error}"
    if wrong:
        sys.exit(f"NOT good: {wrong}.")
    print(f"Good: {path} is export {manifest['number']}, whole and unchanged.")
    print("\n".join(describe(manifest)))


if __name__ == "__main__":
    main(sys.argv[1:])
