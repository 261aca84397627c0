"""A program that calls GLX and EGL as C programs do, and knows nothing of Omega.

  gl_guest.py COMMAND [ARGUMENT…]
"""

import ctypes as C
import os
import sys
import time

GLX_ATTRIBUTES = {
    "fbconfig": 0x8013, "visual": 0x800B, "buffer": 2, "level": 3, "double": 5, "stereo": 6,
    "aux": 7, "red": 8, "green": 9, "blue": 10, "alpha": 11, "depth": 12, "stencil": 13,
    "accum": 14, "caveat": 0x20, "class": 0x22, "transparent": 0x23, "drawable": 0x8010,
    "render": 0x8011, "x": 0x8012, "buffers": 100000, "samples": 100001, "srgb": 0x20B2,
    "rgb texture": 0x20D0, "swap": 0x8060,
}
EGL_ATTRIBUTES = {
    "buffer": 0x3020, "alpha": 0x3021, "blue": 0x3022, "green": 0x3023, "red": 0x3024,
    "depth": 0x3025, "stencil": 0x3026, "caveat": 0x3027, "id": 0x3028, "level": 0x3029,
    "renderable natively": 0x302D, "visual": 0x302E, "visual type": 0x302F, "samples": 0x3031,
    "buffers": 0x3032, "surfaces": 0x3033, "transparent": 0x3034, "apis": 0x3040,
    "conformant": 0x3042, "type": 0x3339,
}


class XVisualInfo(C.Structure):
    _fields_ = [
        ("visual", C.c_void_p), ("visualid", C.c_ulong), ("screen", C.c_int), ("depth", C.c_int),
        ("class_", C.c_int), ("red", C.c_ulong), ("green", C.c_ulong), ("blue", C.c_ulong),
        ("size", C.c_int), ("bits", C.c_int),
    ]


class XErrorEvent(C.Structure):
    _fields_ = [
        ("type", C.c_int), ("display", C.c_void_p), ("resource", C.c_ulong), ("serial", C.c_ulong),
        ("code", C.c_ubyte), ("request", C.c_ubyte), ("minor", C.c_ubyte),
    ]


class XSetWindowAttributes(C.Structure):
    _fields_ = [
        ("background_pixmap", C.c_ulong), ("background_pixel", C.c_ulong),
        ("border_pixmap", C.c_ulong), ("border_pixel", C.c_ulong), ("bit_gravity", C.c_int),
        ("win_gravity", C.c_int), ("backing_store", C.c_int), ("backing_planes", C.c_ulong),
        ("backing_pixel", C.c_ulong), ("save_under", C.c_int), ("event_mask", C.c_long),
        ("do_not_propagate", C.c_long), ("override_redirect", C.c_int), ("colormap", C.c_ulong),
        ("cursor", C.c_ulong),
    ]


X11 = C.CDLL("libX11.so.6")
X11.XOpenDisplay.restype = C.c_void_p
X11.XRootWindow.restype = C.c_ulong
X11.XCreateColormap.restype = C.c_ulong
X11.XCreateWindow.restype = C.c_ulong
X11.XCreatePixmap.restype = C.c_ulong
X11.XCreateSimpleWindow.restype = C.c_ulong


def glx() -> C.CDLL:
    library = C.CDLL("libGL.so.1")
    for name in ("glXChooseFBConfig", "glXGetFBConfigs"):
        getattr(library, name).restype = C.POINTER(C.c_void_p)
    for name in ("glXChooseVisual", "glXGetVisualFromFBConfig"):
        getattr(library, name).restype = C.POINTER(XVisualInfo)
    for name in (
        "glXCreateContext", "glXCreateNewContext", "glXGetProcAddress", "glXGetProcAddressARB",
        "glXGetCurrentContext", "glXGetCurrentDisplay",
    ):
        getattr(library, name).restype = C.c_void_p
    for name in ("glXCreateWindow", "glXCreatePixmap", "glXCreatePbuffer", "glXGetCurrentDrawable"):
        getattr(library, name).restype = C.c_ulong
    library.glXQueryExtensionsString.restype = C.c_char_p
    library.glGetString.restype = C.c_char_p
    return library


def egl() -> C.CDLL:
    library = C.CDLL("libEGL.so.1")
    for name in (
        "eglGetDisplay", "eglGetPlatformDisplay", "eglGetProcAddress", "eglCreateContext",
        "eglCreateWindowSurface", "eglCreatePbufferSurface", "eglCreateSync",
    ):
        getattr(library, name).restype = C.c_void_p
    library.eglQueryString.restype = C.c_char_p
    return library


def open_display(name: str | None = None) -> C.c_void_p:
    display = X11.XOpenDisplay(name.encode() if name else None)
    assert display, "no display"
    return C.c_void_p(display)


def integers(*values: int):
    return (C.c_int * len(values))(*values)


def choose(gl, display, *attributes: int):
    count = C.c_int()
    found = gl.glXChooseFBConfig(display, 0, integers(*attributes, 0), C.byref(count))
    assert count.value, "no config"
    return C.c_void_p(found[0])


def make_window(display, info: XVisualInfo, width: int, height: int) -> C.c_ulong:
    root = C.c_ulong(X11.XRootWindow(display, info.screen))
    visual = C.c_void_p(info.visual)
    colormap = C.c_ulong(X11.XCreateColormap(display, root, visual, 0))
    attributes = XSetWindowAttributes(colormap=colormap, override_redirect=1, event_mask=1 << 17)
    window = X11.XCreateWindow(
        display, root, 0, 0, width, height, 0, info.depth, 1, visual,
        C.c_ulong(1 << 3 | 1 << 9 | 1 << 11 | 1 << 13), C.byref(attributes),
    )
    X11.XMapWindow(display, C.c_ulong(window))
    return C.c_ulong(window)


