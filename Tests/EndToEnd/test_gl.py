"""OpenGL from outside: GLX and EGL as programs see them, and frames that equal a native run's.

Native runs draw with the machine's own Mesa, llvmpipe as the node does, so that pictures are equal
byte for byte.
"""

import functools
import os
import pathlib
import re
import subprocess

from harness import (
    BUILD, HERE, OMEGA, Skip, deadline, display, folder, frames_of, need, omega, plain_environment,
    read_ppm, run, screenshot, start, stop, verdicts, wait_until,
)

GUEST = HERE / "programs" / "gl_guest.py"
LIBRARIES = BUILD / "lib" / "omega" / "gl"
NAMES = [
    "libGL.so.1", "libGLX.so.0", "libOpenGL.so.0", "libEGL.so.1", "libGLESv1_CM.so.1",
    "libGLESv2.so.2",
]


def guest(*words: object) -> list[object]:
    return ["python3", GUEST, *words]


def native(*words: object, screen: str, **options) -> str:
    environment = plain_environment(DISPLAY=screen, LIBGL_ALWAYS_SOFTWARE=1)
    return run(guest(*words), environment, **options).stdout


def ours(*words: object, screen: str, **options) -> str:
    return omega(
        "run", "-q", "--", *guest(*words), environment=plain_environment(DISPLAY=screen), **options
    ).stdout


def preloaded(**extra: object) -> dict[str, str]:
    """The environment that `omega run` gives, without an agent: no context can be made."""
    return plain_environment(
        LD_PRELOAD=":".join(str(LIBRARIES / name) for name in NAMES), LD_LIBRARY_PATH=LIBRARIES,
        OMEGA_AGENT=folder() / "nobody.sock", **extra,
    )


# --- Libraries


def dynamic(path: pathlib.Path) -> str:
    need("readelf")
    return run(["readelf", "-dW", path]).stdout


def exported() -> set[str]:
    lines = run(["readelf", "--dyn-syms", "-W", LIBRARIES / "libGLShim_omega.so"]).stdout
    return {
        line.split()[-1]
        for line in lines.splitlines()
        if " GLOBAL " in line and " UND " not in line and len(line.split()) == 8
    }


