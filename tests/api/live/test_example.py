"""The example as its visitors meet it: users, documentation, the page, the demo."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.api.live.conftest import ROOT, Site

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "docs" / "how-to" / "http-api.md"
BASKETS = 12
GOLD = {"subject": "shop", "item": "gold", "quantity": 1}


def test_the_committed_description_is_the_generated_one(site: Site, tmp_path: Path) -> None:
    generated = tmp_path / "openapi.yaml"

    site.manage("spectacular", "--fail-on-warn", "--validate", "--file", str(generated))

    # python example_project/manage.py spectacular --file docs/openapi.yaml
    assert (ROOT / "docs" / "openapi.yaml").read_text() == generated.read_text()


def test_every_way_to_authenticate(site: Site) -> None:
    url = f"{site.url}/inventory/balances/"
    anonymous = httpx.get(url)
    assert anonymous.status_code == 401
    assert anonymous.headers["WWW-Authenticate"] == "Token"
    assert httpx.get(url, auth=("clerk", "demo")).status_code == 200
    with site.client("clerk") as client:
        assert client.get("balances/").status_code == 200

    with httpx.Client(base_url=site.url, follow_redirects=True) as browser:
        browser.get("/accounts/login/")
        form = {"username": "clerk", "password": "demo"}
        csrf = {"X-CSRFToken": browser.cookies["csrftoken"], "Referer": site.url}
        assert browser.post("/accounts/login/", data=form, headers=csrf).status_code == 200
        assert browser.get("/inventory/balances/").status_code == 200
        key = {"Idempotency-Key": '"by session"'}
        refused = browser.post("/inventory/balances/acquire/", json=GOLD, headers=key)
        assert refused.status_code == 403
        csrf = {"X-CSRFToken": browser.cookies["csrftoken"], "Referer": site.url}
        done = browser.post("/inventory/balances/acquire/", json=GOLD, headers={**key, **csrf})
        assert done.status_code == 201


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("clerk", (200, 201, 404)),
        ("till", (200, 403, 404)),
        ("auditor", (200, 403, 403)),
        ("alice", (200, 403, 403)),
    ],
)
def test_every_user_may_do_something_else(
    site: Site, name: str, expected: tuple[int, int, int]
) -> None:
    with site.client(name) as client:
        listed = client.get("balances/")
        key = {"Idempotency-Key": f'"try of {name}"'}
        acquired = client.post("balances/acquire/", json=GOLD, headers=key)
        committed = client.post("holds/01890a5d-ac96-774b-bcce-b302099a8057/commit/")
        assert (listed.status_code, acquired.status_code, committed.status_code) == expected


def test_alice_sees_what_is_hers(site: Site) -> None:
    with site.client("clerk") as clerk, site.client("alice") as alice:
        for subject in ("customer:alice", "customer:bob"):
            body = {"subject": subject, "item": "voucher", "quantity": 2}
            key = {"Idempotency-Key": f'"voucher of {subject}"'}
            assert clerk.post("balances/acquire/", json=body, headers=key).status_code == 201

        rows = alice.get("balances/").json()["results"]
        assert [(row["subject"], row["item"], row["quantity"]) for row in rows] == [
            ("customer:alice", "voucher", 2)
        ]
        consume = {"subject": "customer:bob", "item": "voucher", "quantity": 1}
        key = {"Idempotency-Key": '"mine"'}
        foreign = alice.post("balances/consume/", json=consume, headers=key)
        assert (foreign.status_code, foreign.json()["code"]) == (403, "subject_forbidden")
        consume["subject"] = "customer:alice"
        assert alice.post("balances/consume/", json=consume, headers=key).status_code == 201


def test_the_interactive_documentation_needs_no_network(site: Site) -> None:
    text = httpx.get(f"{site.url}/docs/").raise_for_status().text

    files = re.findall(r"""(?:src|href)=["']([^"'#]+)["']""", text)
    assert files
    assert all(file.startswith("/static/") for file in files), files
    site.manage("findstatic", *(file.removeprefix("/static/") for file in files))


# The page whose lines are run ----------------------------------------------------------------

VARYING = [
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r'"id": ?\d+'), '"id": 0'),
]


def comparable(text: str) -> Any:
    """Return an output without what differs from run to run; as JSON where it is."""
    for pattern, same in VARYING:
        text = pattern.sub(same, text)
    return json.loads(text) if text.lstrip().startswith("{") else text.strip()


@pytest.fixture(params=["curl", "stand-in"])
def curl(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with a program ``curl``: the real one where there is one, and one of our own."""
    program = tmp_path / "bin" / "curl"
    program.parent.mkdir()
    real = shutil.which("curl")
    if request.param == "curl" and real is not None:
        program.symlink_to(real)
    else:
        program.write_text(f"#!{sys.executable}\n" + (ROOT / "tests/api/live/curl.py").read_text())
        program.chmod(0o755)
    return program.parent


def test_the_page_can_be_followed(fresh_site: Site, curl: Path) -> None:
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    blocks = [(language, text) for language, text in blocks if language in {"sh", "json", "text"}]
    expected = [text for language, text in blocks if language != "sh"]
    # What a block says is told apart from what the next one says by a line that none of them has.
    script = ["set -euo pipefail"]
    for language, text in blocks:
        script.append(text if language == "sh" else "echo; echo ====")
    page = "\n".join(script).replace("http://127.0.0.1:8000", fresh_site.url)
    assert fresh_site.url in page

    finished = subprocess.run(
        ["bash", "-c", page],  # noqa: S607 - the one on the PATH, as for a reader of the page
        env={**fresh_site.environment, "PATH": f"{curl}:{fresh_site.environment['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 0, finished.stderr
    said = finished.stdout.split("====\n")[:-1]
    assert [comparable(text) for text in said] == [comparable(text) for text in expected]
    assert len(expected) == 7


# The demo ------------------------------------------------------------------------------------


def test_the_demo_over_http_has_the_totals_of_the_file(site: Site, tmp_path: Path) -> None:
    """As example_project/README.md has it, but for the first baskets alone."""
    demo = ("demo", "--http", site.url, "--limit", str(BASKETS))
    # Of its own database the command needs nothing: it has no tables.
    elsewhere = Site(f"sqlite:///{tmp_path / 'empty.sqlite3'}")

    first, again = elsewhere.manage(*demo), elsewhere.manage(*demo)

    assert f"{BASKETS} baskets" in first
    assert "numbers, 0 differences" in first
    assert "Oversell: refused. Not enough: 'run-1/store:367' has" in first
    assert f"on {site.url}: " in first
    assert "run-2: " in again