def draw_triangle(gl, width: int, height: int) -> None:
    gl.glViewport(0, 0, width, height)
    gl.glClearColor(C.c_float(0.2), C.c_float(0.4), C.c_float(0.6), C.c_float(1))
    gl.glClear(0x4100)
    gl.glBegin(4)
    for red, green, blue, x, y in ((1, 0, 0, -0.7, -0.8), (0, 1, 0, 0.9, -0.5), (0, 0, 1, 0, 0.8)):
        gl.glColor3f(C.c_float(red), C.c_float(green), C.c_float(blue))
        gl.glVertex2f(C.c_float(x), C.c_float(y))
    gl.glEnd()


# --- Commands


def configs() -> None:
    """Every config of the screen, a line each."""
    gl, display = glx(), open_display()
    count = C.c_int()
    found = gl.glXGetFBConfigs(display, 0, C.byref(count))
    for i in range(count.value):
        values = []
        for name, number in GLX_ATTRIBUTES.items():
            value = C.c_int()
            result = gl.glXGetFBConfigAttrib(display, C.c_void_p(found[i]), number, C.byref(value))
            values.append(f"{name}={value.value if result == 0 else 'none'}")
        print(*values)


def visuals() -> None:
    """What glXChooseVisual finds for what programs usually ask."""
    gl, display = glx(), open_display()
    wishes = [
        [4], [4, 5], [4, 5, 12, 24], [4, 5, 12, 1, 13, 1], [4, 8, 1, 9, 1, 10, 1, 5, 12, 1],
        [4, 5, 100000, 1, 100001, 4], [4, 14, 1, 15, 1, 16, 1], [4, 5, 11, 8], [5], [4, 13, 16],
    ]
    for wish in wishes:
        info = gl.glXChooseVisual(display, 0, integers(*wish, 0))
        if not info:
            print(wish, None)
            continue
        values = []
        for number in (1, 2, 4, 5, 8, 11, 12, 13, 14, 100001):
            value = C.c_int()
            assert gl.glXGetConfig(display, info, number, C.byref(value)) == 0
            values.append(value.value)
        print(wish, info[0].depth, info[0].class_, values)


def names() -> None:
    """Names that glXGetProcAddress and eglGetProcAddress know, and what they are to the linker."""
    gl, es = glx(), egl()
    for line in sys.stdin:
        name = line.strip().encode()
        first = gl.glXGetProcAddressARB(name)
        print(
            name.decode(), bool(first), first == es.eglGetProcAddress(name),
            first == C.cast(getattr(gl, name.decode(), None), C.c_void_p).value if first else None,
        )


def opens() -> None:
    """Loads OpenGL by every name and in every way, and says whose glClear it gets."""
    class Information(C.Structure):
        _fields_ = [
            ("file", C.c_char_p), ("base", C.c_void_p), ("name", C.c_char_p),
            ("address", C.c_void_p),
        ]

    own = C.CDLL(None)
    for name in sys.argv[2:]:
        for mode in (1, 2, 0x102, 0x9):
            own.dlopen.restype = own.dlsym.restype = C.c_void_p
            handle = own.dlopen(name.encode(), mode)
            symbol = b"eglGetError" if "EGL" in name else b"glClear"
            if "GLX" in name:
                symbol = b"glXQueryVersion"
            address = own.dlsym(C.c_void_p(handle), symbol) if handle else None
            information = Information()
            if address:
                own.dladdr(C.c_void_p(address), C.byref(information))
            file = os.path.basename((information.file or b"").decode())
            print(name, mode, bool(handle), file)


def errors() -> None:
    """What the application's error handler is told of wrong calls."""
    gl, display = glx(), open_display()
    base, event = C.c_int(), C.c_int()
    assert gl.glXQueryExtension(display, C.byref(base), C.byref(event))
    seen = []

    @C.CFUNCTYPE(C.c_int, C.c_void_p, C.POINTER(XErrorEvent))
    def handler(_, error):
        code = error[0].code
        seen.append(f"GLX {code - base.value}" if code >= base.value else f"core {code}")
        return 0

    X11.XSetErrorHandler(handler)

    def say(what: str) -> None:
        X11.XSync(display, 0)
        print(what, *seen)
        seen.clear()

    nothing = C.c_void_p(0x1234568)
    config = choose(gl, display, 0x8010, 7, 5, 1)
    info = gl.glXGetVisualFromFBConfig(display, config)
    gl.glXCreateWindow(display, config, C.c_ulong(0x7FFFFF), None)
    say("window of nothing")
    gl.glXCreatePixmap(display, config, C.c_ulong(0x7FFFFF), None)
    say("pixmap of nothing")
    gl.glXDestroyWindow(display, C.c_ulong(0x7FFFFF))
    say("no window destroyed")
    gl.glXDestroyPbuffer(display, C.c_ulong(0x7FFFFF))
    say("no pbuffer destroyed")
    gl.glXMakeCurrent(display, C.c_ulong(X11.XRootWindow(display, 0)), None)
    say("a drawable without a context")
    window = make_window(display, info[0], 50, 50)
    made = gl.glXCreateWindow(display, config, window, None)
    say("a window")
    again = gl.glXCreateWindow(display, config, window, None)
    say("the same window")
    buffer = C.c_char_p(b" " * 80)
    X11.XGetErrorText(display, base.value + 9, buffer, 80)
    print("text", buffer.value.decode().strip())
    create = C.CFUNCTYPE(
        C.c_void_p, C.c_void_p, C.c_void_p, C.c_void_p, C.c_int, C.POINTER(C.c_int)
    )(gl.glXGetProcAddress(b"glXCreateContextAttribsARB"))
    for attributes in (
        [0x2091, 3, 0x2092, 7], [0x2091, 9], [0x9126, 0x40], [0x2094, 0x80], [0x1234, 1],
        [0x2091, 2, 0x2092, 1, 0x2094, 2],
    ):
        result = create(display, config, None, 1, integers(*attributes, 0))
        say(f"context {attributes} {bool(result)}")


