"""Import of large OpenAPI documents beside parsing the same bytes (CPU time, medians), and the pages of the imported
API beside a bare one."""

from __future__ import annotations

import io
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from benchmarks.bare_page import BARE, add_bare_page
from benchmarks.documents import make_document
from benchmarks.figures import format_table
from benchmarks.installation import build_signed_in_client, installation
from benchmarks.results import Ratio
from benchmarks.sizes import Size

POLICY = Path("keys/apis/presets/billing.policy.yaml")
MUST_SECONDS, MUST_PAGES = 30, 8


def run(size: Size) -> list[Ratio]:
    rounds, operations, megabytes = size.choose(quick=(1, 100, 0.2), normal=(3, 1_100, 4.0), full=(9, 1_100, 4.0))
    large = size.choose(quick=(150, 0.5), normal=(3_000, 10.0), full=(3_000, 10.0))
    with installation(), tempfile.TemporaryDirectory() as folder:
        rows, ratios = _ratios(make_document(operations, megabytes), rounds)
        print(f"CPU of reading and judging a document of {operations:,} operations, medians of {rounds}\n")
        print(format_table(("", "MB", "plain ms", "import ms", "x plain"), rows))
        file = Path(folder) / "large.json"
        file.write_text(json.dumps(make_document(*large)))
        yaml_file = file.with_suffix(".yaml")
        yaml_file.write_text(yaml.dump(make_document(*large), Dumper=yaml.CSafeDumper, sort_keys=False))
        print(f"\n{large[0]:,} operations through import_api, into the database; at most {MUST_SECONDS} s\n")
        for each in (file, yaml_file):
            print(f"{each.name}, {each.stat().st_size / 1e6:.1f} MB: {_import(each):.1f} s")
        print(f"\nServer time of pages of that API in ms, medians; at most {MUST_PAGES} x bare\n")
        print(format_table(("page", "first ms", "ms", "x bare"), _pages(size.choose(quick=2, normal=20, full=40))))
    worst = max(ratios, key=lambda ratio: ratio.value)
    return [*ratios, Ratio("import", worst.samples, must=10, aim=5)]


def _ratios(document: dict[str, Any], rounds: int) -> tuple[list[tuple[str, ...]], list[Ratio]]:
    from keys.apis import yaml_loader
    from keys.apis.description import Description

    rules = yaml_loader.load_file(POLICY) | {"modules": []}
    texts = {
        "JSON": (json.dumps(document), json.loads),
        "YAML": (
            yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False),
            lambda text: yaml.load(text, Loader=yaml.CSafeLoader),
        ),
    }
    rows: list[tuple[str, ...]] = []
    ratios = []
    for kind, (text, load) in texts.items():
        content = text.encode()

        def read(content: bytes = content) -> None:
            text = yaml_loader.decode(content)
            Description.from_data(yaml_loader.parse(text), rules, text=text)

        plain, ours = _cpu_milliseconds(lambda load=load, text=text: load(text), read, rounds)  # type: ignore[misc]
        ratios.append(Ratio(f"import {kind}", [b / a for a, b in zip(plain, ours, strict=True)]))
        cells = (f"{len(content) / 1e6:.1f}", f"{median(plain):.0f}", f"{median(ours):.0f}", f"{ratios[-1].value:.1f}")
        rows.append((kind, *cells))
    return rows, ratios


def _cpu_milliseconds(
    plain: Callable[[], object], ours: Callable[[], object], rounds: int
) -> tuple[list[float], list[float]]:
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for work, times in zip((plain, ours), taken, strict=True):
            began = time.process_time()
            work()
            times.append((time.process_time() - began) * 1000)
    return taken


def _import(file: Path) -> float:
    from django.core.management import call_command

    began = time.perf_counter()
    arguments = (str(file), "--policy", str(POLICY), "--slug", file.suffix[1:])
    call_command("import_api", *arguments, stdout=io.StringIO())
    return time.perf_counter() - began


def _pages(rounds: int) -> list[tuple[str, ...]]:
    from accounts.models import Account, User
    from benchmarks.installation import make_keys
    from config.static_build import collect_static
    from keys.docs.page import ROUTES_PER_PAGE
    from keys.models import Api, Enablement, Key

    add_bare_page()
    collect_static()
    make_keys(1)
    api = Api.objects.get(slug="json")
    Enablement.objects.create(account=Account.objects.get(), api=api)
    User.objects.update(roles=["administrator"])
    Key.objects.update(api=api, all_modules=True)
    client = build_signed_in_client(User.objects.get())
    key = Key.objects.get().public_id
    module = api.modules.order_by("-position")[0]
    last = f"?module={module.slug}" + ("&page=2" if module.routes.count() > ROUTES_PER_PAGE else "")
    pages = (BARE, f"/keys/{key}/docs/", f"/keys/{key}/docs/{last}", "/apis/json/", f"/apis/json/{last}")
    taken: dict[str, list[float]] = {page: [] for page in pages}
    for _ in range(rounds + 1):
        for page, times in taken.items():
            began = time.perf_counter()
            response = client.get(page)
            times.append((time.perf_counter() - began) * 1000)
            if response.status_code != 200:
                raise SystemExit(f"{page}: {response.status_code}")
    floor = median(taken[BARE][1:])
    return [
        (page.replace(key, "KEY"), f"{times[0]:.0f}", f"{median(times[1:]):.1f}", f"{median(times[1:]) / floor:.1f}")
        for page, times in taken.items()
    ]
