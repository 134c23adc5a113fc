"""A headless Chromium or Firefox, started once, to which tests say what to open and evaluate."""

import base64
import contextlib
import fcntl
import itertools
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import time

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
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


# A script sees what a page declares, and its policy lets one run, though not eval().
IN_A_SCRIPT = """
const [expression, done] = arguments;
const script = document.createElement("script");
script.textContent = `window.answer = (async () => JSON.stringify(await (${expression})))()`;
document.head.append(script);
script.remove();
window.answer.then(value => done({ value }), error => done({ error: String(error) }));"""
WEBDRIVER_KEYS = {
    "ArrowLeft": "\ue012",
    "ArrowUp": "\ue013",
    "ArrowRight": "\ue014",
    "ArrowDown": "\ue015",
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
        while self.run("document.readyState") != "complete":  # the event was the last page's
            assert time.monotonic() < deadline

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


class Firefox:
    """Firefox, spoken to by Marionette, its remote control: JSON over a socket, its length before.

    `open`, `run`, `press` and `mouse` are those of Browser, but that `run` takes no statements.
    """

    def __init__(self, profile):
        (profile / "user.js").write_text('user_pref("marionette.port", 0);')  # any that is free
        command = [FIREFOX, "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, **quiet)
        self.numbers = itertools.count(1)
        port = profile / "MarionetteActivePort"
        deadline = time.monotonic() + 60
        while not (port.exists() and port.read_text()):
            if time.monotonic() > deadline:
                self.process.kill()
                raise TimeoutError("Firefox does not start")
            time.sleep(0.05)
        self.socket = socket.create_connection(("127.0.0.1", int(port.read_text())), 60)
        self.stream = self.socket.makefile("rb")
        self.read()  # its greeting
        self.ask("WebDriver:NewSession")

    def read(self):
        """Return the next message of Firefox."""
        digits = b""
        while not digits.endswith(b":"):
            digit = self.stream.read(1)
            if not digit:
                raise EOFError("Firefox has ended")
            digits += digit
        return json.loads(self.stream.read(int(digits[:-1])))

    def ask(self, command, **params):
        """Give a command and return its result."""
        data = json.dumps([0, next(self.numbers), command, params]).encode()
        self.socket.sendall(b"%d:%b" % (len(data), data))
        _, _, error, result = self.read()
        if error:
            raise RuntimeError(f"{command}: {error}")
        return result

    def open(self, path):
        """Open a file and wait until it is loaded."""
        self.ask("WebDriver:Navigate", url=path.absolute().as_uri())

    def run(self, expression):
        """Evaluate JavaScript in the page, wait for a promise, and return its value."""
        asked = {"script": IN_A_SCRIPT, "args": [expression], "sandbox": None}
        answer = self.ask("WebDriver:ExecuteAsyncScript", **asked)["value"]
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return json.loads(answer.get("value") or "null")

    def act(self, kind, *actions):
        """Perform actions of WebDriver with a mouse or a keyboard."""
        sources = [{"type": kind, "id": kind, "actions": actions}]
        self.ask("WebDriver:PerformActions", actions=sources)

    def press(self, key):
        """Press and release a key, by its name such as ArrowRight."""
        value = WEBDRIVER_KEYS[key]
        self.act("key", {"type": "keyDown", "value": value}, {"type": "keyUp", "value": value})

    def mouse(self, kind, x, y):
        """Press, move or release the left button: mousePressed, mouseMoved or mouseReleased."""
        actions = [{"type": "pointerMove", "x": round(x), "y": round(y), "duration": 0}]
        if kind != "mouseMoved":
            name = {"mousePressed": "pointerDown", "mouseReleased": "pointerUp"}[kind]
            actions.append({"type": name, "button": 0})
        self.act("pointer", *actions)

    def close(self):
        """End Firefox."""
        with contextlib.suppress(Exception):
            self.ask("Marionette:Quit", flags=["eForceQuit"])
        self.stream.close()
        self.socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        if self.process.poll() is None:
            self.process.kill()