def triangle() -> None:
    """Draws once into a window, and waits to be looked at."""
    width, height = 200, 150
    gl, display = glx(), open_display()
    info = gl.glXChooseVisual(display, 0, integers(4, 5, 8, 8, 12, 24, 0))
    context = C.c_void_p(gl.glXCreateContext(display, info, None, 1))
    assert context, "no context"
    window = make_window(display, info[0], width, height)
    assert gl.glXMakeCurrent(display, window, context)
    for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 1):
        draw_triangle(gl, width, height)
        gl.glXSwapBuffers(display, window)
    gl.glFinish()
    print("drawn", flush=True)
    sys.stdin.readline()


def resize() -> None:
    """Draws once, resizes its own window, draws once more when it is told, and waits."""
    gl, display = glx(), open_display()
    info = gl.glXChooseVisual(display, 0, integers(4, 5, 0))
    context = C.c_void_p(gl.glXCreateContext(display, info, None, 1))
    window = make_window(display, info[0], 120, 90)
    assert gl.glXMakeCurrent(display, window, context)
    draw_triangle(gl, 120, 90)
    gl.glXSwapBuffers(display, window)
    for width, height in ((300, 100), (64, 200), (180, 160)):
        X11.XResizeWindow(display, window, width, height)
        X11.XSync(display, 0)
        draw_triangle(gl, width, height)
        gl.glXSwapBuffers(display, window)
    gl.glFinish()
    print("drawn", flush=True)
    sys.stdin.readline()


def single() -> None:
    """Draws into a single-buffered window, and flushes."""
    gl, display = glx(), open_display()
    info = gl.glXChooseVisual(display, 0, integers(4, 8, 8, 0))
    context = C.c_void_p(gl.glXCreateContext(display, info, None, 1))
    window = make_window(display, info[0], 160, 120)
    assert gl.glXMakeCurrent(display, window, context)
    draw_triangle(gl, 160, 120)
    gl.glFlush()
    gl.glXWaitGL()
    print("drawn", flush=True)
    sys.stdin.readline()


def pixels() -> None:
    """Draws into pbuffers and pixmaps, and prints what glReadPixels and X11 say of them."""
    gl, display = glx(), open_display()
    config = choose(gl, display, 0x8010, 4, 8, 8, 11, 8)
    context = C.c_void_p(gl.glXCreateNewContext(display, config, 0x8014, None, 1))
    pbuffer = C.c_ulong(gl.glXCreatePbuffer(display, config, integers(0x8041, 32, 0x8040, 16, 0)))
    assert gl.glXMakeContextCurrent(display, pbuffer, pbuffer, context)
    draw_triangle(gl, 32, 16)
    data = (C.c_ubyte * (32 * 16 * 4))()
    gl.glReadPixels(0, 0, 32, 16, 0x1908, 0x1401, data)
    print(bytes(data).hex())
    size = C.c_uint()
    for attribute in (0x801D, 0x801E):
        gl.glXQueryDrawable(display, pbuffer, attribute, C.byref(size))
        print(size.value)
    assert gl.glXMakeCurrent(display, C.c_ulong(0), None)
    gl.glXDestroyPbuffer(display, pbuffer)
    gl.glXDestroyContext(display, context)


def lifetimes() -> None:
    """Destroys things in every order that C programs do."""
    gl, display = glx(), open_display()
    info = gl.glXChooseVisual(display, 0, integers(4, 5, 0))
    for order in range(4):
        context = C.c_void_p(gl.glXCreateContext(display, info, None, 1))
        window = make_window(display, info[0], 80, 60)
        assert gl.glXMakeCurrent(display, window, context)
        draw_triangle(gl, 80, 60)
        gl.glXSwapBuffers(display, window)
        if order == 0:
            X11.XDestroyWindow(display, window)
            for _ in range(5):
                gl.glXSwapBuffers(display, window)
        if order == 1:
            gl.glXDestroyContext(display, context)
            draw_triangle(gl, 80, 60)
        if order == 2:
            X11.XDestroyWindow(display, window)
            gl.glXDestroyContext(display, context)
        assert gl.glXMakeCurrent(display, C.c_ulong(0), None)
        if order in (0, 3):
            gl.glXDestroyContext(display, context)
        if order in (1, 3):
            X11.XDestroyWindow(display, window)
    context = C.c_void_p(gl.glXCreateContext(display, info, None, 1))
    window = make_window(display, info[0], 80, 60)
    assert gl.glXMakeCurrent(display, window, context)
    gl.glXSwapBuffers(display, window)
    X11.XCloseDisplay(display)
    print("alive")


