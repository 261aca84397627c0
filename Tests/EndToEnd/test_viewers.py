"""Viewers of a node: the page in a browser, and clients that keep no rules."""

import contextlib
import functools
import os
import pathlib
import random
import re
import signal
import socket
import struct
import threading
import time

from browser import browser
from harness import (
    HERE, OMEGA, children, deadline, display, folder, free_port, need, node, omega, plain_environment,
    run, screenshot, start, stats, stop, wait_until, wayland_display, window,
)
from test_clients import resident
from viewer import EXACT, VIDEO, Refused, Viewer


def token_file(name: str) -> tuple[str, str]:
    """A new token, and the file that it is in."""
    path = folder() / name
    token = os.urandom(18).hex()
    path.write_text(token + "\n")
    path.chmod(0o600)
    return str(path), token


@contextlib.contextmanager
def shown(*flags: object, listen: str | None = None, environment=None):
    """A node with a page server; gives its process with `.address` and `.page`, HOST:PORT."""
    page = f"127.0.0.1:{free_port()}"
    with node("--view", page, *flags, listen=listen, environment=environment) as process:
        process.page = page
        yield process


@contextlib.contextmanager
def application(served, screen: str | dict, words: list[object], *flags: object):
    """A program on a node's GPU, in a window of `screen`, an X server or what leads to another."""
    variables = screen if isinstance(screen, dict) else {"DISPLAY": screen}
    process = start(
        [OMEGA, "run", "--nodes", served.address, *flags, "--", *words],
        plain_environment(**variables),
    )
    try:
        yield process
    finally:
        stop(process)


def cube(*more: object) -> list[object]:
    """vkcube, for ever."""
    return ["vkcube", *more]


@deadline(180)
def test_page_shows_a_moving_window():
    """The page in a browser shows what an application on another host's node draws, and it moves."""
    with display() as screen, shown() as served, application(served, screen, cube()) as program:
        with browser() as page:
            page.open(f"http://{served.page}/")
            page.wait("omega.frames > 30", 60)
            state = page.state()
            assert (state["width"], state["height"]) == (500, 500), state
            assert state["setting"] == 0, f"no video: {state}"
            assert state["problems"] == [], state
            first = page.pixels()
            page.wait(f"omega.frames > {page.state()['frames'] + 5}")
            second = page.pixels()
            assert first[:2] == second[:2] == (500, 500)
            assert len(set(first[2][i : i + 3] for i in range(0, len(first[2]), 3))) > 100, "no picture"
            assert first[2] != second[2], "the picture stands still"
            assert "vkcube" in page.value("document.title")
        assert program.poll() is None, program.errors()


@deadline(180)
def test_exact_pixels():
    """Without video, and with it once nothing moves, a page shows the application's own pixels, to the last bit."""
    with display() as screen, shown() as served, application(served, screen, cube()) as program:
        with browser() as exact, browser() as video:
            exact.open(f"http://{served.page}/?exact")
            video.open(f"http://{served.page}/")
            for page in (exact, video):
                page.wait("omega.frames > 10", 60)
            assert [page.state()["setting"] for page in (exact, video)] == [1, 0]
            # vkcube stands still at Space.
            exact.press("Space", " ")
            for page in (exact, video):
                wait_until(
                    lambda: page.pixels() == screenshot(screen), 30, "the window's own pixels"
                )
                assert page.state()["problems"] == [], page.state()
        assert program.poll() is None, program.errors()


@functools.cache
def event_log() -> pathlib.Path:
    """programs/event_log.c, compiled."""
    need("gcc")
    program = folder() / "event_log"
    run(["gcc", "-O1", "-o", program, HERE / "programs" / "event_log.c", "-lxcb"])
    return program


def tree(screen: str) -> str:
    return run(["xwininfo", "-root", "-tree"], plain_environment(DISPLAY=screen)).stdout


