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
LAUNCH = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])"""


class Browser:
    """Chromium, spoken to in its DevTools protocol: JSON over two pipes, each message ended by 0.

    The pipes are its file descriptors 3 and 4, and are lifted out of their way here.
    """

    def __init__(self, profile, *flags):
        self.numbers, self.events, self.buffer = itertools.count(1), [], b""
        (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (theirs_in, theirs_out)]
        os.close(theirs_in), os.close(theirs_out)
        self.out, self.input = ours_out, ours_in
        flags += ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe")
        flags += (f"--user-data-dir={profile}", "--no-first-run", "--hide-scrollbars")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        command = [sys.executable, "-S", "-c", LAUNCH, *map(str, high), CHROMIUM, *flags]
        self.process = subprocess.Popen(command, pass_fds=high, **quiet)
        for fd in high:
            os.close(fd)
        self.session = None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.ask(f"{domain}.enable")

    def read(self, deadline):
        """Return the next message of Chromium, a dict."""
        while b"\0" not in self.buffer:
            if not select.select([self.input], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError("Chromium does not answer")
            part = os.read(self.input, 2**20)
            if not part:
                raise EOFError("Chromium has ended")
            self.buffer += part
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def ask(self, method, seconds=60, **params):
        """Call a method of the protocol and return its result; keep the events that come first."""
        message = {"id": next(self.numbers), "method": method, "params": params}
        message |= {"sessionId": self.session} if self.session else {}
        data, deadline = json.dumps(message).encode() + b"\0", time.monotonic() + seconds
        while data:
            data = data[os.write(self.out, data) :]
        while (reply := self.read(deadline)).get("id") != message["id"]:
            self.events.append(reply)
        if "error" in reply:
            raise RuntimeError(f"{method}: {reply['error']}")
        return reply["result"]

    def open(self, path):
        """Open a file and wait until it is loaded."""
        self.events.clear()
        self.ask("Page.navigate", url=path.absolute().as_uri())
        deadline = time.monotonic() + 60
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self.read(deadline))

    def run(self, expression, seconds=60):
        """Evaluate JavaScript in the page, wait for a promise, and return its value."""
        asked = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        reply = self.ask("Runtime.evaluate", seconds, **asked, userGesture=True)
        if "exceptionDetails" in reply:
            raise RuntimeError(str(reply["exceptionDetails"])[:2000])
        return reply["result"].get("value")

    def press(self, key):
        """Press and release a key, by its name such as Tab or ArrowRight."""
        codes = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowRight": 39, "ArrowDown": 40}
        more = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        more |= {"text": "\r"} if key == "Enter" else {}
        self.ask("Input.dispatchKeyEvent", type="keyDown", **more)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **more)

    def screenshot(self, path, width, height, dark=False, whole=True):
        """Write a picture of the page in a window of some size to a file."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.ask("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        taken = self.ask("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(taken["data"]))

    def requests(self):
        """Return the addresses that the page has asked for since it was opened."""
        asked = [e for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in asked]

    def close(self):
        with contextlib.suppress(Exception):
            self.ask("Browser.close", 5)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        if self.process.poll() is None:
            self.process.kill()
        os.close(self.out), os.close(self.input)