def several() -> None:
    """Windows on several displays, in turns, of one process."""
    gl = glx()
    parts = []
    for name in sys.argv[2:]:
        display = open_display(name)
        info = gl.glXChooseVisual(display, 0, integers(4, 5, 0))
        context = C.c_void_p(gl.glXCreateContext(display, info, None, 1))
        assert context
        parts.append((display, make_window(display, info[0], 100, 80), context))
    for _ in range(3):
        for display, window, context in parts:
            assert gl.glXMakeCurrent(display, window, context)
            draw_triangle(gl, 100, 80)
            gl.glXSwapBuffers(display, window)
    gl.glFinish()
    print("drawn", flush=True)
    sys.stdin.readline()


def fork() -> None:
    """Draws in a child of fork while the parent goes on with its own."""
    gl, display = glx(), open_display()
    info = gl.glXChooseVisual(display, 0, integers(4, 5, 0))
    context = C.c_void_p(gl.glXCreateContext(display, info, None, 1))
    window = make_window(display, info[0], 60, 60)
    assert gl.glXMakeCurrent(display, window, context)
    draw_triangle(gl, 60, 60)
    child = os.fork()
    if child == 0:
        # The parent's context is not ours, and must not be harmed.
        gl.glClear(0x4000)
        own = open_display()
        mine = C.c_void_p(gl.glXCreateContext(own, gl.glXChooseVisual(
            own, 0, integers(4, 5, 0)), None, 1))
        place = make_window(own, info[0], 60, 60)
        result = gl.glXMakeCurrent(own, place, mine)
        draw_triangle(gl, 60, 60)
        gl.glXSwapBuffers(own, place)
        gl.glFinish()
        os._exit(0 if result else 1)
    _, status = os.waitpid(child, 0)
    gl.glXSwapBuffers(display, window)
    gl.glFinish()
    print("child", os.waitstatus_to_exitcode(status), "error", gl.glGetError())


def surfaceless() -> None:
    """EGL without a window system: an OpenGL ES context and a pbuffer."""
    es = egl()
    gl = C.CDLL("libGLESv2.so.2")
    gl.glGetString.restype = C.c_char_p
    display = C.c_void_p(es.eglGetPlatformDisplay(0x31DD, None, None))
    major, minor = C.c_int(), C.c_int()
    assert es.eglInitialize(display, C.byref(major), C.byref(minor))
    config, count = C.c_void_p(), C.c_int()
    wish = integers(0x3033, 1, 0x3040, 4, 0x3021, 8, 0x3038)
    assert es.eglChooseConfig(display, wish, C.byref(config), 1, C.byref(count)) and count.value
    surface = C.c_void_p(es.eglCreatePbufferSurface(
        display, config, integers(0x3057, 8, 0x3056, 8, 0x3038)))
    context = C.c_void_p(es.eglCreateContext(display, config, None, integers(0x3098, 2, 0x3038)))
    assert context, hex(es.eglGetError())
    assert es.eglMakeCurrent(display, surface, surface, context)
    gl.glClearColor(C.c_float(1), C.c_float(0.5), C.c_float(0), C.c_float(1))
    gl.glClear(0x4000)
    data = (C.c_ubyte * (8 * 8 * 4))()
    gl.glReadPixels(0, 0, 8, 8, 0x1908, 0x1401, data)
    print(gl.glGetString(0x1F02).decode()[:9], set(zip(*[iter(bytes(data))] * 4)))
    sync = C.c_void_p(es.eglCreateSync(display, 0x30F9, None))
    print(hex(es.eglClientWaitSync(display, sync, 1, C.c_ulonglong(10**9))))
    assert es.eglDestroySync(display, sync)
    assert es.eglMakeCurrent(display, None, None, context)
    assert es.eglMakeCurrent(display, None, None, None)
    assert es.eglTerminate(display)


def open_pbuffer():
    """EGL without a window system, its display, and a config and a pbuffer for OpenGL."""
    es = egl()
    display = C.c_void_p(es.eglGetPlatformDisplay(0x31DD, None, None))
    assert es.eglInitialize(display, None, None) and es.eglBindAPI(0x30A2)
    config, count = C.c_void_p(), C.c_int()
    wish = integers(0x3033, 1, 0x3040, 8, 0x3021, 8, 0x3038)
    assert es.eglChooseConfig(display, wish, C.byref(config), 1, C.byref(count)) and count.value
    surface = C.c_void_p(es.eglCreatePbufferSurface(
        display, config, integers(0x3057, 8, 0x3056, 8, 0x3038)))
    return es, display, config, surface


def single_pbuffer() -> None:
    """What OpenGL says of a pbuffer's buffers by each of their names, and what is drawn to them."""
    es, display, config, surface = open_pbuffer()
    gl = C.CDLL("libGL.so.1")
    for version, profile in ((2, 2), (3, 1)):
        context = C.c_void_p(es.eglCreateContext(
            display, config, None, integers(0x3098, version, 0x30FD, profile, 0x3038)))
        assert es.eglMakeCurrent(display, surface, surface, context)
        value = C.c_int()
        for buffer in (0x405, 0x404, 0x400, 0x401, 0x402, 0x403, 0x408, 0x406, 0x407, 0, 0x8CE0):
            words = [hex(buffer)]
            for select, name in ((gl.glReadBuffer, 0xC02), (gl.glDrawBuffer, 0xC01)):
                select(buffer)
                gl.glGetIntegerv(name, C.byref(value))
                words += [hex(gl.glGetError()), hex(value.value)]
            print(*words)
        gl.glReadBuffer(0x405)
        gl.glDrawBuffer(0x405)
        gl.glClearColor(C.c_float(0), C.c_float(0.5), C.c_float(version / 4), C.c_float(1))
        gl.glClear(0x4000)
        data = (C.c_ubyte * (8 * 8 * 4))()
        gl.glReadPixels(0, 0, 8, 8, 0x1908, 0x1401, data)
        print(set(zip(*[iter(bytes(data))] * 4)), hex(gl.glGetError()))
    assert es.eglMakeCurrent(display, None, None, None)
    assert es.eglTerminate(display)


