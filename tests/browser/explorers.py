"""What there is to open on GraphiQL's page, and on that of the explorer which stands in for it, by the names their buttons have
for who does not see them."""

from collections.abc import Awaitable, Callable

from playwright.async_api import Page, expect

EDITOR = "([place, text]) => document.querySelector(`${place} .CodeMirror`).CodeMirror.setValue(text)"
QUERY = """# Every kind of word has its colour.
query Words($name: String = "admin", $many: Int = 3) {
  users(where: {username: {equalTo: $name}}, first: $many, order: [createdAt_DESC]) {
    count @include(if: true)
    edges { node { ...Person } }
  }
}
fragment Person on User { objectId username }
"""


async def open_explorer(page: Page) -> None:
    """GraphiQL, its schema read and something answered, in all of its colours."""
    await expect(page.get_by_role("button", name="Re-fetch GraphQL schema")).to_be_enabled()
    await expect(page.locator(".graphiql-response .CodeMirror")).to_be_attached()  # before it is there nothing is asked
    await page.evaluate(EDITOR, [".graphiql-query-editor", QUERY])
    await page.get_by_role("button", name="Execute query").click()
    await expect(page.locator(".graphiql-response")).to_contain_text("}")


async def open_docs(page: Page) -> None:
    """The schema, two steps into it."""
    await open_explorer(page)
    await page.get_by_role("button", name="Show Documentation Explorer").click()
    await page.locator(".graphiql-doc-explorer a", has_text="Query").first.click()
    await page.locator(".graphiql-doc-explorer a", has_text="health").first.click()
    await expect(page.locator(".graphiql-doc-explorer-back")).to_be_visible()


async def open_search(page: Page) -> None:
    """What a search of the schema finds."""
    await open_explorer(page)
    await page.get_by_role("button", name="Show Documentation Explorer").click()
    await page.locator(".graphiql-doc-explorer").get_by_role("link", name="PageInfo", exact=True).click()
    await page.locator(".graphiql-doc-explorer input").fill("user")
    await expect(page.locator(".graphiql-doc-explorer [role=option]").first).to_be_visible()


async def open_history(page: Page) -> None:
    """What was asked before, one of it being named."""
    await open_explorer(page)
    await page.get_by_role("button", name="Show History").click()
    await expect(page.locator(".graphiql-history-item").first).to_be_visible()


async def open_panes(page: Page) -> None:
    """All of its panes: the schema, two operations, the second being wrong, and the editors of variables and headers."""
    await open_docs(page)
    await page.get_by_role("button", name="Add tab").click()
    await page.evaluate(EDITOR, [".graphiql-query-editor", "{ nothing(a: 1) { here } }"])
    await expect(page.locator(".CodeMirror-lint-mark-error").first).to_be_visible()
    await page.get_by_role("button", name="Headers", exact=True).click()
    await page.evaluate(EDITOR, [".graphiql-editor-tool .graphiql-editor:not(.hidden)", '{"X-Note": "none", "n": 1}'])


async def open_hints(page: Page) -> None:
    """What may be typed here."""
    await open_explorer(page)
    await page.evaluate(EDITOR, [".graphiql-query-editor", "{ "])
    await page.locator(".graphiql-query-editor .CodeMirror").click()
    await page.keyboard.press("Control+End")
    await page.keyboard.press("Control+Space")
    await expect(page.locator(".CodeMirror-hint").first).to_be_visible()


async def open_settings(page: Page) -> None:
    """The dialog of settings."""
    await open_explorer(page)
    await page.get_by_role("button", name="Open settings dialog").click()
    await expect(page.get_by_role("dialog", name="Settings")).to_be_visible()


async def open_short_keys(page: Page) -> None:
    """The dialog of keys."""
    await open_explorer(page)
    await page.get_by_role("button", name="Open short keys dialog").click()
    await expect(page.get_by_role("dialog", name="Short Keys")).to_be_visible()


OPENED: dict[str, Callable[[Page], Awaitable[None]]] = {
    "": open_explorer,
    "search": open_search,
    "history": open_history,
    "panes": open_panes,
    "hints": open_hints,
    "settings": open_settings,
    "short keys": open_short_keys,
}
UNWALKED = ("search", "hints", "settings", "short keys")
"""Of these only what lies over the rest is worked, and it is left as soon as the focus is elsewhere."""


async def stand_in(page: Page) -> None:
    """The explorer of our own, its schema read."""
    await expect(page.locator("#docs summary", has_text="Query")).to_be_visible(timeout=15_000)


async def stand_in_answered(page: Page) -> None:
    """What was asked is answered."""
    await stand_in(page)
    await page.get_by_role("button", name="Run").press("Enter")
    await expect(page.locator("#answer")).to_contain_text("}", timeout=15_000)


async def stand_in_type(page: Page) -> None:
    """A type of the schema, two steps into it."""
    await stand_in(page)
    await page.get_by_role("searchbox", name="Schema").fill("TankAssignmentWhereInput")
    await page.locator("#docs").get_by_role("button", name="TankAssignmentWhereInput").first.press("Enter")
    await page.locator("#docs").get_by_role("button", name="NumberWhereInput").first.press("Enter")
    await expect(page.locator("#docs .path")).to_contain_text("NumberWhereInput")


async def stand_in_refused(page: Page) -> None:
    """Variables that cannot be read."""
    await stand_in(page)
    await page.get_by_label("Variables").fill("{no")
    await page.get_by_role("button", name="Run").press("Enter")
    await expect(page.locator("#state")).to_contain_text("no JSON")


STAND_IN: dict[str, Callable[[Page], Awaitable[None]]] = {
    "": stand_in,
    "answered": stand_in_answered,
    "type": stand_in_type,
    "refused": stand_in_refused,
}
