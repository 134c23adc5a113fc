"""A headless Chromium, started once, to which tests say what to open and what to evaluate."""

import base64
import contextlib
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = """
    --headless --no-sandbox --disable-gpu --remote-debugging-pipe --no-first-run --hide-scrollbars
""".split()
# Chromium reads the protocol from its file descriptor 3 and writes to 4. The pipes are not put
# there in this process, where others may be open under these numbers.
LAUNCH = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])"""
KEYS = {
    "Backspace": 8,
    "Tab": 9,
    "Enter": 13,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
}


def running(profile):
    """Yield a Browser whose profile lies in the folder `profile`, and close it afterwards."""
    if not CHROMIUM:
        raise FileNotFoundError("Chromium is not installed: apt-get install chromium")
    browser = Browser(profile)
    try:
        yield browser
    finally:
        browser.close()


class Browser:
    """Chromium, spoken to in its DevTools protocol: JSON over two pipes, a 0 after each message."""

    def __init__(self, profile):
        self.numbers = itertools.count(1)
        self.events = []
        self.buffer = b""
        self.session = None
        theirs_in, self.output = os.pipe()
        self.input, theirs_out = os.pipe()
        # Above 4, so that one does not replace the other when they become 3 and 4.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (theirs_in, theirs_out)]
        command = [sys.executable, "-S", "-c", LAUNCH, *map(str, high), CHROMIUM, *FLAGS]
        command.append(f"--user-data-dir={profile}")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, pass_fds=high, **quiet)
        for fd in (theirs_in, theirs_out, *high):
            os.close(fd)
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.ask(f"{domain}.enable")

    def read(self, deadline):
        """Return the next message of Chromium, a dict."""
        while b"\0" not in self.buffer:
            seconds = max(0, deadline - time.monotonic())
            ready, _, _ = select.select([self.input], [], [], seconds)
            if not ready:
                raise TimeoutError("Chromium does not answer")
            part = os.read(self.input, 2**20)
            if not part:
                raise EOFError("Chromium has ended")
            self.buffer += part
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def ask(self, method, seconds=60, **params):
        """Call a method of the protocol and return its result; keep the events that come first."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        deadline = time.monotonic() + seconds
        data = json.dumps(message).encode() + b"\0"
        while data:
            written = os.write(self.output, data)
            data = data[written:]
        reply = self.read(deadline)
        while reply.get("id") != number:
            self.events.append(reply)
            reply = self.read(deadline)
        if "error" in reply:
            raise RuntimeError(f"{method}: {reply['error']}")
        return reply["result"]

    def open(self, path):
        """Open a file and wait until it is loaded."""
        self.events.clear()
        self.ask("Page.navigate", url=path.absolute().as_uri())
        deadline = time.monotonic() + 60
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.read(deadline))

    def run(self, expression, seconds=60):
        """Evaluate JavaScript in the page, wait for a promise, and return its value."""
        asked = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        reply = self.ask("Runtime.evaluate", seconds, **asked, userGesture=True)
        if "exceptionDetails" in reply:
            raise RuntimeError(str(reply["exceptionDetails"])[:2000])
        return reply["result"].get("value")

    def press(self, key):
        """Press and release a key, by its name such as Tab or ArrowRight, or a digit."""
        texts = {"Enter": "\r"} | {digit: digit for digit in "0123456789"}
        event = {"key": key, "windowsVirtualKeyCode": KEYS.get(key, ord(key[0]))}
        event["code"] = key if key in KEYS else f"Digit{key}"
        down = dict(event)
        if key in texts:
            down["text"] = texts[key]
        self.ask("Input.dispatchKeyEvent", type="keyDown", **down)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **event)

    def mouse(self, kind, x, y):
        """Press, move or release the left button: mousePressed, mouseMoved or mouseReleased."""
        held = {"button": "left", "buttons": int(kind != "mouseReleased"), "clickCount": 1}
        self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **held)

    def resize(self, width, height):
        """Give the page a window of some size; below 600 pixels it is that of a telephone."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.ask("Emulation.setDeviceMetricsOverride", **size)

    def screenshot(self, path, width, height, dark=False, whole=True):
        """Write a picture of the page in a window of some size to a file."""
        self.resize(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        taken = self.ask("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(taken["data"]))

    def requests(self):
        """Return the addresses that the page has asked for since it was opened."""
        asked = [e for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in asked]

    def close(self):
        """End Chromium."""
        with contextlib.suppress(Exception):
            self.ask("Browser.close", 5)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        if self.process.poll() is None:
            self.process.kill()
        os.close(self.output)
        os.close(self.input)
