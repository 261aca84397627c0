"""libglvnd's way in: programs with the machine's own libGL.so.1 and libEGL.so.1, without the launcher.

The agent that the library starts for such a program ends soon after it.
"""

import os

from harness import (
    BUILD, deadline, display, folder, need, omega, plain_environment, read_ppm, run, start,
    stop, wait_until, wayland_display,
)
from test_gl import STATE, dynamic, guest, native, native_picture, shot, value

NAMES = ["libGLX_omega.so.0", "libEGL_omega.so.0"]
MANIFEST = BUILD / "share" / "glvnd" / "egl_vendor.d" / "05_omega.json"


def vendor(**extra: object) -> dict[str, str]:
    """What docs/opengl.md tells users to set, and nothing else."""
    ours = {
        "LD_LIBRARY_PATH": BUILD / "lib",
        "__GLX_VENDOR_LIBRARY_NAME": "omega",
        "__EGL_VENDOR_LIBRARY_FILENAMES": MANIFEST,
    }
    return plain_environment(**ours | extra)


def test_names_lead_to_one_library():
    for name in NAMES:
        text = dynamic(BUILD / "lib" / name)
        assert f"soname: [{name}]" in text and "[libGLShim_omega.so]" in text, text
        assert "$ORIGIN/omega/gl" in text, text


@deadline(120)
def test_triangle():
    reader, writer = os.pipe()
    with display() as screen:
        process = start(guest("triangle"), vendor(DISPLAY=screen), stdin=reader)
        try:
            found = shot(process, screen)
        finally:
            os.close(writer)
            os.close(reader)
            stop(process)
    assert found == native_picture("triangle")


@deadline(120)
def test_pixels():
    with display() as screen:
        found = run(guest("pixels"), vendor(DISPLAY=screen)).stdout
        assert found == native("pixels", screen=screen, status=None)


@deadline(120)
def test_extensions():
    """Each function of an extension comes to us by its stub: answers are those of the launcher's way."""
    with display() as screen:
        for command in ("glx_extensions", "egl_extensions"):
            wanted = omega(
                "run", "-q", "--", *guest(command), environment=plain_environment(DISPLAY=screen)
            ).stdout
            found = run(guest(command), vendor(DISPLAY=screen)).stdout
            assert len(wanted.splitlines()) > 10 and found == wanted, f"{found}\n{wanted}"


@deadline(120)
def test_state():
    """Random commands have the answers of a native run."""
    command = ["python3", STATE, "state", 1, 600]
    wanted = run(command, plain_environment(LIBGL_ALWAYS_SOFTWARE=1)).stdout
    found = run(command, vendor(OMEGA_GL_ERRORS="strict")).stdout
    assert len(found.splitlines()) > 400 and found == wanted


@deadline(120)
def test_errors_of_egl():
    wanted = run(guest("egl_errors"), plain_environment()).stdout
    assert run(guest("egl_errors"), vendor()).stdout == wanted


# --- Programs of others


@deadline(120)
def test_glxinfo():
    need("glxinfo")
    with display() as screen:
        environment = plain_environment(DISPLAY=screen, LIBGL_ALWAYS_SOFTWARE=1)
        wanted = run(["glxinfo"], environment).stdout
        found = run(["glxinfo"], vendor(DISPLAY=screen)).stdout
    assert value(found, "server glx vendor string") == "Omega"
    for line in ("OpenGL renderer string", "OpenGL core profile version string"):
        assert value(found, line) == value(wanted, line), line


@deadline(120)
def test_eglinfo():
    need("eglinfo")
    with display() as screen:
        found = run(["eglinfo"], vendor(DISPLAY=screen), status=None).stdout
    assert found.count("EGL vendor string: Omega") == 3, found[:3000]


@deadline(240)
def test_gears():
    programs = [(["glxgears"], display), (["es2gears_x11"], display)]
    programs.append((["es2gears_wayland"], wayland_display))
    for words, window_system in programs:
        need(words[0])
        shown = folder() / words[0]
        shown.mkdir()
        with window_system() as place:
            where = place if isinstance(place, dict) else {"DISPLAY": place}
            process = start(words, vendor(OMEGA_DUMP_FRAMES=shown, **where))
            try:
                wait_until(
                    lambda: process.poll() is not None or len(list(shown.glob("*.ppm"))) > 31, 60,
                    f"thirty frames of {words}",
                )
                assert process.poll() is None, process.errors()
            finally:
                stop(process)
        pictures = {read_ppm(path)[2] for path in sorted(shown.glob("*.ppm"))[1:31]}
        assert len(pictures) > 10, f"{words} stands still"
        assert all(len(set(picture)) > 20 for picture in pictures), f"{words}: an empty frame"


# --- Who is served


@deadline(120)
def test_who_did_not_ask():
    """A manifest that is merely installed changes nothing, and OMEGA_DISABLE wins."""
    need("eglinfo", "glxinfo")
    both = folder() / "egl_vendor.d"
    both.mkdir()
    text = MANIFEST.read_text().replace("../../../lib", str(BUILD / "lib"))
    (both / "05_omega.json").write_text(text)
    mesa = '{"file_format_version": "1.0.0", "ICD": {"library_path": "libEGL_mesa.so.0"}}'
    (both / "50_mesa.json").write_text(mesa)
    with display() as screen:
        installed = plain_environment(
            DISPLAY=screen, LIBGL_ALWAYS_SOFTWARE=1, __EGL_VENDOR_LIBRARY_DIRS=both)
        found = run(["eglinfo", "-B"], installed, status=None).stdout
        assert "Omega" not in found and "Mesa Project" in found, found[:2000]
        found = run(["eglinfo", "-B"], installed | {"OMEGA_ENABLE": "1"}, status=None).stdout
        assert "EGL vendor string: Omega" in found, found[:2000]
        disabled = vendor(DISPLAY=screen, LIBGL_ALWAYS_SOFTWARE=1, OMEGA_DISABLE=1)
        found = run(["glxinfo", "-B"], disabled).stdout
        assert "llvmpipe" in found, found
        assert "Omega" not in run(["glxinfo"], disabled).stdout


@deadline(120)
def test_node_in_the_same_environment():
    """A node that is started where the variables are set draws with the machine's driver."""
    need("glxinfo")
    with display() as screen:
        found = omega(
            "run", "-q", "--", "glxinfo", "-B", environment=vendor(DISPLAY=screen)
        ).stdout
    assert "llvmpipe" in found, found
