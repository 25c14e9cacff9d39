"""GraphiQL's files as they travel: by their names and no others, kept for a year, and only if they are what GraphiQL
published."""

from pathlib import Path

import httpx
import pytest

from app.api.graphql.graphiql import _IN_PACKAGE, _OFFICIAL, IN_NODE_MODULES, NPM_FOLDER, installed
from tests.conftest import PATIENCE, RunningServer


@pytest.fixture
def folder(running_server: RunningServer) -> Path:
    """Where npm laid files while the server was running."""
    root = running_server.log.parent / NPM_FOLDER / "node_modules"
    for name, place in IN_NODE_MODULES.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text(f"/* {name} */", encoding="utf-8")
    (root / "graphiql" / "secret.js").write_text("secret", encoding="utf-8")
    return root


async def test_files_are_served_by_exact_name_and_kept(running_server: RunningServer, folder: Path) -> None:
    async with httpx.AsyncClient(base_url=running_server.url, timeout=PATIENCE) as client:
        page = (await client.get("/graphql", headers={"Accept": "text/html"})).text
        version = page.partition("/graphiql/")[2].partition("/")[0]
        for name in IN_NODE_MODULES:
            assert f"/graphiql/{version}/{name}" in page
            answer = await client.get(f"/graphiql/{version}/{name}")
            assert answer.text == f"/* {name} */"
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert answer.headers["x-content-type-options"] == "nosniff"
        for name in ("secret.js", "graphiql.min.js", "graphiql%2Fsecret.js", "..%2Fpackage.json", "graphiql/graphiql.min.js"):
            assert (await client.get(f"/graphiql/{version}/{name}")).status_code == 404


async def test_the_page_runs_no_script_but_ours_and_theirs(running_server: RunningServer, folder: Path) -> None:
    async with httpx.AsyncClient(base_url=running_server.url, timeout=PATIENCE) as client:
        pages = [await client.get("/graphql", headers={"Accept": "text/html"}) for _ in range(2)]
    policies = [page.headers["content-security-policy"] for page in pages]
    assert policies[0] != policies[1]  # a nonce counts once
    assert "default-src 'none'; script-src 'self';" in policies[0]
    assert "unsafe" not in policies[0]
    scripts = pages[0].text.split("<script")[1:]
    assert [each for each in scripts if " src=" not in each.partition(">")[0] and "application/json" not in each] == []


def test_an_installed_file_that_graphiql_did_not_publish_is_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "graphene_django_graphiql_static-0.8.dist-info").mkdir()
    about = "Metadata-Version: 2.1\nName: graphene-django-graphiql-static\nVersion: 0.8\n"
    (tmp_path / "graphene_django_graphiql_static-0.8.dist-info" / "METADATA").write_text(about, encoding="utf-8")
    (tmp_path / _IN_PACKAGE).mkdir(parents=True)
    for file, _ in _OFFICIAL.values():
        (tmp_path / _IN_PACKAGE / file).write_text("fetch('https://elsewhere.example')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert installed() is None
