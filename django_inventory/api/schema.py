"""How the API's description (OpenAPI) is made of what ``route_docs`` says of the routes.

Owns what drf-spectacular has to be told. Must not be needed to serve a request.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from drf_spectacular.extensions import (
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from django_inventory.api import examples, serializers
from django_inventory.api.errors import PROBLEM_MEDIA_TYPE, PROBLEM_TYPES
from django_inventory.api.keys import HEADER, REPLAYED_HEADER
from django_inventory.api.patterns import HEADER_SCHEMA
from django_inventory.api.route_docs import EVERYWHERE, RouteDoc


class InventorySchema(AutoSchema):
    """Describe a view by the ``RouteDoc`` of its action, in the view's ``documentation``."""

    @property
    def _route(self) -> RouteDoc | None:
        """Return what is said of the route; nothing of an action that a project has added."""
        view: Any = self.view
        route: RouteDoc | None = view.documentation.get(view.action)
        return route

    def get_operation_id(self) -> str:
        """Return a name that does not depend on where the routes are mounted."""
        return self._route.operation_id if self._route else super().get_operation_id()

    def get_summary(self) -> str | None:
        """Return what the route does, in one line."""
        return self._route.summary if self._route else super().get_summary()

    def get_description(self) -> str:  # type: ignore[override]  # as the parent does
        """Return what a reader could get wrong."""
        return self._route.description if self._route else super().get_description()

    def get_tags(self) -> list[str]:
        """Return one tag for all routes."""
        return ["inventory"]

    def get_request_serializer(self) -> Any:
        """Return the shape of the body."""
        return self._route.request if self._route else super().get_request_serializer()

    def get_response_serializers(self) -> Any:
        """Return the shapes of all answers, by status and media type."""
        route = self._route
        if route is None:
            return super().get_response_serializers()
        answers: dict[tuple[int, str], OpenApiResponse] = {
            (status, "application/json"): OpenApiResponse(
                success.serializer,
                success.description,
                [OpenApiExample("done", success.example)],
            )
            for status, success in route.successes.items()
        }
        codes = sorted(dict.fromkeys((*EVERYWHERE, *route.problems)), key=_status)
        for status, group in groupby(codes, key=_status):
            some = list(group)
            answers[status, PROBLEM_MEDIA_TYPE] = OpenApiResponse(
                serializers.ProblemSerializer,
                ". ".join(PROBLEM_TYPES[code].title for code in some) + ".",
                [OpenApiExample(code, examples.PROBLEMS[code]) for code in some],
            )
        return answers

    def get_examples(self) -> list[OpenApiExample]:
        """Return an example of the body."""
        route = self._route
        if route is None or route.request is None:
            return []
        return [OpenApiExample("request", route.request_example, request_only=True)]

    def get_override_parameters(self) -> list[Any]:
        """Return the headers of request and answers, and the id in the path."""
        route = self._route
        if route is None:
            return []
        parameters = [
            _answer_header("WWW-Authenticate", [401], "How to authenticate."),
            _answer_header("Retry-After", [429, 503], "In how many seconds to try again."),
        ]
        if route.path_schema is not None:
            parameters.append(OpenApiParameter("id", route.path_schema, OpenApiParameter.PATH))
        if route.key is not None:
            parameters.append(_key_header(route.key, is_required=route.is_key_required))
        if route.request is not None:
            parameters.append(
                _answer_header(
                    REPLAYED_HEADER,
                    list(route.successes),
                    "true where all of this had been done before; absent otherwise.",
                )
            )
        for name, description in route.headers.items():
            parameters.append(_answer_header(name, list(route.successes), description))
        return parameters


def _status(code: str) -> int:
    return PROBLEM_TYPES[code].status


def _key_header(key: str, *, is_required: bool) -> OpenApiParameter:
    return OpenApiParameter(
        HEADER,
        HEADER_SCHEMA,
        OpenApiParameter.HEADER,
        required=is_required,
        description=(
            "The idempotency key, a string in quotes: the same on every retry, another for what is "
            "new. Unique among the caller's keys."
        ),
        examples=[OpenApiExample("key", f'"{key}"', parameter_only=(HEADER, "header"))],
    )


def _answer_header(name: str, statuses: list[int], description: str) -> OpenApiParameter:
    return OpenApiParameter(
        name, str, OpenApiParameter.HEADER, response=statuses, description=description
    )


class RequestExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]  # registers itself
    """Say of every body that comes in that it has no other members."""

    target_class = "django_inventory.api.bodies.RequestSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        """Return the schema of the serializer at hand."""
        # The way that drf-spectacular's documentation tells extensions to go.
        describe: Any = auto_schema._map_serializer  # noqa: SLF001
        schema: dict[str, Any] = describe(self.target, direction, bypass_extensions=True)
        return {**schema, "additionalProperties": False}


class WordsExtension(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]  # as above
    """Describe a choice of words as a component of its own."""

    target_class = "django_inventory.api.fields.WordsField"
    match_subclasses = True

    def get_name(self) -> str:
        """Return the name of the component."""
        name: str = self.target.component_name
        return name

    def map_serializer_field(self, _auto_schema: AutoSchema, _direction: Any) -> dict[str, Any]:
        """Return the schema of the component."""
        return {"type": "string", "enum": list(self.target.words)}
