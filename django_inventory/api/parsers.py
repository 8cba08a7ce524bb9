"""The body of a request, from bytes to JSON.

Owns what makes a body unreadable. Must not know what the body should say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.http import HttpRequest
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class StrictJSONParser(JSONParser):
    """JSON in UTF-8, without NaN and infinities, whatever the project's settings say.

    Django's limit for bodies, ``DATA_UPLOAD_MAX_MEMORY_SIZE``, holds here, which it does not in
    Django REST framework's parser; and nesting beyond what Python can read is a refusal, not a
    crash.
    """

    def parse(
        self,
        stream: IO[Any] | HttpRequest,
        _media_type: str | None = None,
        _parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the body's value.

        Raises:
            ParseError: it is no JSON.
            RequestDataTooBig: it is larger than the project allows.
        """
        body = stream.body if isinstance(stream, HttpRequest) else stream.read()
        try:
            return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        except RecursionError as error:
            msg = "The body is nested too deeply."
            raise ParseError(msg) from error
        except ValueError as error:
            # Without the parser's text, which may quote what cannot be sent back.
            msg = "The body is no JSON in UTF-8."
            raise ParseError(msg) from error


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError
