"""Where GraphQL is served: /graphql, for requests and for sockets, and the files of its page.

Owns: the routes. Holds: one door for each application. May import live/hub, api/request, api/graphql, litestar.
"""

from typing import Any

from litestar import WebSocket, route, websocket
from litestar.handlers import HTTPRouteHandler, WebsocketRouteHandler
from litestar.types import ASGIApp

from app.api.browser.site import Site
from app.api.graphql.explorer import explorer_page
from app.api.graphql.graphiql import Graphiql
from app.api.graphql.http import GraphQLDoor, HttpDoor
from app.api.graphql.socket import SocketDoor
from app.api.request import Services
from app.live.hub import Hub

PATH = "/graphql"


def graphql_handlers(services: Services, hub: Hub, site: Site) -> list[HTTPRouteHandler | WebsocketRouteHandler]:
    """The handlers of /graphql."""
    door = GraphQLDoor(services, hub)
    graphiql = Graphiql(services.settings)
    http = HttpDoor(door, lambda request: explorer_page(request, site, graphiql))
    sockets = SocketDoor(door, http)

    async def answer() -> ASGIApp:
        return http.handle

    async def serve(socket: WebSocket[Any, Any, Any]) -> None:
        await sockets.handle(socket.scope, socket.receive, socket.send)

    methods = ["GET", "POST", "OPTIONS"]
    # How much is read is up to the door: files may be large, the rest may not.
    asked = route(PATH, http_method=methods, status_code=200, request_max_body_size=None, include_in_schema=False)  # type: ignore[arg-type]  # names, not literals
    return [asked(answer), websocket(PATH)(serve), graphiql.route()]