def named_window(screen: str, name: str) -> int:
    return int(re.search(rf'(0x[0-9a-f]+) "{name}"', tree(screen)).group(1), 16)


@deadline(180)
def test_click_and_key():
    """What a user does in the page reaches the application, where it was done; another's token is for looking."""
    looking, look_token = token_file("view")
    operating, operate_token = token_file("control")
    flags = ("--view-token-file", looking, "--control-token-file", operating)
    with display() as screen, shown(*flags) as served:
        with application(served, screen, cube()) as program, browser() as page:
            page.open(f"http://{served.page}/#{operate_token}")
            page.wait("omega.frames > 5", 60)
            assert operate_token not in page.value("location.href"), "the token stays in the address"
            events = start([event_log(), window(screen)], plain_environment(DISPLAY=screen))

            def expect(line: str, what: str) -> None:
                wait_until(lambda: line in events.errors().splitlines(), 10, what)

            expect("listening", "who writes events down")
            page.click(100, 120)
            expect("press 1 at 100,120", "the click")
            expect("release 1 at 100,120", "its end")
            page.click(499, 0, "right")
            expect("press 3 at 499,0", "a click at the edge")
            page.mouse("mouseWheel", 10, 10, deltaX=0, deltaY=200)
            expect("press 5 at 499,0", "the wheel, where the pointer is")
            page.press("KeyA", "a")
            expect("key 38 down", "the key")
            expect("key 38 up", "its end")

            # A token for looking shows the same, and moves nothing.
            looker = Viewer(served.page, look_token)
            looker.until(lambda v: v.frames > 3, 30, "frames")
            assert looker.rights == 0
            looker.input((3, 1, 1, 50, 50), (3, 0, 1, 50, 50), (1, 1, 47, 0, 0), (1, 0, 47, 0, 0))
            looker.until(lambda v: v.notices, 10, "why nothing happens")
            assert "for looking" in looker.notices[0], looker.notices

            # A key that was held is let go when its viewer vanishes.
            holder = Viewer(served.page, operate_token)
            holder.until(lambda v: v.frames > 0, 30, "frames")
            holder.input((1, 1, 48, 0, 0))
            expect("key 56 down", "the held key")
            assert "key 56 up" not in events.errors()
            holder.close()
            expect("key 56 up", "its release")
            assert "key 55" not in events.errors() and "at 50,50" not in events.errors()
            stop(events)

            # Another window over it, a rectangle: nothing is pressed there.
            cover = start(
                ["xeyes", "+shape", "-geometry", "300x300+150+150"], plain_environment(DISPLAY=screen)
            )
            try:
                wait_until(lambda: "xeyes" in tree(screen), 10, "a window above")
                log = start([event_log(), named_window(screen, "xeyes")], plain_environment(DISPLAY=screen))
                wait_until(lambda: "listening" in log.errors(), 10, "who writes events down")
                page.click(200, 200)
                page.wait("omega.notice !== ''", 10)
                assert "covers" in page.state()["notice"], page.state()
                assert "press" not in log.errors(), log.errors()
            finally:
                stop(cover)

            # vkcube ends by itself at Escape.
            page.press("Escape", "Escape")
            wait_until(lambda: program.poll() is not None, 20, "the end by Escape")
            assert program.poll() == 0, program.errors()
            page.wait("omega.window === 0n", 10)