def test_names_lead_to_one_library():
    for name in NAMES:
        text = dynamic(LIBRARIES / name)
        assert f"soname: [{name}]" in text and "[libGLShim_omega.so]" in text, text
        assert "$ORIGIN" in text, text
    text = dynamic(LIBRARIES / "libGLShim_omega.so")
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", text)
    assert set(needed) <= {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"}, needed


def test_every_symbol_is_found():
    """A program brings no library of its own: not even libm, which many have by accident."""
    assert not run(["true"], preloaded(LD_BIND_NOW=1)).stderr


def test_only_opengl_is_exported():
    strange = {name for name in exported() if not re.match(r"(gl|glX|egl)[A-Z]|__(glx|egl)_", name)}
    assert not strange, strange


def test_every_export_has_an_address():
    names = sorted(name for name in exported() if not name.startswith("__"))
    result = subprocess.run(
        [str(word) for word in guest("names")], env=preloaded(), input="\n".join(names),
        capture_output=True, text=True, check=True,
    )
    for line in result.stdout.splitlines():
        assert line.endswith("True True True"), line


def test_unknown_names_have_none():
    result = subprocess.run(
        [str(word) for word in guest("names")], env=preloaded(),
        input="glNoSuchThingEXT\nglXNoSuchThing\neglNoSuchThing\nmain\n", capture_output=True,
        text=True, check=True,
    )
    assert result.stdout.count(" False True None") == 4, result.stdout


def test_every_way_of_loading():
    names = NAMES + ["libGL.so", "libEGL.so", "libGLESv2.so", "libGLX.so", "libOpenGL.so"]
    lines = run(guest("opens", *names), preloaded()).stdout.splitlines()
    assert len(lines) == 4 * len(names)
    for line in lines:
        assert line.endswith(" True libGLShim_omega.so"), line


def test_without_an_agent():
    """A context that cannot be made is an error that the program is told of, and soon."""
    need("glxgears")
    with display() as screen:
        result = run(["glxgears"], preloaded(DISPLAY=screen), seconds=20, status=None)
    assert result.returncode == 1 and "BadAlloc" in result.stderr, result.stderr


# --- Configs and errors


def test_configs_are_the_servers():
    with display() as screen:
        wanted = native("configs", screen=screen)
        found = run(guest("configs"), preloaded(DISPLAY=screen)).stdout
    assert found == wanted


def test_visuals_are_chosen_as_natively():
    with display() as screen:
        wanted = native("visuals", screen=screen)
        found = run(guest("visuals"), preloaded(DISPLAY=screen)).stdout
    assert found == wanted


def test_server_without_glx():
    with display("800x600x24", "-extension", "GLX") as screen:
        found = run(guest("configs"), preloaded(DISPLAY=screen)).stdout
        chosen = run(guest("visuals"), preloaded(DISPLAY=screen)).stdout
    assert found.count("\n") > 100 and "[4, 5, 12, 1, 13, 1] 24 4 " in chosen


def test_other_depths():
    for depth in (16, 30):
        with display(f"640x480x{depth}") as screen:
            chosen = run(guest("visuals"), preloaded(DISPLAY=screen), status=None).stdout
        assert f"[4, 5] {depth} 4 " in chosen, chosen


def test_error_events():
    expected = [
        "window of nothing core 3",
        "pixmap of nothing core 4",
        "no window destroyed GLX 12",
        "no pbuffer destroyed GLX 10",
        "a drawable without a context core 8",
        "a window",
        "the same window",
        "text GLXBadFBConfig",
        "context [8337, 3, 8338, 7] False core 8",
        "context [8337, 9] False core 8",
        "context [37158, 64] False GLX 13",
        "context [8340, 128] False core 2",
        "context [4660, 1] False core 2",
        "context [8337, 2, 8338, 1, 8340, 2] False core 8",
    ]
    for options in ((), ("-extension", "GLX")):
        with display("640x480x24", *options) as screen:
            found = run(guest("errors"), preloaded(DISPLAY=screen)).stdout.splitlines()
        assert found == expected, found


def test_egl_errors():
    wanted = run(guest("egl_errors"), plain_environment()).stdout
    assert run(guest("egl_errors"), preloaded()).stdout == wanted


# What EGL's configs have of ours alone: swap intervals are told elsewhere, and windows that are seen
# through have configs too.
def test_egl_configs():
    with display() as screen:
        for platform, more in ((0x31D5, 10), (0x31DD, 0)):
            wanted = native("egl_configs", platform, screen=screen).splitlines()
            # Floating point is not offered.
            wanted = [line for line in wanted if "red=16" not in line]
            found = run(guest("egl_configs", platform), preloaded(DISPLAY=screen)).stdout
            lines = found.splitlines()
            assert lines[: len(wanted)] == wanted and len(lines) == len(wanted) + more


# --- Drawing


def shot(process, screen: str):
    wait_until(lambda: "drawn" in process.errors(), 60, "the picture")
    return screenshot(screen)


def picture(words: list[object], native_run: bool):
    """What the program's window shows when it has drawn."""
    reader, writer = os.pipe()
    with display() as screen:
        command = guest(*words) if native_run else [OMEGA, "run", "--", *guest(*words)]
        process = start(
            command, plain_environment(DISPLAY=screen, LIBGL_ALWAYS_SOFTWARE=1), stdin=reader)
        try:
            return shot(process, screen)
        finally:
            os.close(writer)
            os.close(reader)
            stop(process)


@functools.cache
def native_picture(*words: object):
    return picture(list(words), True)


@deadline(180)
def test_triangle():
    assert picture(["triangle"], False) == native_picture("triangle")


@deadline(180)
def test_single_buffer():
    assert picture(["single"], False) == native_picture("single")


@deadline(180)
def test_resized_window():
    assert picture(["resize"], False) == native_picture("resize")


@deadline(180)
def test_dumped_frames():
    """Frames of --dump-frames are what the window shows."""
    with display() as screen:
        omega(
            "run", "--dump-frames", folder() / "frames", "--", *guest("triangle", 5),
            environment=plain_environment(DISPLAY=screen),
        )
    frames = sorted((folder() / "frames").glob("frame-*.ppm"))
    assert len(frames) == 5
    wanted = native_picture("triangle")
    assert all(read_ppm(frame) == wanted for frame in frames)


@deadline(120)
def test_pbuffer():
    with display() as screen:
        # Mesa's own pbuffers end in an X error when the program does.
        assert ours("pixels", screen=screen) == native("pixels", screen=screen, status=None)


@deadline(120)
def test_everything_destroyed_in_any_order():
    with display() as screen:
        assert ours("lifetimes", screen=screen) == "alive\n"


@deadline(120)
def test_fork():
    with display() as screen:
        assert ours("fork", screen=screen) == "child 0 error 0\n"


@deadline(180)
def test_two_displays():
    reader, writer = os.pipe()
    with display() as first, display() as second:
        command = [OMEGA, "run", "--", *guest("several", first, second)]
        process = start(command, plain_environment(), stdin=reader)
        try:
            shots = [shot(process, screen) for screen in (first, second)]
        finally:
            os.close(writer)
            os.close(reader)
            stop(process)
    assert shots[0] == shots[1] and len(set(shots[0][2])) > 20


@deadline(120)
def test_egl_without_windows():
    lines = omega("run", "-q", "--", *guest("surfaceless")).stdout.splitlines()
    assert lines[0].startswith("OpenGL ES {(255, 1") and lines[1] == "0x30f6", lines


def same_guest(command: str, lines: int) -> None:
    """A program without a display says so many lines, natively and through Omega the same."""
    wanted = run(guest(command), plain_environment(LIBGL_ALWAYS_SOFTWARE=1)).stdout
    found = omega(
        "run", "-q", "--", *guest(command), environment=plain_environment(OMEGA_GL_ERRORS="strict")
    ).stdout
    assert len(wanted.splitlines()) == lines and found == wanted, f"{wanted}\n{found}"


def test_single_pbuffer():
    same_guest("single_pbuffer", 24)


def test_picking():
    """Also what a buffer has behind what was written to it, however large it is said to be."""
    same_guest("picking", 24)


def test_liberties():
    same_guest("liberties", 17)


def test_errors_on_purpose():
    """With the standard setting, which does not wait for the node in every frame."""
    with display() as screen:
        wanted = run(guest("errors_on_purpose"), plain_environment(DISPLAY=screen, LIBGL_ALWAYS_SOFTWARE=1)).stdout
        found = omega(
            "run", "-q", "--", *guest("errors_on_purpose"), environment=plain_environment(DISPLAY=screen)
        ).stdout
    assert len(wanted.splitlines()) == 10 and found == wanted, f"{wanted}\n{found}"


# --- Random commands, of which every answer is compared

STATE = HERE / "programs" / "gl_state.py"


def same_answers(*words: object, **extra: object) -> int:
    """Runs the program natively and through Omega; how many lines both have said."""
    command = ["python3", STATE, *words]
    wanted = run(command, plain_environment(LIBGL_ALWAYS_SOFTWARE=1, **extra)).stdout.splitlines()
    got = omega(
        "run", "-q", "--", *command,
        environment=plain_environment(OMEGA_GL_ERRORS="strict", **extra),
    ).stdout.splitlines()
    for line, (a, b) in enumerate(zip(wanted, got)):
        assert a == b, f"{words} line {line}: natively {a}, through Omega {b}"
    assert len(wanted) == len(got)
    return len(got)


@deadline(180)
def test_state():
    # Nested attribute stacks of other seeds run into what Mesa 22.3 does not take back.
    for seed in (1, 2, 3, 5):
        assert same_answers("state", seed, 600) > 400


@deadline(180)
def test_messages():
    """Debug output: callbacks, the log, filters, groups, labels; and errors in the order of their commands."""
    for seed in (1, 2, 3):
        assert same_answers("messages", seed) > 150


@deadline(180)
def test_direct():
    """Objects that are named instead of bound."""
    for seed in (1, 2, 3, 4):
        assert same_answers("direct", seed) > 3000


@deadline(60)
def test_faces():
    """Mesa has another mind here: what the specification says is said by the program."""
    found = omega(
        "run", "-q", "--", "python3", STATE, "faces",
        environment=plain_environment(OMEGA_GL_ERRORS="strict"),
    ).stdout.splitlines()
    each = ["image True 0"] * 2 + ["compressed True 0"] * 2
    end = ["whole 1280", "other 1282", "unit 1280", "active [33985] [0] 0"]
    assert found == ["made 0"] + each * 6 + end, found


@deadline(180)
def test_lists():
    for seed in (1, 2, 3, 4):
        assert same_answers("lists", seed, 600) > 400


@deadline(180)
def test_objects():
    for seed in (1, 2, 3, 4):
        assert same_answers("objects", seed, 1500) > 2000


@deadline(180)
def test_buffers():
    """Maps of every kind, while the GPU writes too: by transform feedback, compute, copies, clears."""
    for seed in (1, 2):
        assert same_answers("maps", seed, 300) > 400


@deadline(120)
def test_queries():
    for seed in (1, 2, 3):
        assert same_answers("queries", seed, 500) > 500


@deadline(60)
def test_names():
    assert same_answers("names") > 100


@deadline(60)
def test_elements():
    assert same_answers("elements") == 28


@deadline(120)
def test_several_draws():
    """And which of them a vertex is of (gl_DrawID)."""
    for seed in (1, 2, 3, 4):
        assert same_answers("draws", seed) == 200


@deadline(120)
def test_blocks():
    """Compressed images that lie in larger ones, and rows that are turned."""
    for seed in (1, 2, 3):
        assert same_answers("blocks", seed) > 600


@deadline(60)
def test_versions():
    assert same_answers("versions") == 20


@deadline(60)
def test_many_vertex_arrays():
    """With memory that is filled when it is given back, so that nobody can go on using it."""
    assert same_answers("arrays", MALLOC_PERTURB_=165) == 81


@deadline(60)
def test_capabilities():
    assert same_answers("capabilities") > 1500


@deadline(60)
def test_between_begin_and_end():
    assert same_answers("begin") == 2


@deadline(120)
def test_programs():
    assert same_answers("programs") > 500


# --- Programs of others


@deadline(180)
def test_glxinfo():
    need("glxinfo")
    with display() as screen:
        environment = plain_environment(DISPLAY=screen, LIBGL_ALWAYS_SOFTWARE=1)
        wanted = run(["glxinfo"], environment).stdout
        found = omega("run", "-q", "--", "glxinfo", environment=environment).stdout
    for line in (
        "OpenGL renderer string", "OpenGL core profile version string",
        "OpenGL shading language version string",
    ):
        assert value(found, line) == value(wanted, line), line
    cut = re.compile(r"\d+ GLX Visuals.*", re.S)
    # What a swap leaves behind (GLX_OML_swap_method) is a copy here, and sometimes undefined there.
    swap = re.compile(r" [cxu] +(None|Slow)$", re.M)
    theirs, here = (swap.sub(r"   \1", cut.search(text).group()) for text in (wanted, found))
    assert here == theirs


def value(text: str, name: str) -> str:
    match = re.search(rf"^{name}: (.*)$", text, re.M)
    assert match, f"no {name}\n{text[:2000]}"
    return match.group(1)


@deadline(180)
def test_eglinfo():
    need("eglinfo")
    with display() as screen:
        found = omega(
            "run", "-q", "--", "eglinfo", environment=plain_environment(DISPLAY=screen), status=None
        ).stdout
    for platform in ("X11 platform:", "Surfaceless platform:", "Device platform:"):
        assert platform in found, found[:3000]


@deadline(180)
def test_glxgears():
    expect_frames("glxgears", 300, 300)


@deadline(180)
def test_es2gears():
    expect_frames("es2gears_x11", 300, 300)


def expect_frames(program: str, width: int, height: int) -> None:
    """Frames of a program that draws for ever: of its window's size, and each another picture."""
    need(program)
    with display() as screen:
        pictures = frames_of([program], plain_environment(DISPLAY=screen), 30)
    assert all(picture[:2] == (width, height) for picture in pictures), pictures[0][:2]
    assert len({picture[2] for picture in pictures}) > 10, "the gears do not turn"
    assert all(len(set(picture[2])) > 20 for picture in pictures), "a frame is empty"


@deadline(300)
def test_glmark2_validates_as_natively():
    """Every scene draws, and the pixels that glmark2 looks at are those of a native run."""
    with display() as screen:
        for program in ("glmark2", "glmark2-es2"):
            need(program)
            words = [program, "--validate", "--size", "300x200"]
            environment = plain_environment(DISPLAY=screen, LIBGL_ALWAYS_SOFTWARE=1)
            want = verdicts(run(words, environment, seconds=100).stdout)
            there = plain_environment(DISPLAY=screen)
            got = verdicts(omega("run", "--", *words, environment=there, seconds=100).stdout)
            assert len(want) > 20, want
            assert got == want, f"{program}: {set(got) ^ set(want)}"


def piglit(*options: object) -> None:
    need("piglit")
    with display() as screen:
        done = run(
            [BUILD.parent / "Scripts" / "piglit", *options, "--results", folder() / "piglit"],
            {**os.environ, "DISPLAY": screen}, seconds=380, status=None)
    assert done.returncode == 0, done.stdout


@deadline(400)
def test_piglit():
    """A sample of piglit's tests: their verdicts are the native ones."""
    piglit("--count", 100, "--seed", 21)


@deadline(120)
def test_piglit_once_wrong():
    """Tests of piglit's that have found faults."""
    piglit("--tests-from", pathlib.Path(__file__).parent / "piglit-once-wrong.txt")


@deadline(120)
def test_zink():
    """The machine's Mesa with its driver Zink, on our Vulkan devices."""
    need("glxinfo")
    with display() as screen:
        result = omega(
            "run", "--gl", "zink", "--", "glxinfo",
            environment=plain_environment(DISPLAY=screen), status=None, seconds=90,
        )
    if "zink" not in result.stdout:
        raise Skip("this machine's Mesa has no Zink")
    assert "renderer string: zink" in result.stdout


# --- Doctor


def test_doctor_knows_programs():
    need("gcc")
    source = folder() / "program.c"
    source.write_text("int main(void) { return 0; }\n")
    cases = [
        ("static", ["gcc", "-static", source, "-o"], "statically linked"),
        ("plain", ["gcc", source, "-o"], "nothing is in the way"),
    ]
    for name, command, words in cases:
        path = folder() / name
        run([*command, path])
        assert words in omega("doctor", path, status=None).stdout
    program = folder() / "plain"
    program.chmod(0o4755)
    assert "set-user-ID" in omega("doctor", program, status=None).stdout
    header = bytearray(program.read_bytes()[:64])
    header[4], header[18] = 1, 3
    old = folder() / "old"
    old.write_bytes(header)
    old.chmod(0o755)
    assert "32-bit" in omega("doctor", old, status=None).stdout