def liberties() -> None:
    """What a program may do that few do: names it made up, arrays it left out, questions right after glFinish."""
    es, display, config, surface = open_pbuffer()
    gl = C.CDLL("libGL.so.1")
    context = C.c_void_p(es.eglCreateContext(display, config, None, integers(0x3038)))
    assert es.eglMakeCurrent(display, surface, surface, context)
    name, value = C.c_uint(), C.c_int()
    # Each name is bound before any is generated.
    for what, bind, generate, is_there in (
        ("texture", lambda n: gl.glBindTexture(0xDE1, n), gl.glGenTextures, gl.glIsTexture),
        ("array texture", lambda n: gl.glBindTexture(0x9009, n + 8), gl.glGenTextures, gl.glIsTexture),
        ("buffer", lambda n: gl.glBindBuffer(0x8892, n), gl.glGenBuffers, gl.glIsBuffer),
        ("renderbuffer", lambda n: gl.glBindRenderbuffer(0x8D41, n), gl.glGenRenderbuffers,
         gl.glIsRenderbuffer),
        ("framebuffer", lambda n: gl.glBindFramebuffer(0x8D40, n), gl.glGenFramebuffers,
         gl.glIsFramebuffer),
        ("query", lambda n: (gl.glBeginQuery(0x8914, n), gl.glEndQuery(0x8914)), gl.glGenQueries,
         gl.glIsQuery),
        ("program", lambda n: gl.glBindProgramARB(0x8620, n), gl.glGenProgramsARB, gl.glIsProgramARB),
    ):
        bind(1)
        made_up = 9 if what == "array texture" else 1
        for _ in range(12):
            generate(1, C.byref(name))
            assert name.value != made_up, what
        print(what, is_there(1) & 255, is_there(0) & 255, hex(gl.glGetError()))
    # What a framebuffer still holds has its name though it is deleted.
    texture, framebuffer = C.c_uint(), C.c_uint()
    gl.glGenTextures(1, C.byref(texture))
    gl.glBindTexture(0xDE1, texture)
    gl.glTexImage2D(0xDE1, 0, 0x1908, 8, 8, 0, 0x1908, 0x1401, None)
    gl.glGenFramebuffers(1, C.byref(framebuffer))
    gl.glBindFramebuffer(0x8D40, framebuffer)
    gl.glFramebufferTexture2D(0x8D40, 0x8CE0, 0xDE1, texture, 0)
    gl.glBindFramebuffer(0x8D40, 0)
    gl.glDeleteTextures(1, C.byref(texture))
    gl.glBindFramebuffer(0x8D40, framebuffer)
    gl.glGetFramebufferAttachmentParameteriv(0x8D40, 0x8CE0, 0x8CD1, C.byref(value))
    print("attached", value.value == texture.value, hex(gl.glGetError()))
    gl.glBindFramebuffer(0x8D40, 0)
    # Each is refused for another reason than the array that is missing, or draws nothing.
    gl.glBindBuffer(0x8892, 77)
    gl.glBufferData(0x8892, C.c_ssize_t(10), None, 0x88E4)
    for offset, size in ((-1, 1), (1, -1), (15, 1), (1, 15), (8, 8)):
        gl.glBufferSubData(0x8892, C.c_ssize_t(offset), C.c_ssize_t(size), None)
        print("range", offset, size, hex(gl.glGetError()))
    gl.glDeleteTextures(-1, None)
    print("names", hex(gl.glGetError()))
    gl.glBindBuffer(0x8892, 0)
    gl.glDrawElementsInstanced(0, 3, 0x1401, bytes(4), -1)
    print("instances", hex(gl.glGetError()))
    # OpenGL 4.6, 4.2.1: a query that ended before glFinish has its result.
    query = C.c_uint()
    gl.glGenQueries(1, C.byref(query))
    for _ in range(20):
        gl.glBeginQuery(0x8914, query)
        gl.glRectf(C.c_float(-1), C.c_float(-1), C.c_float(1), C.c_float(1))
        gl.glEndQuery(0x8914)
        gl.glFinish()
        gl.glGetQueryObjectiv(query, 0x8867, C.byref(value))
        assert value.value == 1, "there is no result after glFinish"
        gl.glGetQueryObjectiv(query, 0x8866, C.byref(value))
    print("samples", value.value, hex(gl.glGetError()))
    # What the GPU has written to a coherent map is there when EGL has waited for it.
    def function(name: str, result, *types):
        return C.CFUNCTYPE(result, *types)(es.eglGetProcAddress(name.encode()))

    size, pattern = C.c_ssize_t(4096), bytes(range(256)) * 16
    gl.glBindBuffer(0x8F36, 78)
    gl.glBufferData(0x8F36, size, pattern, 0x88E4)
    gl.glBindBuffer(0x8F37, 79)
    flags = 0x1 | 0x40 | 0x80
    function("glBufferStorage", None, C.c_uint, C.c_ssize_t, C.c_void_p, C.c_uint)(
        0x8F37, 4096, None, flags)
    place = function("glMapBufferRange", C.c_void_p, C.c_uint, C.c_ssize_t, C.c_ssize_t, C.c_uint)(
        0x8F37, 0, 4096, flags)
    gl.glCopyBufferSubData(0x8F36, 0x8F37, C.c_ssize_t(0), C.c_ssize_t(0), size)
    sync = C.c_void_p(es.eglCreateSync(display, 0x30F9, None))
    waited = function(
        "eglClientWaitSync", C.c_int, C.c_void_p, C.c_void_p, C.c_int, C.c_ulonglong)(
        display, sync, 1, 0xFFFFFFFFFFFFFFFF)
    print("map", hex(waited), C.string_at(place, 4096) == pattern, hex(gl.glGetError()))
    assert es.eglMakeCurrent(display, None, None, None)
    assert es.eglTerminate(display)