@deadline(120)
def test_tokens_and_origins():
    """A wrong token, and a page from elsewhere, are refused in words; the right one is not."""
    looking, token = token_file("view")
    with shown("--view-token-file", looking) as served:
        for wrong in ("", "0" * 36):
            viewer = Viewer(served.page, wrong)
            try:
                viewer.until(lambda v: v.rights is not None, 10, "rights")
                raise AssertionError(f"a viewer with the token '{wrong}' was let in")
            except Refused as refused:
                assert "token" in str(refused), refused
        viewer = Viewer(served.page, token)
        viewer.until(lambda v: v.rights is not None, 10, "rights")
        assert viewer.rights == 0
        assert Viewer(served.page, token, Origin="http://elsewhere.example").status == 403
        assert Viewer(served.page, token, Origin=f"http://{served.page}").status == 101
        assert "wrong token" in served.errors()
        assert token not in served.errors()
        with browser() as page:
            page.open(f"http://{served.page}/#not-the-token-that-it-wants")
            page.wait("omega.connection === 'refused'")
            assert "token is wrong" in page.state()["notice"]
            assert page.value("!document.getElementById('token-form').hidden")
            page.value(
                f"(() => {{ document.getElementById('token').value = '{token}';"
                " document.getElementById('token-form').requestSubmit(); })()"
            )
            page.wait("omega.connection === 'open'")
    # Without a token only those are let in who ask for this host by its own name.
    with shown() as served:
        assert Viewer(served.page, Host="rebound.example:80").status == 421
        assert Viewer(served.page, Origin="null").status == 403
        viewer = Viewer(served.page)
        viewer.until(lambda v: v.rights is not None, 10, "rights")
        assert viewer.rights == 1
    refusal = omega(
        "node", "--listen", f"127.0.0.1:{free_port()}", "--view", f"0.0.0.0:{free_port()}", status=125
    )
    assert "--view-token-file" in refusal.stderr, refusal.stderr


@deadline(180)
def test_reconnects():
    """A page that loses its connection, and one whose page server dies, come back by themselves."""
    with display() as screen, shown() as served, application(served, screen, cube()):
        with browser() as page:
            page.open(f"http://{served.page}/")
            page.wait("omega.frames > 5", 60)
            for drop in (
                lambda: page.value("omegaDrop()"),
                lambda: os.kill(process_of(served, "node-pages"), signal.SIGKILL),
            ):
                before = page.state()
                drop()
                page.wait(
                    f"omega.welcomes > {before['welcomes']} && omega.frames > {before['frames'] + 5}", 30
                )
            assert "started again" in served.errors()


@deadline(180)
def test_stalled_viewers():
    """Viewers that stop reading, or never say that they have shown a frame, slow nobody else."""
    with display() as screen, shown() as served, application(served, screen, cube(), "--stats", folder() / "s"):
        stalled = [Viewer(served.page) for _ in range(4)]
        silent = Viewer(served.page)
        healthy = Viewer(served.page)
        # Those that are stalled have begun to look.
        for viewer in stalled:
            viewer.until(lambda v: v.window, 30, "a window")
        healthy.until(lambda v: v.frames > 60, 60, "frames beside stalled viewers")
        silent.until(lambda v: v.frames > 0, 10, "a frame", acknowledges=False)
        # After the few that may be under way nothing more is sent.
        end = time.monotonic() + 2
        count = silent.frames
        silent.socket.settimeout(0.2)
        while time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                silent.step(acknowledges=False)
        assert silent.frames - count <= 8, silent.frames
        presented = stats(folder() / "s")["frames"]
        wait_until(lambda: stats(folder() / "s")["frames"] > presented + 60, 30, "the application's frames")
        # One that has stalled takes up again where the others are.
        before = stalled[0].units
        stalled[0].until(lambda v: v.units > before + 20 and v.frames > 20, 30, "frames after a stall")


