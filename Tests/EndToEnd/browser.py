"""A headless Chromium that a test operates, by the protocol of its developer tools over a pipe."""

import base64
import contextlib
import json
import os
import select
import subprocess
import time

from harness import folder, need, patience, plain_environment, stop


class Page:
    """One tab. Whatever goes wrong in the browser is an AssertionError."""

    def __init__(self, process, reader: int, writer: int):
        self.process, self.reader, self.writer = process, reader, writer
        self.pending = b""
        self.count = 0
        self.session = None
        # What the page's console has said.
        self.lines: list[str] = []

    def read(self, seconds: float) -> dict | None:
        end = time.monotonic() + seconds
        while b"\0" not in self.pending:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.reader], [], [], left)[0]:
                return None
            piece = os.read(self.reader, 1 << 20)
            assert piece, f"the browser has ended\n{self.process.errors()[-2000:]}"
            self.pending += piece
        message, self.pending = self.pending.split(b"\0", 1)
        return json.loads(message)

    def call(self, method: str, **parameters) -> dict:
        """Calls a command, and gives its result."""
        self.count += 1
        request = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.writer, json.dumps(request).encode() + b"\0")
        end = time.monotonic() + 30 * patience()
        while time.monotonic() < end:
            answer = self.read(1)
            if answer is None:
                continue
            if answer.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
                self.lines.append(json.dumps(answer["params"])[:2000])
            if answer.get("id") == self.count:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
        raise AssertionError(f"the browser does not answer {method}")

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def value(self, expression: str):
        """What a script gives, or what its promise does."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, f"{expression}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = 20):
        """Polls until a script gives something true, and gives that."""
        end = time.monotonic() + seconds * patience()
        while time.monotonic() < end:
            # Before the page is there, nothing is true.
            found = self.value(f"typeof omega !== 'undefined' && ({expression})")
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(
            f"{expression}: not within {seconds} s; the page: {self.value(STATE)} {self.lines[-5:]}"
        )

    def state(self) -> dict:
        """What the viewer's page knows."""
        return json.loads(self.value(STATE) or "{}")

    def pixels(self) -> tuple[int, int, bytes]:
        """Width, height and RGB bytes of the picture in the page."""
        width, height, text = self.value(PIXELS)
        data = base64.b64decode(text)
        rgb = bytearray(width * height * 3)
        for i in range(3):
            rgb[i::3] = data[i::4]
        return width, height, bytes(rgb)

    # --- A user's hands

    def place(self, x: float, y: float) -> dict:
        """Where a place of the picture, in its pixels, is on the page."""
        return self.value(
            "(() => { const c = document.getElementById('picture'), b = c.getBoundingClientRect();"
            f"return {{x: b.left + {x + 0.5} * b.width / omega.width,"
            f" y: b.top + {y + 0.5} * b.height / omega.height}}; }})()"
        )

    def mouse(self, kind: str, x: float, y: float, **more) -> None:
        self.call("Input.dispatchMouseEvent", type=kind, **self.place(x, y), **more)

    def click(self, x: float, y: float, button: str = "left") -> None:
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y, button=button, clickCount=1)
        self.mouse("mouseReleased", x, y, button=button, clickCount=1)

    def key(self, kind: str, code: str, key: str) -> None:
        self.call("Input.dispatchKeyEvent", type=kind, code=code, key=key)

    def press(self, code: str, key: str) -> None:
        self.key("keyDown", code, key)
        self.key("keyUp", code, key)


STATE = (
    "typeof omega === 'undefined' ? '{}' :"
    " JSON.stringify(omega, (k, v) => typeof v === 'bigint' ? String(v) : v)"
)
PIXELS = """(() => {
  const from = document.getElementById('picture');
  const copy = new OffscreenCanvas(from.width, from.height);
  const context = copy.getContext('2d', {willReadFrequently: true});
  context.drawImage(from, 0, 0);
  const data = context.getImageData(0, 0, from.width, from.height).data;
  let text = '';
  for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
  return [from.width, from.height, btoa(text)];
})()"""


@contextlib.contextmanager
def browser(*flags: str):
    """A browser with one tab."""
    need("chromium")
    # The browser reads its descriptor 3 and writes to 4.
    own_reader, browser_writer = os.pipe()
    browser_reader, own_writer = os.pipe()
    log = folder() / f"chromium-{own_reader}.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [
                "bash", "-c", f'exec "$@" 3<&{browser_reader} 4>&{browser_writer}', "-",
                "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--remote-debugging-pipe", "--no-first-run", "--disable-background-networking",
                "--window-size=1000,800", f"--user-data-dir={folder() / 'chromium'}-{own_reader}", *flags,
                "about:blank",
            ],
            env=plain_environment(HOME=folder()),
            pass_fds=[browser_reader, browser_writer],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
        )
    process.errors = lambda: log.read_text(errors="replace")
    os.close(browser_reader)
    os.close(browser_writer)
    page = Page(process, own_reader, own_writer)
    try:
        targets = page.call("Target.getTargets")["targetInfos"]
        target = next(one["targetId"] for one in targets if one["type"] == "page")
        page.session = page.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page.call("Page.enable")
        page.call("Runtime.enable")
        page.call("Emulation.setFocusEmulationEnabled", enabled=True)
        yield page
    finally:
        with contextlib.suppress(AssertionError, OSError):
            page.session = None
            page.call("Browser.close")
        stop(process)
        os.close(own_reader)
        os.close(own_writer)