def errors_on_purpose() -> None:
    """A program that has long been running and then makes errors to see them."""
    gl, display = glx(), open_display()
    info = gl.glXChooseVisual(display, 0, integers(4, 5, 0))
    context = C.c_void_p(gl.glXCreateContext(display, info, None, 1))
    window = make_window(display, info[0], 64, 64)
    assert gl.glXMakeCurrent(display, window, context)
    for _ in range(100):
        draw_triangle(gl, 64, 64)
        gl.glGetError()
        gl.glXSwapBuffers(display, window)
    # What is said of the first may come late. What has been read shows that there was one.
    gl.glEnable(0x1234)
    first = gl.glGetError()
    pixel = (C.c_ubyte * 4)()
    gl.glReadPixels(0, 0, 1, 1, 0x1908, 0x1401, pixel)
    late = gl.glGetError()
    print("first", hex(first or late))
    for wrong in (lambda: gl.glEnable(0x1234), lambda: gl.glViewport(0, 0, -1, 1), gl.glEnd) * 3:
        wrong()
        print(hex(gl.glGetError()), hex(gl.glGetError()))


def picking() -> None:
    """Selection and feedback, and what of the application's buffers they leave alone."""
    es, display, config, surface = open_pbuffer()
    gl = C.CDLL("libGL.so.1")
    context = C.c_void_p(es.eglCreateContext(display, config, None, integers(0x3038)))
    assert es.eglMakeCurrent(display, surface, surface, context)
    selection, feedback = (C.c_uint * 64)(), (C.c_float * 64)()
    for shapes in (0, 1, 2, 9):
        for size in (64, 16):
            for i in range(64):
                selection[i], feedback[i] = 0xC0FFEE, -5.0
            gl.glSelectBuffer(size, selection)
            gl.glFeedbackBuffer(size, 0x600, feedback)
            results = []
            for mode in (0x1C02, 0x1C01):
                gl.glRenderMode(mode)
                gl.glInitNames()
                for shape in range(shapes):
                    gl.glPushName(shape)
                    gl.glBegin(4)
                    for x, y in ((-0.5, -0.5), (0.5, -0.5), (0, 0.5 + shape / 8)):
                        gl.glVertex3f(C.c_float(x), C.c_float(y), C.c_float(shape / 10))
                    gl.glEnd()
                    if shape % 2:
                        gl.glPopName()
                results.append(gl.glRenderMode(0x1C00))
            print(shapes, size, results, hex(gl.glGetError()))
            print(*map(hex, selection))
            print(*feedback)
    assert es.eglMakeCurrent(display, None, None, None)
    assert es.eglTerminate(display)


def egl_configs() -> None:
    """Every config of a platform's display, a line each."""
    es = egl()
    display = C.c_void_p(es.eglGetPlatformDisplay(int(sys.argv[2], 0), None, None))
    assert es.eglInitialize(display, None, None), hex(es.eglGetError())
    count = C.c_int()
    assert es.eglGetConfigs(display, None, 0, C.byref(count))
    found = (C.c_void_p * count.value)()
    assert es.eglGetConfigs(display, found, count, C.byref(count))
    for config in found:
        values = []
        for name, number in EGL_ATTRIBUTES.items():
            value = C.c_int()
            assert es.eglGetConfigAttrib(display, C.c_void_p(config), number, C.byref(value))
            values.append(f"{name}={value.value}")
        print(*values)


def egl_errors() -> None:
    """What eglGetError says of wrong calls."""
    es = egl()
    nothing = C.c_void_p(0x1234568)
    display = C.c_void_p(es.eglGetPlatformDisplay(0x31DD, None, None))
    value = C.c_int()

    def say(what: str, result) -> None:
        print(what, bool(result), hex(es.eglGetError()))

    say("not initialised", es.eglQueryString(display, 0x3053))
    say("no display", es.eglInitialize(nothing, None, None))
    say("initialised", es.eglInitialize(display, None, None))
    say("no config", es.eglGetConfigAttrib(display, nothing, 0x3020, C.byref(value)))
    say("no surface", es.eglDestroySurface(display, nothing))
    say("no context", es.eglDestroyContext(display, nothing))
    say("no attribute", es.eglChooseConfig(display, integers(0x1234, 1, 0x3038), None, 0,
                                           C.byref(value)))
    say("no api", es.eglBindAPI(0x30A1))
    say("no string", es.eglQueryString(display, 0x1234))
    say("no sync", es.eglDestroySync(display, nothing))
    say("surface without context", es.eglMakeCurrent(display, nothing, nothing, None))
    say("swap of nothing", es.eglSwapBuffers(display, nothing))
    config = C.c_void_p()
    es.eglGetConfigs(display, C.byref(config), 1, C.byref(value))
    say("window", es.eglCreateWindowSurface(display, config, C.c_ulong(1), None))
    say("platform", es.eglGetPlatformDisplay(0x9999, None, None))
    say("version", es.eglCreateContext(display, config, None, integers(0x3098, 9, 0x3038)))
    say("released", es.eglReleaseThread())


