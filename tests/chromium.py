"""A real headless Chromium, driven over its DevTools protocol.

It sees the fonts of tests/data/fonts alone, and speaks English in UTC, whatever the machine has.
"""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome")
DEADLINE_S = 600.0
WHOLE = (
    "document.styleSheets[0]?.insertRule('section, details { content-visibility: visible !important }',"
    " document.styleSheets[0].cssRules.length)"
)
FONTS = Path(__file__).parent / "data" / "fonts" / "fonts.conf"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--lang=en-US",
    "--remote-debugging-port=0",
)


def find() -> str:
    """The browser's path. Raises RuntimeError that says how to get one."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    raise RuntimeError(
        "no Chromium found: install it (Debian: apt-get install chromium), "
        "or set NPUBENCH_NO_CHROMIUM=1 to leave out the tests of the report in a browser"
    )


@dataclass
class Tab:
    """One page: what it asked the network for, and what it had to complain of."""

    socket: websocket.WebSocket
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    _number: int = 0
    _events: list[dict] = field(default_factory=list)

    def command(self, method: str, **parameters: object) -> dict:
        self._number += 1
        self.socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = self._receive()
            if message.get("id") == self._number:
                assert "error" not in message, (method, message["error"])
                return message["result"]

    def open(self, page: Path, fragment: str = "", whole: bool = True) -> None:
        """Until the load event; `whole`: what is out of sight is laid out too, which browsers leave for later."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.command(f"{domain}.enable")
        self._events.clear()
        self.command("Page.navigate", url=page.resolve().as_uri() + fragment)
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._receive()
        if whole:
            self.evaluate(WHOLE)

    def evaluate(self, expression: str) -> object:
        """The value of an expression in the page, JSON-ready."""
        answer = self.command(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Until a condition holds in the page; an evaluation that a navigation cut off is tried again."""
        ends = time.monotonic() + DEADLINE_S
        while time.monotonic() < ends:
            answer = self.command("Runtime.evaluate", expression=f"Boolean({condition})", returnByValue=True)
            if answer["result"].get("value") is True:
                return
            time.sleep(0.05)
        raise AssertionError(f"never came true: {condition}")

    def resize(self, width: int, height: int = 900, phone: bool = False) -> None:
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )

    def prefer(self, scheme: str, media: str = "") -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.command("Emulation.setEmulatedMedia", media=media, features=features)

    def press(self, key: str, code: int) -> None:
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.command(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text
            )

    def screenshot(self, whole: bool = True) -> bytes:
        """PNG."""
        return base64.b64decode(self.command("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def pdf(self) -> bytes:
        return base64.b64decode(self.command("Page.printToPDF", preferCSSPageSize=True)["data"])

    def _receive(self) -> dict:
        message = json.loads(self.socket.recv())
        method, parameters = message.get("method"), message.get("params", {})
        if method is not None:
            self._events.append(message)
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(parameters["exceptionDetails"]))
        elif method in ("Runtime.consoleAPICalled", "Log.entryAdded"):
            self.complaints.append(json.dumps(parameters))
        elif method == "Page.javascriptDialogOpening":
            self.complaints.append(f"dialog: {parameters['message']}")
            self.socket.send(
                json.dumps({"id": 0, "method": "Page.handleJavaScriptDialog", "params": {"accept": True}})
            )
        return message


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[str]:
    """Start a browser with a new profile; its DevTools address. It ends with the block."""
    own = {
        "FONTCONFIG_FILE": str(FONTS),
        "XDG_CACHE_HOME": str(profile / "cache"),
        "TZ": "UTC",
        "LANG": "C.UTF-8",
        # Its socket's path has 107 bytes at most.
        "TMPDIR": "/tmp",
    }
    process = subprocess.Popen(
        [find(), *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        env={name: value for name, value in os.environ.items() if name[:3] != "LC_"} | own,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        yield _address(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()
        process.stderr.close()


@contextlib.contextmanager
def tab(address: str) -> Iterator[Tab]:
    """A new tab of the browser at `address`."""
    with contextlib.closing(_connect(address)) as whole:
        opened = Tab(whole).command("Target.createTarget", url="about:blank")["targetId"]
        host = address.split("/devtools/")[0]
        with contextlib.closing(_connect(f"{host}/devtools/page/{opened}")) as page:
            yield Tab(page)
        Tab(whole, _number=1000).command("Target.closeTarget", targetId=opened)


def _connect(address: str) -> websocket.WebSocket:
    return websocket.create_connection(
        address, timeout=DEADLINE_S, suppress_origin=True, http_no_proxy=["127.0.0.1", "localhost"]
    )


def _address(process: subprocess.Popen[str]) -> str:
    """Chromium says its address on stderr; reading ends when it dies."""
    said = []
    for line in process.stderr:
        said.append(line)
        if "DevTools listening on " in line:
            return line.split("DevTools listening on ")[1].strip()
    raise RuntimeError(f"{process.args[0]} ended before it was ready: {''.join(said)[-2000:]}")
