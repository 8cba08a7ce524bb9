"""What is written of the API agrees with what it does: schema, serializers, patterns, docs."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from django_inventory.api import bodies, patterns
from django_inventory.api.errors import PROBLEM_TYPES, RequestRefused
from django_inventory.api.examples import PROBLEMS
from django_inventory.api.keys import HEADER, REPLAYED_HEADER, read_key
from django_inventory.api.parsing import OPERATIONS
from django_inventory.arguments import check_identifier, check_reference
from django_inventory.exceptions import InvalidOperation
from tests.api.routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCS = Path(__file__).resolve().parents[2] / "docs"
EVERY_PROBLEM_HAS = {"type", "title", "status", "detail", "code"}
SINGLE = {
    "acquire": bodies.AcquireSerializer,
    "consume": bodies.ConsumeSerializer,
    "transfer": bodies.TransferSerializer,
    "hold": bodies.PlaceHoldSerializer,
    "commit": bodies.CommitSerializer,
    "release": bodies.ReleaseSerializer,
    "extend": bodies.ExtendSerializer,
}
TAGGED = {
    "acquire": bodies.AcquireOperationSerializer,
    "consume": bodies.ConsumeOperationSerializer,
    "transfer": bodies.TransferOperationSerializer,
    "hold": bodies.HoldOperationSerializer,
    "commit": bodies.CommitOperationSerializer,
    "release": bodies.ReleaseOperationSerializer,
    "extend": bodies.ExtendOperationSerializer,
}


# The committed description; that it is what is generated, ``live`` tests on the example.


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DOCS / "openapi.yaml").read_text())
    return loaded


def operations(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_it_has_every_route_and_no_other(description: dict[str, Any]) -> None:
    described = {
        f"{method} {path.removeprefix('/inventory/')}"
        for path, method, _ in operations(description)
    }
    routes = {re.sub(r"{\w+}", "{id}", str(route)) for route in ROUTES}

    assert described == routes | {"post operations/"}


def test_every_part_of_it_is_said(description: dict[str, Any]) -> None:
    for path, method, operation in operations(description):
        assert operation["summary"]
        assert operation["security"] == [{"tokenAuth": []}, {"basicAuth": []}, {"cookieAuth": []}]
        responses = operation["responses"]
        assert {"401", "403", "406", "429"} <= responses.keys()
        for status, response in responses.items():
            (media_type,) = response["content"]
            is_problem = int(status) >= 400
            assert media_type == ("application/problem+json" if is_problem else "application/json")
            assert response["content"][media_type]["examples"]
            assert response["description"]
            if method == "post" and not is_problem:
                assert REPLAYED_HEADER in response["headers"]
            assert ("Retry-After" in response.get("headers", {})) == (status in {"429", "503"})
            assert ("WWW-Authenticate" in response.get("headers", {})) == (status == "401")
        if method == "post":
            assert {"400", "411", "413", "415", "422", "503"} <= responses.keys()
            assert operation["requestBody"]["content"]["application/json"]["examples"]
            headers = [p["name"] for p in operation.get("parameters", []) if p["in"] == "header"]
            assert headers == ([] if path.endswith("/operations/") else [HEADER])


def test_every_code_has_an_example_where_it_can_occur(description: dict[str, Any]) -> None:
    shown = {
        example["value"]["code"]
        for _, _, operation in operations(description)
        for status, response in operation["responses"].items()
        if int(status) >= 400
        for example in response["content"]["application/problem+json"]["examples"].values()
    }

    # A method that is not described cannot be described to be refused.
    assert shown == PROBLEM_TYPES.keys() - {"method_not_allowed"}


def as_json_schema(schema: Any) -> Any:
    """Return a schema of OpenAPI 3.0 as JSON Schema, which knows no ``nullable``."""
    if isinstance(schema, list):
        return [as_json_schema(member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    converted = {name: as_json_schema(member) for name, member in schema.items()}
    if converted.pop("nullable", False):
        return {"anyOf": [converted, {"type": "null"}]}
    return converted


def test_every_example_is_right(description: dict[str, Any]) -> None:
    components = as_json_schema(description["components"])
    checked = 0
    for _, _, operation in operations(description):
        for content in (
            *(response["content"] for response in operation["responses"].values()),
            operation.get("requestBody", {}).get("content", {}),
        ):
            for media in content.values():
                schema = {**as_json_schema(media["schema"]), "components": components}
                for example in media["examples"].values():
                    jsonschema.Draft202012Validator(schema).validate(example["value"])
                    checked += 1
    assert checked > 100


# Serializers and patterns, which describe what the operations' dataclasses decide.


@pytest.mark.parametrize("kind", OPERATIONS)
def test_bodies_have_the_arguments_of_the_calls(kind: str) -> None:
    arguments = {
        field.name: field.default is MISSING
        for field in fields(OPERATIONS[kind])
        if field.name != "actor"
    }
    elsewhere = {"key", "hold_id"}

    for serializer_class, expected in (
        (SINGLE[kind], {n: r for n, r in arguments.items() if n not in elsewhere}),
        (TAGGED[kind], {"kind": True, **arguments}),
    ):
        described = {n: field.required for n, field in serializer_class().fields.items()}
        assert described == expected


def is_accepted(check: Callable[[], object]) -> bool:
    try:
        check()
    except (InvalidOperation, RequestRefused):
        return False
    return True


def matches(schema: dict[str, Any], text: str) -> bool:
    # As the standard has it, where $ is the end and nothing else.
    pattern = re.sub(r"\$$", r"\\Z", schema["pattern"])
    return (
        schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text))
        and re.search(pattern, text) is not None
    )


ENDS = st.sampled_from(["", " ", "\t", "\n", "\x00", "\x1f", "\x7f", "\x85", "\xa0", "\u3000", "a"])
TEXTS = st.builds("".join, st.tuples(ENDS, st.text(max_size=5) | ENDS | st.just("a" * 253), ENDS))


@given(TEXTS)
def test_identifiers_are_described_as_they_are_checked(text: str) -> None:
    accepted = is_accepted(lambda: check_identifier("subject", text))

    assert matches(patterns.IDENTIFIER_SCHEMA, text) == accepted


@given(TEXTS)
def test_references_are_described_as_they_are_checked(text: str) -> None:
    accepted = is_accepted(lambda: check_reference(text))

    assert matches(patterns.REFERENCE_SCHEMA, text) == accepted
    assert matches(patterns.TEXT_SCHEMA, text) == (accepted and bool(text))


HEADER_PARTS = st.lists(st.sampled_from(['"', "\\", " ", "a", ",", ";", "é", "~"]), max_size=7)


@given(HEADER_PARTS, st.sampled_from(["", "k" * 252, "k" * 255]), st.booleans())
def test_the_header_is_described_as_it_is_read(
    parts: list[str],
    long: str,
    is_quoted: bool,  # noqa: FBT001 - hypothesis passes it by position
) -> None:
    text = f'"{"".join(parts)}{long}"' if is_quoted else f"{''.join(parts)}{long}"
    if text != text.strip() or '";' in text:
        # White space around it is HTTP's, and parameters are read over.
        return

    accepted = is_accepted(lambda: read_key(text))

    assert matches(patterns.HEADER_SCHEMA, text) == accepted


# The page.


def test_the_page_lists_the_problems() -> None:
    rows = [
        f"| `{code}` | {problem.status} | {problem.title} | "
        f"{', '.join(f'`{n}`' for n in sorted(PROBLEMS[code].keys() - EVERY_PROBLEM_HAS))} |"
        for code, problem in PROBLEM_TYPES.items()
    ]

    page = (DOCS / "reference" / "http-api.md").read_text()
    table = page.partition("<!-- problems -->\n")[2].partition("\n\n")[0]

    assert table.splitlines()[2:] == rows


def test_the_page_lists_routes_and_permissions() -> None:
    page = (DOCS / "reference" / "http-api.md").read_text()

    for route in ROUTES:
        path = re.sub(r"{\w+}", "{id}", route.path)
        (row,) = [r for r in page.splitlines() if f"`{route.method.upper()} {path}`" in r]
        assert f"`{route.permission}`" in row
        assert str(route.status) in row


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in ("reference/http-api.md", "how-to/http-api.md", "reference/settings.md"):
        text = (DOCS / page).read_text()
        for link in re.findall(r"\]\(([^)]+)\)", text):
            if not urlsplit(link).scheme:
                assert (DOCS / page).parent.joinpath(link.partition("#")[0]).exists(), link
