"""How a board of thousands of rows scrolls while its rows change, beside a plain page of as many rows that stand still.

    python -m tests.bench.scroll [--rows 5000] [--writes 20] [--distance 30000] [--speed 3000]

Prints and asserts nothing. The same gesture (pixels, pixels a second) is made on each, in one browser, one after another.
"frame": time between two frames as the page sees it (without a GPU the drawing of pixels is in it). "main": CPU that the page's
main thread took for a frame, by Chromium's own trace: script, style, layout and the preparation of paint, whatever the pixels
cost and whoever else has the machine. "long": tasks over 50 ms. At the end of each line the kinds of work, in ms a frame.
"""

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Browser, Page, async_playwright

from app.config import Settings
from app.core.wire import Object, pointer
from app.store.database import ensure_embedded, release_embedded, with_database
from tests.bench.rest import APP_ID, MASTER_KEY, _prepare_postgres, _until_it_answers, careboard
from tests.browser.visit import ARGUMENTS, PASSWORD, be_live, require_chromium, visit

HEADERS = {"X-Parse-Application-Id": APP_ID, "X-Parse-Master-Key": MASTER_KEY}
TRACE = ["devtools.timeline", "disabled-by-default-devtools.timeline", "toplevel"]
WORK = {"FunctionCall": "script", "UpdateLayoutTree": "style", "Layout": "layout", "PrePaint": "paint", "Paint": "paint"}

WATCH = """() => {
  window.frames_ = []; window.long_ = 0; let last = performance.now();
  new PerformanceObserver((list) => (window.long_ += list.getEntries().length)).observe({ entryTypes: ["longtask"] });
  const step = (at) => { window.frames_.push(at - last); last = at; requestAnimationFrame(step); };
  requestAnimationFrame(step);
}"""

PLAIN = """(count) => {
  document.body.style.margin = 0;
  const list = document.createElement("div");
  list.id = "list";
  list.style = "height: 100vh; overflow: auto; font: 14px system-ui";
  for (let index = 0; index < count; index += 1) {
    const row = document.createElement("div");
    row.style = "display: grid; grid-template-columns: repeat(8, 1fr); height: 48px; border-bottom: 1px solid #ddd";
    for (let column = 0; column < 8; column += 1) {
      row.append(Object.assign(document.createElement("span"), { textContent: `${index} · ${column}` }));
    }
    list.append(row);
  }
  document.body.replaceChildren(list);
}"""


@dataclass
class Sight:
    """What was seen of one page."""

    frames: Sequence[float]
    long: int
    main: Sequence[float]
    work: Mapping[str, float]
    nodes: int

    def line(self, name: str) -> str:
        """One line of the table."""
        work = " ".join(f"{kind} {total / max(1, len(self.main)):.2f}" for kind, total in sorted(self.work.items()))
        cells = (len(self.frames), *_three(self.frames), self.long, *_three(self.main), self.nodes)
        told = (f"{cell:>10.1f}" if isinstance(cell, float) else f"{cell:>10,}" for cell in cells)
        return f"{name:<18}{''.join(told)}   {work}"


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    ordered = sorted(values) or [0.0]
    return statistics.median(ordered), ordered[int(len(ordered) * 0.95)], ordered[-1]


async def fill(url: str, rows: int) -> list[str]:
    """A fleet of so many tanks; their ids."""
    chance = random.Random(11)
    async with httpx.AsyncClient(base_url=f"{url}/parse", headers=HEADERS, timeout=120) as client:

        async def make(path: str, body: Object) -> str:
            answer = await client.post(path, json=body)
            assert answer.is_success, answer.text
            return str(answer.json()["objectId"])

        account: Object = {"username": "admin", "password": PASSWORD, "email": "a@example.com", "role": "admin", "active": True}
        admin = await make("/users", account)
        driver = await make("/users", {**account, "username": "will", "email": "w@example.com", "role": "driver"})
        place: Object = {"addressLine1": "1 Shore Dr", "city": "Alameda", "region": "CA", "postalCode": "94501"}
        sites = [
            await make("/classes/PatientSite", {**place, "siteName": f"Site {number}", "primaryContact": pointer("_User", admin)})
            for number in range(40)
        ]
        found: list[str] = []
        for start in range(0, rows, 50):
            requests = [
                {
                    "method": "POST",
                    "path": "/parse/classes/TankAssignment",
                    "body": {
                        "tankSerialNumber": f"OX-{start + number:05}",
                        "psiLevel": chance.randint(150, 2000),
                        "status": "in_use",
                        "cylinderSize": "E",
                        "flowLpm": 2,
                        "assignedSite": pointer("PatientSite", chance.choice(sites)),
                        "assignedDriver": pointer("_User", driver),
                    },
                }
                for number in range(min(50, rows - start))
            ]
            answer = await client.post("/batch", json={"requests": requests})
            assert answer.is_success, answer.text
            found += [each["success"]["objectId"] for each in answer.json()]
        return found


