"""The page at /graphql for browsers. May import api/request."""

from typing import Any

from litestar import Request

from app.api.request import Answer


def explorer_page(_: Request[Any, Any, Any]) -> Answer:
    """The explorer."""
    return Answer({"message": "Send GraphQL with POST."}, 405)
