"""Where GraphQL is served: /graphql, for requests and for sockets.

Owns: the route. Holds: one door for each application. May import live/hub, api/request, api/graphql, litestar.
"""

from litestar.handlers import ASGIRouteHandler, asgi
from litestar.types import Receive, Scope, Send

from app.api.graphql.explorer import explorer_page
from app.api.graphql.http import GraphQLDoor, HttpDoor
from app.api.request import Services
from app.live.hub import Hub

PATH = "/graphql"


def graphql_handler(services: Services, hub: Hub) -> ASGIRouteHandler:
    """The handler of /graphql."""
    door = GraphQLDoor(services, hub)
    http = HttpDoor(door, explorer_page)

    @asgi(PATH, copy_scope=False)
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await http.handle(scope, receive, send)

    return serve