@deadline(120)
def test_bad_viewers():
    """Bytes that are no conversation end their own connection alone."""
    with display() as screen, shown() as served, application(served, screen, cube()):
        healthy = Viewer(served.page)
        healthy.until(lambda v: v.frames > 3, 60, "frames")
        bad = {
            "no kind": b"\x99\0\0\0", "cut off": b"\x82\0\0", "empty": b"",
            "too many events": struct.pack("<BBH", 0x84, 255, 0) + bytes(16 * 100),
            "no such key": struct.pack("<BBHBBHiiI", 0x84, 1, 0, 1, 1, 999, 0, 0, 0),
            "far away": struct.pack("<BBHBBHiiI", 0x84, 1, 0, 2, 0, 0, 1 << 30, 0, 0),
            "large": bytes(4096),
        }
        for what, payload in bad.items():
            viewer = Viewer(served.page)
            viewer.until(lambda v: v.rights is not None, 10, "rights")
            viewer.send(payload)
            try:
                viewer.until(lambda v: False, 10, what)
            except (Refused, ConnectionError):
                continue
        for raw in (
            b"\x82\x05hello", b"\xf2\x80\0\0\0\0", b"\x8f\x80\0\0\0\0", b"\x82\xff" + b"\xff" * 8 + b"\0\0\0\0",
            b"\x09\x80\0\0\0\0", b"\x80\x80\0\0\0\0",
        ):
            viewer = Viewer(served.page)
            viewer.socket.sendall(raw)
            try:
                viewer.until(lambda v: False, 10, f"{raw}")
            except (Refused, ConnectionError):
                continue
        for request in (b"\0" * 64 + b"\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"x" * 9000):
            with socket.create_connection(tuple(served.page.split(":")), 10) as connection:
                connection.sendall(request)
                assert connection.recv(100).startswith(b"HTTP/1.1 4"), request[:20]
        count = healthy.frames
        healthy.until(lambda v: v.frames > count + 10, 30, "frames behind it all")
        assert "started again" not in served.errors(), served.errors()


def process_of(served, word: str) -> int:
    """The node's own process that was started as `word`; a new one has its parent's words for a moment."""

    def found() -> int | None:
        for child in children(served.pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if word in open(f"/proc/{child}/cmdline").read().split("\0"):
                    return child
        return None

    return wait_until(found, 10, f"the node's {word}")


class Crowd:
    """Viewers that join, look for a few seconds, and leave: in order, without a word, or after a stall."""

    def __init__(self, served, seconds: float, count: int = 20):
        self.served, self.end = served, time.monotonic() + seconds
        self.joined, self.frames = 0, 0
        self.failures: list[str] = []
        self.lock = threading.Lock()
        self.threads = [
            threading.Thread(target=self.run, args=(random.Random(seed),), daemon=True)
            for seed in range(count)
        ]
        for thread in self.threads:
            thread.start()

    def run(self, chance: random.Random) -> None:
        while time.monotonic() < self.end and not self.failures:
            try:
                self.look(chance)
            except (AssertionError, OSError, Refused) as problem:
                self.failures.append(f"{type(problem).__name__}: {problem}")

    def look(self, chance: random.Random) -> None:
        viewer = Viewer(self.served.page, setting=chance.choice((VIDEO, EXACT)))
        # What the machine can do is no concern of this test, but that everybody sees something is.
        viewer.until(lambda v: v.frames > 0, 60, "a frame for each")
        until = time.monotonic() + chance.uniform(0.5, 4)
        while time.monotonic() < until:
            count = viewer.frames
            viewer.until(lambda v: v.frames > count, 60, "the next frame")
            time.sleep(chance.uniform(0.02, 0.2))
        with self.lock:
            self.joined += 1
            self.frames += viewer.frames
        way = chance.randrange(3)
        if way == 0:
            viewer.socket.sendall(viewer.frame(8, struct.pack(">H", 1000)))
        elif way == 1:
            time.sleep(1)
        viewer.close()

    def wait(self) -> None:
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures


@deadline(240)
def test_viewers_come_and_go():
    """Twenty viewers join and leave for a while, and memory is where it was: `make soak` does so for longer."""
    with display() as screen, shown() as served, application(served, screen, cube()) as program:
        wait_until(lambda: len(children(served.pid)) == 2, 30, "the client's process")
        own = {word: process_of(served, word) for word in ("node-pages", "node-worker")}
        Crowd(served, 15).wait()
        before = {word: resident(process, "RssAnon") for word, process in own.items()}
        crowd = Crowd(served, 30)
        crowd.wait()
        assert crowd.joined >= 20, crowd.joined
        after = {word: resident(process, "RssAnon") for word, process in own.items()}
        for word in own:
            assert after[word] - before[word] < 16 << 10, f"{word}: {before} and then {after} KiB"
        assert program.poll() is None, program.errors()
        came = r"viewer \d+ from \S+ looks on"
        wait_until(
            lambda: len(re.findall(came, served.errors()))
            == len(re.findall(r"viewer \d+ has gone", served.errors())), 20, "everybody's leaving"
        )


@deadline(180)
def test_native_viewer():
    """`omega view` shows the window on another display, to the last bit where it stands still, and operates it."""
    need("xdotool")
    looking, token = token_file("view")
    operating, _ = token_file("control")
    flags = ("--view-token-file", looking, "--control-token-file", operating)
    with display() as screen, display() as other, shown(*flags) as served:
        with application(served, screen, cube()) as program:
            command = [OMEGA, "view", "-v", served.page, "--window", "vkcube", "--token-file"]
            viewer = start([*command, operating], plain_environment(DISPLAY=other))
            try:
                wait_until(lambda: has_window(other), 60, "the viewer's window")
                time.sleep(1)
                assert viewer.poll() is None, viewer.errors()
                run(["xdotool", "mousemove", 250, 250, "key", "space"], plain_environment(DISPLAY=other))
                wait_until(
                    lambda: screenshot(other) == screenshot(screen), 30, "the window's own pixels"
                )
                still = screenshot(screen)
                time.sleep(1)
                assert screenshot(screen) == still, "the cube was not stopped"
                run(["xdotool", "key", "Escape"], plain_environment(DISPLAY=other))
                wait_until(lambda: program.poll() is not None, 20, "the end by Escape")
                assert viewer.poll() is None, "the viewer ended with the application"
            finally:
                stop(viewer)
        wrong, _ = token_file("wrong")
        result = run([*command, wrong], plain_environment(DISPLAY=other), status=125)
        assert "token is wrong" in result.stderr, result.stderr
        result = run(command[:-1], plain_environment(DISPLAY=other), status=125)
        assert "--token-file" in result.stderr, result.stderr
        result = run([*command, operating], plain_environment(), status=125)
        assert "X server" in result.stderr and "browser" in result.stderr, result.stderr


def has_window(screen: str) -> bool:
    return re.search(r"^ +0x[0-9a-f]+ .*500x500", tree(screen), re.M) is not None


@deadline(120)
def test_input_that_goes_nowhere():
    """Where nothing can be operated, the viewer is told why: not wished, no X server, no gamepads."""
    need("vkcube-wayland")
    with display() as screen, shown() as served:
        with application(served, screen, cube(), "--viewer-input", "off"):
            viewer = Viewer(served.page)
            viewer.until(lambda v: v.frames > 0, 60, "a frame")
            viewer.input((1, 1, 30, 0, 0))
            viewer.until(lambda v: v.notices, 10, "why nothing happens")
            assert "takes no input" in viewer.notices[0], viewer.notices
        with wayland_display() as wayland, application(served, wayland, ["vkcube-wayland"]):
            viewer = Viewer(served.page)
            viewer.until(lambda v: v.frames > 0, 60, "a frame")
            viewer.input((1, 1, 30, 0, 0))
            viewer.until(lambda v: v.notices, 10, "why nothing happens")
            assert "not one of an X server" in viewer.notices[0], viewer.notices
        if os.access("/dev/uinput", os.W_OK):
            return
        with application(served, screen, cube()):
            viewer = Viewer(served.page)
            viewer.until(lambda v: v.frames > 0, 60, "a frame")
            viewer.input((6, 1, 0, 0, 0))
            viewer.until(lambda v: v.notices, 10, "why nothing happens")
            assert "/dev/uinput" in viewer.notices[0], viewer.notices