def glx_extensions() -> None:
    """Calls what GLX's extensions have, by the addresses of glXGetProcAddress."""
    gl, display = glx(), open_display()

    def function(name: str, result, *arguments):
        address = gl.glXGetProcAddress(name.encode())
        assert address, name
        return C.CFUNCTYPE(result, *arguments)(address)

    pointer, integer, name, place = C.c_void_p, C.c_int, C.c_ulong, C.c_void_p
    config = choose(gl, display, 0x8010, 5, 8, 8, 11, 8, 5, 1)
    info = gl.glXGetVisualFromFBConfig(display, config).contents
    count, value, long = C.c_int(), C.c_int(), C.c_longlong()
    longs = (C.c_longlong * 3)()
    found = function("glXChooseFBConfigSGIX", C.POINTER(pointer), pointer, integer, place, place)(
        display, 0, integers(0x8010, 4, 0), C.byref(count))
    attribute = function("glXGetFBConfigAttribSGIX", integer, pointer, pointer, integer, place)
    print("configs", count.value, attribute(display, found[0], 12, C.byref(value)), value.value)
    print("visual", function("glXGetVisualFromFBConfigSGIX", C.POINTER(XVisualInfo), pointer, pointer)(
        display, config).contents.depth)
    same = function("glXGetFBConfigFromVisualSGIX", pointer, pointer, place)(display, C.byref(info))
    print("config of it", attribute(display, same, 5, C.byref(value)), value.value)
    make = function(
        "glXCreateContextWithConfigSGIX", pointer, pointer, pointer, integer, pointer, integer)
    context = make(display, config, 0x8014, None, 1)
    print("context", bool(context), function("glXGetContextIDEXT", name, pointer)(context) != 0)
    print("asked", function("glXQueryContextInfoEXT", integer, pointer, pointer, integer, place)(
        display, context, 0x800C, C.byref(value)), value.value)
    pbuffer = function(
        "glXCreateGLXPbufferSGIX", name, pointer, pointer, C.c_uint, C.c_uint, place)(
        display, found[0], 16, 8, None)
    function("glXQueryGLXPbufferSGIX", None, pointer, name, integer, place)(
        display, pbuffer, 0x801D, C.byref(value))
    print("pbuffer", value.value)
    select = function("glXSelectEventSGIX", None, pointer, name, name)
    select(display, pbuffer, 1 << 27)
    mask = C.c_ulong()
    function("glXGetSelectedEventSGIX", None, pointer, name, place)(
        display, pbuffer, C.byref(mask))
    print("events", hex(mask.value))
    window = make_window(display, info, 40, 30)
    current = function("glXMakeCurrentReadSGI", integer, pointer, name, name, pointer)
    print("current", current(display, window, window, context), gl.glXGetCurrentContext() == context)
    print("display", function("glXGetCurrentDisplayEXT", pointer)() == display.value)
    print("read", function("glXGetCurrentReadDrawableSGI", name)() == window.value)
    draw_triangle(gl, 40, 30)
    function("glXCopySubBufferMESA", None, pointer, name, *[integer] * 4)(
        display, window, 0, 0, 40, 30)
    function("glXSwapIntervalEXT", None, pointer, name, integer)(display, window, 2)
    print("interval", function("glXGetSwapIntervalMESA", integer)())
    print(function("glXSwapIntervalMESA", integer, C.c_uint)(0), end=" ")
    print(function("glXSwapIntervalSGI", integer, integer)(1))
    counter = C.c_uint()
    print("refreshes", function("glXGetVideoSyncSGI", integer, place)(C.byref(counter)), end=" ")
    print(function("glXWaitVideoSyncSGI", integer, integer, integer, place)(
        1, 0, C.byref(counter)))
    print("rate", function("glXGetMscRateOML", integer, pointer, name, place, place)(
        display, window, C.byref(count), C.byref(value)))
    swap = function("glXSwapBuffersMscOML", C.c_longlong, pointer, name, *[C.c_longlong] * 3)
    number = swap(display, window, 0, 0, 0)
    print("swap", number, function(
        "glXWaitForSbcOML", integer, pointer, name, C.c_longlong, place, place, place)(
        display, window, number, *[C.byref(longs, 8 * i) for i in range(3)]), longs[2])
    print("sync", function("glXGetSyncValuesOML", integer, pointer, name, place, place, place)(
        display, window, *[C.byref(longs, 8 * i) for i in range(3)]), longs[2])
    print("wait", function(
        "glXWaitForMscOML", integer, pointer, name, *[C.c_longlong] * 3, place, place, place)(
        display, window, 0, 0, 0, *[C.byref(longs, 8 * i) for i in range(3)]))
    for word, arguments in (("", (display, 0, 0)), ("Current", ())):
        kinds = [pointer, integer, integer][: len(arguments)]
        print(function(f"glXQuery{word}RendererStringMESA", C.c_char_p, *kinds, integer)(
            *arguments, 0x8183))
        ask = function(f"glXQuery{word}RendererIntegerMESA", integer, *kinds, integer, place)
        print(ask(*arguments, 0x8187, C.byref(counter)), counter.value)
    print("driver", function("glXGetScreenDriver", C.c_char_p, pointer, integer)(display, 0))
    bindable = choose(gl, display, 0x8010, 3, 0x20D0, 1)
    pixmaps = [X11.XCreatePixmap(display, window, 20, 10, info.depth) for _ in range(2)]
    drawn = gl.glXCreatePixmap(
        display, bindable, C.c_ulong(pixmaps[0]), integers(0x20D5, 0x20D9, 0x20D6, 0x20DC, 0))
    other = function("glXCreateGLXPixmapWithConfigSGIX", name, pointer, pointer, name)(
        display, bindable, pixmaps[1])
    function("glXBindTexImageEXT", None, pointer, name, integer, place)(display, drawn, 0x20DE, None)
    function("glXReleaseTexImageEXT", None, pointer, name, integer)(display, drawn, 0x20DE)
    print("texture", hex(gl.glGetError()))
    print("none", current(display, 0, 0, None), function("glXGetSwapIntervalMESA", integer)())
    gl.glXDestroyPixmap(display, C.c_ulong(drawn))
    gl.glXDestroyGLXPixmap(display, C.c_ulong(other))
    function("glXDestroyGLXPbufferSGIX", None, pointer, name)(display, pbuffer)
    gl.glXDestroyContext(display, C.c_void_p(context))
    X11.XSync(display, 0)