async def write(url: str, tanks: Sequence[str], a_second: float) -> None:
    """Readings of random tanks until cancelled."""
    chance, begun, sent = random.Random(5), time.monotonic(), 0
    async with httpx.AsyncClient(base_url=f"{url}/parse", headers=HEADERS, timeout=20) as client:
        while a_second:
            body = {"psiLevel": chance.randint(150, 2000)}
            await client.put(f"/classes/TankAssignment/{chance.choice(tanks)}", json=body)
            sent += 1
            await asyncio.sleep(max(0.0, begun + sent / a_second - time.monotonic()))


async def scroll(browser: Browser, page: Page, distance: int, speed: int) -> Sight:
    """One gesture down the list, watched."""
    session = await page.context.new_cdp_session(page)
    await page.evaluate(WATCH)
    await page.wait_for_timeout(300)
    await page.evaluate("() => { window.frames_.length = 0; window.long_ = 0; }")
    await browser.start_tracing(page=page, categories=TRACE)
    await session.send(
        "Input.synthesizeScrollGesture",
        {"x": 500, "y": 500, "yDistance": -distance, "speed": speed, "gestureSourceType": "mouse"},
    )
    frames, long = await page.evaluate("() => [window.frames_.slice(), window.long_]")
    trace = json.loads(await browser.stop_tracing())["traceEvents"]
    nodes = await page.evaluate("document.querySelectorAll('*').length")
    main, work = _of_main_thread(trace)
    return Sight(frames, int(long), main, work, int(nodes))


def _of_main_thread(trace: Sequence[Mapping[str, Any]]) -> tuple[list[float], dict[str, float]]:
    """Milliseconds of CPU in each frame of the busiest page's main thread, and the kinds of work in all."""
    commits = Counter((each["pid"], each["tid"]) for each in trace if each["name"] == "Commit")
    if not commits:
        return [], {}
    thread = commits.most_common(1)[0][0]
    own = [each for each in trace if (each["pid"], each["tid"]) == thread]
    ends = sorted(each["ts"] for each in own if each["name"] == "Commit")
    frames = [0.0] * len(ends)
    for each in own:
        if each["name"] == "RunTask" and (at := bisect_left(ends, each["ts"])) < len(frames):
            frames[at] += _cpu(each)
    work: dict[str, float] = {}
    for each in own:
        if kind := WORK.get(each["name"]):
            work[kind] = work.get(kind, 0.0) + _cpu(each)
    return frames, work


def _cpu(event: Mapping[str, Any]) -> float:
    return float(event.get("tdur", event.get("dur", 0))) / 1000


async def compare(url: str, tanks: Sequence[str], given: argparse.Namespace) -> None:
    """The board at rest, the board with events, the plain page: the same gesture on each."""
    heads = ("frames", "frame p50", "p95", "most", "long", "main p50", "p95", "most", "nodes")
    print(f"{'ms':<18}" + "".join(f"{head:>10}" for head in heads))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=require_chromium(), args=ARGUMENTS)
        size: Any = {"width": 1440, "height": 900}
        plain = await (await browser.new_context(viewport=size)).new_page()
        await plain.evaluate(PLAIN, len(tanks))
        await plain.wait_for_timeout(1000)
        print((await scroll(browser, plain, given.distance, given.speed)).line("plain page"))
        await plain.context.close()
        for name, writes in (("board at rest", 0), (f"board, {given.writes}/s", given.writes)):
            page, _ = await visit(browser, url, "admin", "/boards/oxygen", viewport=size)
            await be_live(page)
            await page.wait_for_timeout(3000)
            writer = asyncio.create_task(write(url, tanks, writes))
            await page.wait_for_timeout(1000)
            print((await scroll(browser, page, given.distance, given.speed)).line(name))
            writer.cancel()
            with suppress(asyncio.CancelledError):
                await writer
            await page.context.close()
        await browser.close()


async def main(given: argparse.Namespace, folder: Path) -> None:
    settings = Settings(data_dir=folder)
    url = await ensure_embedded(settings)
    with ExitStack() as running:
        running.callback(release_embedded, settings.postgres_dir)
        await _prepare_postgres(url)
        server = running.enter_context(careboard(with_database(url, "bench_careboard"), folder))
        await _until_it_answers(server)
        there = f"http://127.0.0.1:{server.port}"
        await compare(there, await fill(there, given.rows), given)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--writes", type=int, default=20, help="a second, while the board is scrolled")
    parser.add_argument("--distance", type=int, default=30_000)
    parser.add_argument("--speed", type=int, default=3000)
    with tempfile.TemporaryDirectory(prefix="careboard-bench-") as name:
        asyncio.run(main(parser.parse_args(), Path(name)))
