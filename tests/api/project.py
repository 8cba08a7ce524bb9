"""A project that has the API in it: routes, a view of its own, and its own habits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.urls import include, path
from rest_framework.response import Response
from rest_framework.views import APIView

if TYPE_CHECKING:
    from rest_framework.request import Request


def handle_exception(_error: Exception, _context: dict[str, Any]) -> Response:
    """Answer as no view of the API may."""
    return Response({"handled by": "the project"}, status=418)


def subjects_of(request: Request) -> list[str] | None:
    """Narrow a user to the subjects in the last name, where there are any."""
    assert not request.user.is_anonymous
    return request.user.last_name.split() or None


def no_subjects(_request: Request) -> list[str]:
    """Narrow everybody to nothing."""
    return []


def wrong_subjects(_request: Request) -> str:
    """Return a text where a collection of texts is wanted."""
    return "alice"


NOT_CALLABLE = "alice"


class ProjectView(APIView):
    """A view of the project's own, which fails."""

    def get(self, _request: Request) -> Response:
        msg = "failed"
        raise ValueError(msg)


urlpatterns = [
    path("inventory/", include("django_inventory.api.urls")),
    path("project/", ProjectView.as_view()),
]