def egl_extensions() -> None:
    """Calls what EGL's extensions have, by the addresses of eglGetProcAddress."""
    es, native = egl(), open_display()
    gl = C.CDLL("libGLESv2.so.2")

    def function(name: str, result, *arguments):
        address = es.eglGetProcAddress(name.encode())
        assert address, name
        return C.CFUNCTYPE(result, *arguments)(address)

    pointer, integer, number, place = C.c_void_p, C.c_int, C.c_uint, C.c_void_p
    display = C.c_void_p(es.eglGetPlatformDisplay(0x31D5, native, None))
    assert es.eglInitialize(display, None, None)
    config, count, value = C.c_void_p(), C.c_int(), C.c_int()
    wish = integers(0x3033, 4, 0x3040, 4, 0x3024, 8, 0x3038)
    assert es.eglChooseConfig(display, wish, C.byref(config), 1, C.byref(count))
    context = C.c_void_p(es.eglCreateContext(display, config, None, integers(0x3098, 2, 0x3038)))
    window = C.c_ulong(X11.XCreateSimpleWindow(
        native, C.c_ulong(X11.XRootWindow(native, 0)), 0, 0, 40, 30, 0, 0, 0))
    X11.XMapWindow(native, window)
    surface = C.c_void_p(es.eglCreateWindowSurface(display, config, window, None))
    assert es.eglMakeCurrent(display, surface, surface, context)
    swap = [number, pointer, pointer, place, integer]
    print(function("eglSwapBuffersWithDamageKHR", *swap)(display, surface, None, 0), end=" ")
    print(function("eglSwapBuffersWithDamageEXT", *swap)(display, surface, None, 0), end=" ")
    print(function("eglPostSubBufferNV", number, pointer, pointer, *[integer] * 4)(
        display, surface, 0, 0, 40, 30))
    make = function("eglCreateSyncKHR", pointer, pointer, number, place)
    destroy = function("eglDestroySyncKHR", number, pointer, pointer)
    wait = function("eglClientWaitSyncKHR", integer, pointer, pointer, integer, C.c_ulonglong)
    fence, reusable = make(display, 0x30F9, None), make(display, 0x30FA, None)
    print("fence", wait(display, fence, 1, 10**9), end=" ")
    print(function("eglWaitSyncKHR", integer, pointer, pointer, integer)(display, fence, 0), end=" ")
    print(function("eglGetSyncAttribKHR", number, pointer, pointer, integer, place)(
        display, fence, 0x30F1, C.byref(value)), hex(value.value))
    print("signal", wait(display, reusable, 0, 0), end=" ")
    print(function("eglSignalSyncKHR", number, pointer, pointer, number)(
        display, reusable, 0x30F2), wait(display, reusable, 0, 0))
    print("ends", destroy(display, fence), destroy(display, reusable), end=" ")
    print(destroy(display, fence), hex(es.eglGetError()))
    texture = C.c_uint()
    gl.glGenTextures(1, C.byref(texture))
    gl.glBindTexture(0x0DE1, texture)
    gl.glTexImage2D(0x0DE1, 0, 0x1908, 4, 4, 0, 0x1908, 0x1401, None)
    gl.glTexParameteri(0x0DE1, 0x2801, 0x2600)
    image = function("eglCreateImageKHR", pointer, pointer, pointer, number, pointer, place)(
        display, context, 0x30B1, texture.value, None)
    print("image", bool(image), function("eglDestroyImageKHR", number, pointer, pointer)(
        display, image))
    print("driver", function("eglGetDisplayDriverName", C.c_char_p, pointer)(display), end=" ")
    print(bool(function("eglGetDisplayDriverConfig", pointer, pointer)(display)))
    devices = (C.c_void_p * 8)()
    function("eglQueryDevicesEXT", number, integer, place, place)(8, devices, C.byref(count))
    print("devices", count.value, function(
        "eglQueryDeviceStringEXT", C.c_char_p, pointer, integer)(devices[0], 0x3055))
    device = C.c_void_p()
    print(function("eglQueryDisplayAttribEXT", number, pointer, integer, place)(
        display, 0x322C, C.byref(device)), device.value == devices[0])
    print(function("eglQueryDeviceAttribEXT", number, pointer, integer, place)(
        devices[0], 0x1234, C.byref(device)), hex(es.eglGetError()))
    print(function("eglQueryDeviceStringEXT", C.c_char_p, pointer, integer)(None, 0x3055),
          hex(es.eglGetError()))
    print(make(None, 0x30F9, None), hex(es.eglGetError()))
    assert es.eglMakeCurrent(display, None, None, None)
    assert es.eglTerminate(display)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
