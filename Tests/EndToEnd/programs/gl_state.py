"""Random OpenGL, of which every answer is printed: two drivers that agree print the same.

  gl_state.py state SEED [COUNT]     state, matrices, attribute stacks
  gl_state.py lists SEED [COUNT]     the same in display lists, without attribute stacks and texture units:
                                     what Mesa makes of those in lists is its own
  gl_state.py objects SEED [COUNT]   textures, renderbuffers, framebuffers, and what is asked of them
  gl_state.py maps SEED [COUNT]      buffers: written, copied, mapped, drawn from, written by the GPU
  gl_state.py queries SEED [COUNT]   queries of every kind, fences, buffers for results
  gl_state.py names                  many objects of every kind, and what is bound to them
  gl_state.py elements               arrays in the program's memory, element by element
  gl_state.py draws SEED [COUNT]     several draws in one command, of arrays and indices in memory and in buffers
  gl_state.py blocks SEED [COUNT]    compressed images taken out of larger ones, and put into such; rows that are turned
  gl_state.py versions               contexts of every interface, and what they say of themselves
  gl_state.py programs               shaders, programs, and what is asked of them
  gl_state.py arrays                 more vertex array objects than there is room for at first
  gl_state.py capabilities           what is enabled, asked for in every way and after every way of setting it
  gl_state.py messages SEED [COUNT]  debug output: messages in the log and of callbacks, filters, groups, labels
  gl_state.py direct SEED [COUNT]    objects that are named instead of bound (GL_EXT_direct_state_access)
  gl_state.py faces                  faces of a cube map that is named, whose images are those of one that is bound
  gl_state.py begin                  many vertices between Begin and End, with a context that shares
"""

import ctypes as C
import random
import sys
import zlib

F, D = C.c_float, C.c_double


def context(major: int = 0, minor: int = 0):
    egl = C.CDLL("libEGL.so.1")
    for name in ("eglGetPlatformDisplay", "eglCreateContext", "eglGetProcAddress",
                 "eglCreatePbufferSurface"):
        getattr(egl, name).restype = C.c_void_p
    display = C.c_void_p(egl.eglGetPlatformDisplay(0x31DD, None, None))
    assert egl.eglInitialize(display, None, None)
    assert egl.eglBindAPI(0x30A2)
    config, count = C.c_void_p(), C.c_int()
    attributes = (C.c_int * 9)(0x3024, 8, 0x3025, 24, 0x3040, 8, 0x3033, 1, 0x3038)
    egl.eglChooseConfig(display, attributes, C.byref(config), 1, C.byref(count))
    assert count.value
    wanted = (C.c_int * 5)(0x3098, major, 0x30FB, minor, 0x3038) if major else None
    made = C.c_void_p(egl.eglCreateContext(display, config, None, wanted))
    size = (C.c_int * 5)(0x3057, 64, 0x3056, 48, 0x3038)
    surface = C.c_void_p(egl.eglCreatePbufferSurface(display, config, size))
    assert egl.eglMakeCurrent(display, surface, surface, made)
    gl = C.CDLL("libGL.so.1")
    gl.glMapBuffer.restype = gl.glMapBufferRange.restype = C.c_void_p
    for name in ("glMapNamedBufferRange", "glFenceSync"):
        getattr(gl, name).restype = C.c_void_p
    gl.glGetString.restype = C.c_char_p
    gl.shared = lambda: egl.eglCreateContext(display, config, made, None)
    gl.use = lambda one: egl.eglMakeCurrent(display, surface, surface, C.c_void_p(one or made.value))
    return gl


def integers(gl, pname: int, count: int = 16) -> list[int]:
    values = (C.c_int * count)(*[-77] * count)
    gl.glGetIntegerv(pname, values)
    return [v for v in values if v != -77]


def floats(gl, pname: int) -> list[str]:
    values = (F * 16)(*[-77] * 16)
    gl.glGetFloatv(pname, values)
    # Zero has a sign that nobody sees, and Mesa 22.3 sometimes an older alpha after glColor3.
    return [(v + 0.0).hex() for v in values if v != -77][:3 if pname == 0xB00 else 16]


def doubles(gl, pname: int) -> list[str]:
    values = (D * 16)(*[-77] * 16)
    gl.glGetDoublev(pname, values)
    return [(v + 0.0).hex() for v in values if v != -77][:3 if pname == 0xB00 else 16]


INTEGERS = [
    0x0BA0, 0x84E0, 0x0BA3, 0x0BA4, 0x0BA2, 0x0C10, 0x0B74, 0x0B72, 0x0B45, 0x0B46, 0x80C9, 0x80C8,
    0x80CB, 0x80CA, 0x8009, 0x883D, 0x0C23, 0x8069, 0x8CA6, 0x8CAA, 0x8B8D, 0x0B54, 0x0B92, 0x0B93,
    0x0B94, 0x0B97, 0x0B98, 0x0BD1, 0x0B40, 0x0B21, 0x0B35, 0x0BB0, 0x0BB1, 0x0B30, 0x0B33,
    0x0BE0, 0x0BE1,
]
# And the current color.
MATRICES = [0x0BA6, 0x0BA7, 0x0BA8, 0x84E3, 0x84E4, 0x0B00, 0x0B00]
CAPS = [
    0x0BE2, 0x0B71, 0x0B44, 0x0C11, 0x0B90, 0x0BD0, 0x8037, 0x0BC0, 0x0B50, 0x0B60, 0x0BA1, 0x0DE1,
    0x4000, 0x4003, 0x0B57, 0x0B20, 0x0BF2, 0x0C60, 0x3000, 0x86AB,
]


KINDS = {
    "state": [k for k in range(28) if k not in (23, 24)],
    "lists": [k for k in range(28) if k not in (11, 12, 13)],
}


def say(*what) -> None:
    print(*what, flush=False)


def change(gl, r: random.Random, lists: list[int], textures, framebuffers) -> None:
    """One command, right or wrong, that may change state."""
    number = lambda: F(r.choice([0, 1, -1, 0.5, 2, r.uniform(-2, 2)]))  # noqa: E731
    kind = r.choice(KINDS[sys.argv[1]])
    if kind == 0:
        gl.glMatrixMode(r.choice([0x1700, 0x1701, 0x1702, 0x1700, 0x1234]))
    elif kind == 1:
        gl.glLoadIdentity()
    elif kind == 2:
        gl.glTranslatef(number(), number(), number())
    elif kind == 3:
        gl.glRotatef(F(r.choice([90, 45, r.uniform(-360, 360)])), number(), number(), number())
    elif kind == 4:
        gl.glScaled(D(r.uniform(0.5, 2)), D(r.uniform(0.5, 2)), D(1))
    elif kind == 5:
        gl.glPushMatrix()
    elif kind == 6:
        gl.glPopMatrix()
    elif kind == 7:
        m = (F * 16)(*[r.uniform(-1, 1) for _ in range(16)])
        r.choice([gl.glLoadMatrixf, gl.glLoadMatrixf, gl.glMultTransposeMatrixf])(m)
    elif kind == 8:
        m = (D * 16)(*[r.uniform(-1, 1) for _ in range(16)])
        r.choice([gl.glLoadMatrixd, gl.glMultMatrixd, gl.glLoadTransposeMatrixd])(m)
    elif kind == 9:
        gl.glFrustum(D(-1), D(1), D(-0.75), D(0.75), D(r.choice([1, 0.5, -1])), D(20))
    elif kind == 10:
        # Products of many would leave what a number can be.
        gl.glLoadIdentity()
        gl.glOrtho(D(0), D(r.uniform(1, 640)), D(0), D(r.uniform(1, 480)), D(-1), D(1))
    elif kind == 11:
        gl.glActiveTexture(0x84C0 + r.choice([0, 1, 2, 7, 300]))
    elif kind == 12:
        # Not GL_TEXTURE_BIT nor GL_COLOR_BUFFER_BIT: while other objects are bound, what Mesa 22.3 takes
        # back of the matrix mode is not what the specification says.
        gl.glPushAttrib(r.choice([0x1000, 0x2000, 0x20000, 0x900, 1, 8]))
    elif kind == 13:
        gl.glPopAttrib()
    elif kind in (14, 15):
        r.choice([gl.glEnable, gl.glDisable])(r.choice(CAPS + [0x4321]))
    elif kind == 16:
        gl.glViewport(r.randrange(4), 0, r.choice([64, 32, -1, 100000]), 48)
    elif kind == 17:
        gl.glScissor(1, 2, r.choice([30, -5]), 9)
    elif kind == 18:
        gl.glBlendFunc(r.choice([0, 1, 0x302, 0x303, 0x1234]), r.choice([0, 1, 0x303, 0x308]))
    elif kind == 19:
        gl.glDepthFunc(r.choice([0x200, 0x203, 0x207, 0x1]))
        gl.glDepthMask(r.randrange(2))
    elif kind == 20:
        gl.glCullFace(r.choice([0x404, 0x405, 0x408, 3]))
        gl.glFrontFace(r.choice([0x900, 0x901, 3]))
    elif kind == 21:
        gl.glBindTexture(r.choice([0xDE1, 0xDE1, 0xDE0, 0x806F, 5]), r.choice([0, *textures]))
    elif kind == 22:
        gl.glBindFramebuffer(r.choice([0x8D40, 0x8CA8, 0x8CA9, 2]), r.choice([0, *framebuffers]))
    elif kind == 23:
        if lists:
            gl.glCallList(r.choice(lists))
    elif kind == 24:
        if lists:
            base = r.choice([0, 1])
            gl.glListBase(base)
            some = (C.c_ubyte * 3)(*[r.choice(lists) - base for _ in range(3)])
            gl.glCallLists(3, 0x1401, some)
    elif kind == 25:
        gl.glStencilFunc(r.choice([0x200, 0x207, 9]), r.randrange(4), 0xFF)
        gl.glColorMask(r.randrange(2), 1, 1, r.randrange(2))
    elif kind == 26:
        color = [r.choice([0, 1, 0.25, r.uniform(-1, 2)]) for _ in range(4)]
        whole = [r.randrange(256) for _ in range(4)]
        # What is current after the vertices of a list is each driver's own.
        which = r.randrange(7 if sys.argv[1] == "state" else 6)
        if which == 0:
            gl.glColor3f(*map(F, color[:3]))
        elif which == 1:
            gl.glColor4fv((F * 4)(*color))
        elif which == 2:
            gl.glColor4d(*map(D, color))
        elif which == 3:
            gl.glColor4ub(*map(C.c_ubyte, whole))
        elif which == 4:
            gl.glColor3ubv((C.c_ubyte * 3)(*whole[:3]))
        elif which == 5:
            gl.glColor3i(*(w << 22 for w in whole[:3]))
        else:
            gl.glBegin(7)
            gl.glColor3fv((F * 3)(*color[:3]))
            gl.glVertex2f(F(0), F(0))
            gl.glEnd()
    else:
        gl.glBlendEquation(r.choice([0x8006, 0x800A, 0x8007, 9]))
        gl.glShadeModel(r.choice([0x1D00, 0x1D01, 9]))
        gl.glPolygonMode(r.choice([0x408, 0x404, 0x405, 3]), r.choice([0x1B01, 0x1B02, 9]))


def ask(gl, r: random.Random) -> None:
    kind = r.randrange(5)
    if kind == 0:
        name = r.choice(INTEGERS)
        say("int", hex(name), integers(gl, name))
    elif kind == 1:
        name = r.choice(MATRICES)
        say("float", hex(name), *floats(gl, name))
    elif kind == 2:
        cap = r.choice(CAPS + [0x4321])
        say("enabled", hex(cap), gl.glIsEnabled(cap) & 0xFF)
    elif kind == 3:
        name = r.choice(INTEGERS + MATRICES)
        say("double", hex(name), *doubles(gl, name))
    else:
        name = r.choice(INTEGERS + CAPS)
        value = (C.c_ubyte * 16)()
        gl.glGetBooleanv(name, value)
        say("bool", hex(name), value[0])
    # Of two errors at once any may be told first (OpenGL 4.6, 2.3.1).
    say("error", gl.glGetError() != 0)


def state() -> None:
    r = random.Random(int(sys.argv[2]))
    gl = context()
    textures, framebuffers = (C.c_uint * 3)(), (C.c_uint * 2)()
    gl.glGenTextures(3, textures)
    gl.glGenFramebuffers(2, framebuffers)
    known: list[int] = []
    for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 2000):
        if sys.argv[1] == "lists" and r.random() < 0.02:
            new = gl.glGenLists(1) if len(known) < 6 else r.choice(known)
            gl.glNewList(new, r.choice([0x1300, 0x1301]))
            for _ in range(r.randrange(12)):
                if r.random() < 0.1:
                    ask(gl, r)
                # Lists that call themselves would be called without an end.
                change(gl, r, known[:known.index(new) if new in known else None], list(textures),
                       list(framebuffers))
            gl.glEndList()
            if new not in known:
                known.append(new)
        change(gl, r, known, list(textures), list(framebuffers))
        if r.random() < 0.5:
            ask(gl, r)


lists = state


# --- Textures and framebuffers

TARGETS = {0xDE1: 0x8069, 0xDE0: 0x8068, 0x806F: 0x806A, 0x8513: 0x8514, 0x84F5: 0x84F6, 0x8C1A: 0x8C1D}


def objects() -> None:
    """What is bound, attached and stored, by two contexts that share it."""
    r = random.Random(int(sys.argv[2]))
    gl = context()
    # Names that nobody has given out: which those are is each driver's own.
    textures, renderbuffers = list(range(100, 105)), list(range(200, 202))
    # Those that are deleted: never attached, over which Mesa 22.3 crashes, and of one context, as a name
    # that is deleted stays bound in others.
    mortal = [[110, 210], [120, 220]]
    contexts, framebuffers = [0, gl.shared()], [range(300, 303), range(310, 313)]
    now = 0
    fresh = iter(range(1000, 100000))
    known: list[int] = []
    value = C.c_int()
    faces = [0x8515, 0x8518]
    points = [0x8CE0, 0x8CE0, 0x8CE1, 0x8D00, 0x8D20, 0x821A]

    def change(kinds: int = 16) -> None:
        kind = r.randrange(kinds)
        # Not what is deleted in lists: they bring it back to life, under a name of the driver's.
        texture = r.choice([0, *textures, *mortal[now][:kinds >= 16]])
        if kind < 3:
            # Most names have a target that suits them.
            place = textures.index(texture) if texture in textures else r.choice([5, 1])
            suited = [0xDE1, 0xDE1, 0xDE1, 0x84F5, 0x8513, 0x806F][place]
            gl.glBindTexture(r.choice([suited] * 4 + [*TARGETS, 77]), texture)
        elif kind == 3:
            gl.glActiveTexture(0x84C0 + r.choice([0, 0, 1, 2, 400]))
        elif kind == 4:
            gl.glTexEnvi(0x2300, 0x2200, r.choice([0x2100, 0x2101, 0xBE2, 0x1E01, 0x104, 9]))
        elif kind in (5, 7):
            side = r.choice([16, 16, 32, 0])
            target = r.choice([0xDE1, 0xDE1, 0x84F5, *faces])
            gl.glTexImage2D(target, r.choice([0, 0, 0, 1]), r.choice([0x8058, 0x8058, 0x81A5, 0x8229]),
                            side, side, 0, 0x1902 if r.random() < 0.1 else 0x1908, 0x1401, None)
        elif kind == 6:
            # Mesa 22.3 looks for an image of every base level, however high.
            pname = r.choice([0x813C, 0x813D, 0x2801])
            gl.glTexParameteri(0xDE1, pname, r.choice([0, 0, 1, -1] if pname != 0x2801 else [0x2600, 0x1]))
        elif kind == 8:
            gl.glBindRenderbuffer(0x8D41, r.choice([0, *renderbuffers, mortal[now][1]]))
        elif kind == 9:
            gl.glRenderbufferStorage(0x8D41, r.choice([0x8058, 0x81A5, 0x88F0]), r.choice([16, 32]), 16)
        elif kind == 10:
            gl.glBindFramebuffer(r.choice([0x8D40, 0x8D40, 0x8CA8, 0x8CA9, 5]), r.choice([0, *framebuffers[now]]))
        elif kind in (11, 12):
            gl.glFramebufferTexture2D(0x8D40, r.choice(points), r.choice([0xDE1, 0xDE1, 0xDE1, 0x84F5, *faces]),
                                      r.choice([0, *textures]), r.choice([0, 0, 0, 0, 1, -1]))
        elif kind == 13:
            gl.glFramebufferRenderbuffer(0x8D40, r.choice(points), 0x8D41, r.choice([0, *renderbuffers]))
        elif kind == 14:
            gl.glDrawBuffers(2, (C.c_uint * 2)(r.choice([0x8CE0, 0]), r.choice([0x8CE1, 0x8CE1, 0, 0x8CE0])))
        elif known and r.random() < 0.7:
            gl.glCallList(r.choice(known))

    def ask() -> None:
        kind = r.randrange(7)
        if kind == 0:
            say("binding", *integers(gl, r.choice(list(TARGETS.values()))), *integers(gl, 0x84E0))
        elif kind in (1, 2):
            say("status", hex(gl.glCheckFramebufferStatus(r.choice([0x8D40, 0x8D40, 0x8CA8, 3]))))
        elif kind == 3:
            value.value = -7
            what = r.choice([0x8CD0, 0x8CD1, 0x8CD2, 0x8CD3, 0x8212])
            gl.glGetFramebufferAttachmentParameteriv(
                r.choice([0x8D40, 0x8CA8]), r.choice([*points, 3]), what, C.byref(value))
            say("attachment", value.value)
        elif kind == 4:
            value.value = -7
            gl.glGetTexEnviv(0x2300, 0x2200, C.byref(value))
            say("environment", value.value)
        elif kind == 5:
            value.value = -7
            gl.glGetTexLevelParameteriv(r.choice([0xDE1, 0xDE1, 0x84F5, faces[0]]), r.choice([0, 0, 1]),
                                        r.choice([0x1000, 0x1001, 0x1003]), C.byref(value))
            say("level", value.value)
        else:
            say("bound", *integers(gl, 0x8CA6), *integers(gl, 0x8CAA))
        say("error", gl.glGetError() != 0)

    for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 2000):
        luck = r.random()
        if luck > 0.97:
            now = 1 - now
            gl.use(contexts[now])
        elif luck < 0.03:
            what = r.randrange(2)
            name = C.c_uint(mortal[now][what])
            [gl.glDeleteTextures, gl.glDeleteRenderbuffers][what](1, C.byref(name))
            if r.random() < 0.5:
                mortal[now][what] = next(fresh)
        elif luck < 0.07:
            place = r.randrange(3)
            gl.glDeleteFramebuffers(1, C.byref(C.c_uint(framebuffers[now][place])))
        elif luck < 0.09:
            name = gl.glGenLists(1) if len(known) < 4 else r.choice(known)
            gl.glNewList(name, r.choice([0x1300, 0x1301]))
            for _ in range(r.randrange(6)):
                # A list that calls itself has no end, and what is not for lists is carried out at once.
                change(5)
            gl.glEndList()
            known = sorted({*known, name})
        change()
        for _ in range(r.choice([0, 1, 1, 2])):
            ask()


# --- Queries and fences

COUNTS = [0x8914, 0x8C2F, 0x8D6A, 0x8C87]
TIMES = [0x88BF, 0x8E28]


def queries() -> None:
    r = random.Random(int(sys.argv[2]))
    gl = context()
    names = (C.c_uint * 6)()
    gl.glGenQueries(6, names)
    active: dict[int, int] = {}
    fences: list[int] = []
    buffer = C.c_uint()
    gl.glGenBuffers(1, C.byref(buffer))
    gl.glBindBuffer(0x9192, buffer)
    gl.glBufferData(0x9192, C.c_ssize_t(64), bytes(64), 0x88E9)
    gl.glBindBuffer(0x9192, 0)

    def ask(name: int, pname: int, isTime: bool) -> None:
        kind = r.randrange(4)
        call = (gl.glGetQueryObjectiv, gl.glGetQueryObjectuiv, gl.glGetQueryObjecti64v,
                gl.glGetQueryObjectui64v)[kind]
        value = (C.c_int, C.c_uint, C.c_int64, C.c_uint64)[kind](7)
        call(name, pname, C.byref(value))
        # What times are, nobody can tell beforehand.
        say("query", hex(pname), None if isTime else value.value)

    for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 300):
        place = r.randrange(6)
        name, isTime = names[place], place < 2
        kind = r.randrange(12)
        if kind < 3:
            target = r.choice(TIMES if isTime else COUNTS)
            if target == 0x8E28:
                gl.glQueryCounter(name, target)
            else:
                gl.glBeginQuery(target, name)
                active.setdefault(target, name)
        elif kind < 6:
            target = r.choice(list(active) or COUNTS)
            gl.glEndQuery(target)
            active.pop(target, None)
        elif kind == 6:
            gl.glRectf(F(-1), F(-1), F(r.uniform(-1, 1)), F(r.uniform(-1, 1)))
        elif kind == 7:
            pname = r.choice([0x8866, 0x8866, 0x8867, 0x9194, 0x82EA, 0x1234])
            if pname in (0x8867, 0x9194):
                gl.glFinish()
            ask(name, pname, isTime)
        elif kind == 8:
            if not isTime:
                gl.glBindBuffer(0x9192, buffer)
                gl.glGetQueryObjectuiv(name, 0x8866, C.c_void_p(r.choice([0, 4, 60, 64])))
                value = (C.c_uint * 16)()
                gl.glGetBufferSubData(0x9192, C.c_ssize_t(0), C.c_ssize_t(64), value)
                say("buffer", *value)
                gl.glBindBuffer(0x9192, 0)
        elif kind == 9:
            fence = gl.glFenceSync(r.choice([0x9117, 0x9117, 5]), r.choice([0, 0, 0, 1]))
            if fence:
                fences.append(fence)
            say("fence", bool(fence))
        elif kind == 10:
            fence = C.c_void_p(r.choice([*fences, 0x13, 0]) if r.random() < 0.8 else 0x29)
            what = r.randrange(5)
            if what == 0:
                say("is", gl.glIsSync(fence) & 0xFF)
            elif what == 1:
                result = gl.glClientWaitSync(fence, r.choice([1, 1, 0, 4]), C.c_uint64(10 ** 10))
                say("wait", result in (0x911A, 0x911C), result == 0x911D)
            elif what == 2:
                gl.glFinish()
                length, value = C.c_int(-3), C.c_int(-3)
                gl.glGetSynciv(fence, r.choice([0x9112, 0x9113, 0x9114, 0x9115, 9]),
                               r.choice([1, 1, 0]), C.byref(length), C.byref(value))
                say("sync", length.value, value.value)
            elif what == 3:
                gl.glWaitSync(fence, r.choice([0, 1]), C.c_uint64(2 ** 64 - 1))
            else:
                gl.glDeleteSync(fence)
                if fence.value in fences:
                    fences.remove(fence.value)
        elif r.random() < 0.3:
            one = C.c_uint(name)
            gl.glDeleteQueries(1, C.byref(one))
            gl.glGenQueries(1, C.byref(one))
            names[place] = one.value
        else:
            say("is query", gl.glIsQuery(r.choice([name, 77])) & 0xFF)
        say("error", gl.glGetError() != 0)


def names() -> None:
    gl = context()
    count = 700
    made = {}
    for kind in ("VertexArrays", "Buffers", "Textures", "Framebuffers", "Renderbuffers", "Queries",
                 "Samplers", "ProgramPipelines", "TransformFeedbacks"):
        made[kind] = (C.c_uint * count)()
        getattr(gl, f"glGen{kind}")(count, made[kind])
        say(kind, len(set(made[kind])), 0 in made[kind])
    gl.glPushMatrix()
    gl.glTranslatef(F(1), F(2), F(3))
    for i in range(count):
        gl.glBindVertexArray(made["VertexArrays"][i])
        gl.glBindBuffer(0x8893, made["Buffers"][i])
    shaders = [gl.glCreateShader(0x8B31) for _ in range(count)]
    lists = gl.glGenLists(count)
    fences = [gl.glFenceSync(0x9117, 0) for _ in range(count)]
    for i in range(0, count, 7):
        gl.glBindVertexArray(made["VertexArrays"][i])
        bound = integers(gl, 0x8895)
        say("element buffer", bound == [made["Buffers"][i]], gl.glIsShader(shaders[i]) & 0xFF,
            gl.glIsList(lists + i) & 0xFF, gl.glIsSync(C.c_void_p(fences[i])) & 0xFF,
            gl.glIsTexture(made["Textures"][i]) & 0xFF)
        if i % 2:
            gl.glDeleteSync(C.c_void_p(fences[i]))
            say(gl.glIsSync(C.c_void_p(fences[i])) & 0xFF)
    for i in range(0, count, 5):
        if i % 2 == 0 or i % 7:
            gl.glDeleteSync(C.c_void_p(fences[i]))
    say(*[gl.glIsSync(C.c_void_p(fence)) & 0xFF for fence in fences])
    say(*floats(gl, 0x0BA6), gl.glGetError())


# --- Elements of arrays

def elements() -> None:
    gl = context()
    gl.glOrtho(D(0), D(64), D(0), D(48), D(-1), D(1))
    corners = {0x1402: C.c_short, 0x1404: C.c_int, 0x1406: F, 0x140A: D}
    colors = {0x1400: (C.c_byte, 127), 0x1401: (C.c_ubyte, 255), 0x1402: (C.c_short, 32767),
              0x1403: (C.c_ushort, 65535), 0x1404: (C.c_int, 2147483647), 0x1406: (F, 1),
              0x140A: (D, 1)}
    gl.glEnableClientState(0x8074)
    gl.glEnableClientState(0x8076)
    for vertexType, vertex in corners.items():
        places = (vertex * 10)(0, 0, 64, 0, 64, 48, 0, 48, 10, 10)
        for colorType, (number, most) in colors.items():
            shades = [int(most * f) if most > 1 else f for f in (1, 0.25, 0.5, 0, 0.75, 1)]
            color = (number * 15)(*[shades[(k * 5 + j) % 6] for k in range(5) for j in range(3)])
            gl.glVertexPointer(2, vertexType, 0, places)
            gl.glColorPointer(3, colorType, 0, color)
            gl.glClear(0x4000)
            gl.glBegin(7)
            for i in range(4):
                gl.glArrayElement(i)
            gl.glEnd()
            gl.glEnableClientState(0x8558)
            gl.glPrimitiveRestartIndexNV(4)
            gl.glBegin(5)
            for i in (0, 1, 4, 1, 3, 2):
                gl.glArrayElement(i)
            gl.glEnd()
            gl.glDisableClientState(0x8558)
            pixels = (C.c_ubyte * (64 * 48 * 4))()
            gl.glReadPixels(0, 0, 64, 48, 0x1908, 0x1401, pixels)
            say(hex(vertexType), hex(colorType), digest(bytes(pixels)), gl.glGetError())


# --- Several draws at once

NUMBERED = b"""#version 430 compatibility
#extension GL_ARB_shader_draw_parameters : require
out vec4 shade;
void main() {
  shade = vec4(gl_DrawIDARB & 7, gl_VertexID & 15, gl_BaseVertexARB & 7, 15) / 15.;
  gl_Position = gl_ModelViewProjectionMatrix * gl_Vertex;
}
"""
SHADED = b"""#version 430
in vec4 shade;
out vec4 color;
void main() { color = shade; }
"""


def draws() -> None:
    seed, count = int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 200
    gl, r = context(), random.Random(seed)
    gl.glOrtho(D(0), D(64), D(0), D(48), D(-1), D(1))
    total = 3000
    corners = (F * (2 * total))(*[r.uniform(0, 48) for _ in range(2 * total)])
    colors = (C.c_ubyte * (4 * total))(*[r.randrange(256) for _ in range(4 * total)])
    buffers = (C.c_uint * 3)()
    gl.glGenBuffers(3, buffers)
    for name, data in zip(buffers, (corners, colors)):
        gl.glBindBuffer(0x8892, name)
        gl.glBufferData(0x8892, C.c_ssize_t(C.sizeof(data)), data, 0x88E4)
    numbered = program(gl, shader(gl, 0x8B31, NUMBERED), shader(gl, 0x8B30, SHADED))
    gl.glEnableClientState(0x8074)
    gl.glEnableClientState(0x8076)
    pixels = (C.c_ubyte * (64 * 48 * 4))()
    for _ in range(count):
        gl.glUseProgram(r.choice([0, numbered]))
        r.choice([
            lambda: gl.glEnableClientState(0x8558), lambda: gl.glDisableClientState(0x8558),
            lambda: gl.glPrimitiveRestartIndexNV(r.choice([7, 9])), lambda: gl.glPushClientAttrib(2),
            gl.glPopClientAttrib,
        ])()
        gl.glGetError()
        # Half of all are in memory, and near each other.
        for enabled, (name, data) in zip((0x8074, 0x8076), zip(buffers, (corners, colors))):
            inBuffer = r.random() < 0.4
            gl.glBindBuffer(0x8892, name if inBuffer else 0)
            place = None if inBuffer else data
            if enabled == 0x8074:
                gl.glVertexPointer(2, 0x1406, 0, place)
            else:
                gl.glColorPointer(4, 0x1401, 0, place)
        number = r.choice([1, 2, 3, 5, 9, 0, -1])
        room = max(number, 0)
        starts = [r.choice([r.randrange(60), r.randrange(60), r.randrange(2500)]) for _ in range(room)]
        counts = (C.c_int * (room + 1))(*[r.choice([0, 3, 4, 9, 30]) for _ in range(room)])
        if room and r.random() < 0.05:
            counts[r.randrange(room)] = -1
        mode = r.choice([4, 5, 6, 1, 0, 99 if r.random() < 0.2 else 4])
        gl.glClear(0x4000)
        if r.random() < 0.3:
            firsts = (C.c_int * (room + 1))(*starts)
            gl.glMultiDrawArrays(mode, firsts, counts, number)
        else:
            kind, element = r.choice([(0x1401, C.c_ubyte), (0x1403, C.c_ushort), (0x1405, C.c_uint)])
            bases = (C.c_int * (room + 1))(*[r.choice([0, 0, start]) for start in starts])
            lists = []
            for start, base, length in zip(starts, bases, counts):
                first = 0 if base or kind == 0x1401 else start
                lists.append((element * 30)(*[first + r.randrange(min(200, total - 2500)) for _ in range(30)]))
            places = (C.c_void_p * (room + 1))()
            inBuffer = r.random() < 0.4
            gl.glBindBuffer(0x8893, buffers[2] if inBuffer else 0)
            if inBuffer:
                whole = b"".join(bytes(one) for one in lists)
                gl.glBufferData(0x8893, C.c_ssize_t(len(whole)), whole, 0x88E4)
            for i, one in enumerate(lists):
                places[i] = i * C.sizeof(one) if inBuffer else C.addressof(one)
            if room and not inBuffer and r.random() < 0.05:
                # Mesa 22.3 refuses all draws for a NULL that nothing is read from, too.
                i = r.randrange(room)
                counts[i], places[i] = 3, None
            if r.random() < 0.05:
                kind = 0x1406
            if r.random() < 0.5:
                gl.glMultiDrawElements(mode, counts, kind, places, number)
            else:
                gl.glMultiDrawElementsBaseVertex(mode, counts, kind, places, number, bases)
        error = gl.glGetError()
        gl.glReadPixels(0, 0, 64, 48, 0x1908, 0x1401, pixels)
        say(number, error, zlib.crc32(bytes(pixels)), gl.glGetError())


# --- Buffers

VERTEX = b"""#version 430
layout(location = 0) in uvec4 a;
flat out uvec4 b;
void main() { b = a * 3u + uvec4(1u); gl_Position = vec4(0); }
"""
COMPUTE = b"""#version 430
layout(local_size_x = 16) in;
layout(std430, binding = 0) buffer B { uint words[]; };
void main() { uint i = gl_GlobalInvocationID.x; words[i] = words[i] * 5u + i; }
"""


def shader(gl, kind: int, source: bytes) -> int:
    made = gl.glCreateShader(kind)
    gl.glShaderSource(made, 1, C.byref(C.c_char_p(source)), None)
    gl.glCompileShader(made)
    return made


def program(gl, *shaders: int, feedback: bytes | None = None) -> int:
    made = gl.glCreateProgram()
    for one in shaders:
        gl.glAttachShader(made, one)
    if feedback:
        gl.glTransformFeedbackVaryings(made, 1, C.byref(C.c_char_p(feedback)), 0x8C8D)
    gl.glLinkProgram(made)
    status = C.c_int()
    gl.glGetProgramiv(made, 0x8B82, C.byref(status))
    assert status.value == 1
    return made


def digest(data: bytes) -> str:
    value = 0
    for byte in data:
        value = (value * 16777619 ^ byte) & 0xFFFFFFFFFFFFFFFF
    return f"{len(data)}:{value:016x}"


def maps() -> None:
    r = random.Random(int(sys.argv[2]))
    gl = context(4, 5)
    size = 4096 * 3
    names = (C.c_uint * 5)()
    gl.glGenBuffers(5, names)
    buffers = list(names)
    array = C.c_uint()
    gl.glGenVertexArrays(1, C.byref(array))
    gl.glBindVertexArray(array)
    gl.glEnableVertexAttribArray(0)
    transform = program(gl, shader(gl, 0x8B31, VERTEX), feedback=b"b")
    compute = program(gl, shader(gl, 0x91B9, COMPUTE))
    pointer = C.c_void_p
    noise = lambda n: bytes(r.randrange(256) for _ in range(n))  # noqa: E731
    persistent: dict[int, int] = {}

    def read(buffer: int, offset: int, count: int) -> bytes:
        data = (C.c_ubyte * count)()
        gl.glBindBuffer(0x8F36, buffer)
        gl.glGetBufferSubData(0x8F36, C.c_ssize_t(offset), C.c_ssize_t(count), data)
        return bytes(data)

    for buffer in buffers[:3]:
        gl.glBindBuffer(0x8892, buffer)
        gl.glBufferData(0x8892, C.c_ssize_t(size), noise(size), r.choice([0x88E4, 0x88E8]))
    # Persistent maps: written silently, flushed by hand, and read.
    for buffer, flags, access in ((buffers[3], 0xC3, 0xC3), (buffers[4], 0x43, 0x53 & ~1)):
        gl.glBindBuffer(0x8892, buffer)
        gl.glBufferStorage(0x8892, C.c_ssize_t(size), noise(size), flags | 0x100)
        place = gl.glMapBufferRange(0x8892, C.c_ssize_t(0), C.c_ssize_t(size), access)
        assert place, hex(gl.glGetError())
        persistent[buffer] = place

    def wait() -> None:
        fence = pointer(gl.glFenceSync(0x9117, 0))
        # Who does not wait is not told that a wait was satisfied.
        polls = [gl.glClientWaitSync(fence, 1, C.c_uint64(0)) for _ in range(3)]
        say("poll", all(result in (0x911A, 0x911B) for result in polls))
        say("wait", gl.glClientWaitSync(fence, 1, C.c_uint64(10**9)) in (0x911A, 0x911C))
        gl.glDeleteSync(fence)

    for step in range(int(sys.argv[3]) if len(sys.argv) > 3 else 300):
        buffer = r.choice(buffers)
        offset = r.randrange(0, size - 64) & ~15
        count = min(r.choice([16, 64, 1000, 4096]), size - offset) & ~3
        kind = r.randrange(12)
        gl.glBindBuffer(0x8892, buffer)
        if kind in (0, 1) and buffer not in persistent:
            access = r.choice([1, 2, 3, 0x6, 0xA, 0x22, 0x12, 0x5, 0x40, 0, 0x21])
            place = gl.glMapBufferRange(0x8892, C.c_ssize_t(offset), C.c_ssize_t(count), access)
            say("map", hex(access), bool(place), hex(gl.glGetError()))
            if place:
                if access & 1:
                    say("seen", digest(C.string_at(place, count)))
                if access & 2:
                    # What invalidates must be written as a whole to say anything.
                    part = count if access & 0xC else r.randrange(1, count)
                    C.memmove(place, noise(part), part)
                    if access & 0x10:
                        gl.glFlushMappedBufferRange(0x8892, C.c_ssize_t(0), C.c_ssize_t(part))
                        if part < count:
                            C.memmove(place, noise(part), 0)
                if r.random() < 0.2:
                    say("twice", bool(gl.glMapBufferRange(
                        0x8892, C.c_ssize_t(0), C.c_ssize_t(16), 2)), hex(gl.glGetError()))
                    gl.glBufferSubData(0x8892, C.c_ssize_t(0), C.c_ssize_t(4), noise(4))
                    say("mapped", hex(gl.glGetError()))
                say("unmap", gl.glUnmapBuffer(0x8892) & 0xFF)
                if access & 0x8:
                    # The rest is anything now.
                    gl.glBufferData(0x8892, C.c_ssize_t(size), noise(size), 0x88E8)
        elif kind == 2 and buffer not in persistent:
            place = gl.glMapBuffer(0x8892, r.choice([0x88B8, 0x88BA]))
            if place:
                say("whole", digest(C.string_at(place, size)))
                C.memmove(place + offset, noise(0), 0)
                say("unmap", gl.glUnmapBuffer(0x8892) & 0xFF)
        elif kind == 3 and buffer not in persistent:
            gl.glBufferData(0x8892, C.c_ssize_t(size), noise(size), 0x88E4)
        elif kind == 4:
            gl.glBufferSubData(0x8892, C.c_ssize_t(offset), C.c_ssize_t(count), noise(count))
        elif kind == 5:
            other = r.choice([b for b in buffers if b != buffer])
            gl.glBindBuffer(0x8F37, other)
            gl.glCopyBufferSubData(0x8892, 0x8F37, C.c_ssize_t(offset), C.c_ssize_t(offset),
                                   C.c_ssize_t(count))
        elif kind == 6:
            value = C.c_uint(r.randrange(1 << 32))
            gl.glClearBufferSubData(0x8892, 0x8236, C.c_ssize_t(offset), C.c_ssize_t(count), 0x8D94,
                                    0x1405, C.byref(value))
        elif kind == 7:
            other = r.choice([b for b in buffers if b != buffer])
            gl.glVertexAttribIPointer(0, 4, 0x1405, 16, pointer(offset))
            gl.glBindBufferBase(0x8C8E, 0, other)
            gl.glUseProgram(transform)
            gl.glEnable(0x8C89)
            gl.glBeginTransformFeedback(0)
            gl.glDrawArrays(0, 0, count // 16)
            gl.glEndTransformFeedback()
            gl.glDisable(0x8C89)
            gl.glBindBufferBase(0x8C8E, 0, 0)
        elif kind == 8:
            gl.glBindBufferBase(0x90D2, 0, buffer)
            gl.glUseProgram(compute)
            gl.glDispatchCompute(max(count // 64, 1), 1, 1)
            gl.glMemoryBarrier(0xFFFFFFFF)
            gl.glBindBufferBase(0x90D2, 0, 0)
        elif kind == 9 and buffer in persistent:
            # The GPU must be done with what the application writes.
            wait()
            data = noise(count)
            C.memmove(persistent[buffer] + offset, data, count)
            if buffer == buffers[4]:
                gl.glFlushMappedBufferRange(0x8892, C.c_ssize_t(offset), C.c_ssize_t(count))
        elif kind == 10 and buffer == buffers[3]:
            gl.glMemoryBarrier(0x4000)
            wait()
            say("persistent", digest(C.string_at(persistent[buffer], size)))
        else:
            say("read", buffers.index(buffer), digest(read(buffer, offset, count)))
        say(step, kind, hex(gl.glGetError()))
    for buffer in buffers:
        if buffer in persistent:
            gl.glBindBuffer(0x8892, buffer)
            gl.glUnmapBuffer(0x8892)
        say("end", digest(read(buffer, 0, size)), hex(gl.glGetError()))


# --- Programs

VERTEX_2 = b"""#version 330
uniform mat4 m[3]; uniform struct { vec4 a; float b[2]; } s; uniform struct T { vec2 c; } t[2];
layout(std140) uniform Block { vec4 color; float weights[4]; } named;
in vec4 position; in vec3 normal; in mat2 weights;
void main() {
  gl_Position = m[1] * position * s.a + vec4(normal, s.b[1]) + vec4(t[1].c, weights[0]) + named.color;
}
"""
FRAGMENT = b"""#version 330
uniform sampler2D image; uniform vec4 unused; out vec4 color;
void main() { color = texture(image, vec2(0.5)); }
"""


def programs() -> None:
    gl = context(4, 5)

    def values(name: int, get, pnames) -> None:
        for pname in pnames:
            value = C.c_int(-7)
            get(name, pname, C.byref(value))
            say("value", hex(pname), value.value, hex(gl.glGetError()))

    def log(name: int, get) -> None:
        for size in (0, 1, 5, 4000, -1):
            text, length = C.create_string_buffer(4001), C.c_int(-7)
            get(name, size, C.byref(length), text)
            error = gl.glGetError()
            say("log", size, *(() if error else (length.value, text.value)), hex(error))

    shaders = [shader(gl, 0x8B31, VERTEX_2), shader(gl, 0x8B30, FRAGMENT)]
    broken = shader(gl, 0x8B30, b"#version 330\nvoid main() { nothing = 1; }\n")
    for one in (*shaders, broken, 4711):
        values(one, gl.glGetShaderiv, (0x8B81, 0x8B84, 0x8B4F, 0x8B88, 0x8B80, 0x1234))
        log(one, gl.glGetShaderInfoLog)
    good, bad = gl.glCreateProgram(), gl.glCreateProgram()
    for made, parts in ((good, shaders), (bad, [shaders[0], broken])):
        for part in parts:
            gl.glAttachShader(made, part)
        values(made, gl.glGetProgramiv, (0x8B82, 0x8B86))
        say("early", gl.glGetUniformLocation(made, b"m"), hex(gl.glGetError()))
        gl.glLinkProgram(made)
    for made in (good, bad, shaders[0], 4711):
        values(made, gl.glGetProgramiv, (
            0x8B82, 0x8B84, 0x8B85, 0x8B86, 0x8B87, 0x8B89, 0x8B8A, 0x8A36, 0x8A35, 0x1234))
        log(made, gl.glGetProgramInfoLog)
        for name in (b"m", b"m[0]", b"m[1]", b"m[2]", b"m[3]", b"m[01]", b"m[", b"m[1", b"s", b"s.a",
                     b"s.b", b"s.b[1]", b"t[1].c", b"t[0].c", b"t", b"image", b"unused", b"", b"color",
                     b"gl_Position", b"image[0]", b"image[1]", b"m[99999999999]", b"Block.color"):
            say("uniform", name, gl.glGetUniformLocation(made, name), hex(gl.glGetError()))
        for name in (b"position", b"normal", b"weights", b"weights[1]", b"gl_VertexID", b"none"):
            say("attribute", name, gl.glGetAttribLocation(made, name), hex(gl.glGetError()))
        for name in (b"Block", b"named", b"none"):
            say("block", name, gl.glGetUniformBlockIndex(made, name), hex(gl.glGetError()))
        for what in (gl.glGetActiveUniform, gl.glGetActiveAttrib):
            for index in range(12):
                for size in (100, 3, 0):
                    text, length = C.create_string_buffer(b"?" * 99, 101), C.c_int(-7)
                    elements, kind = C.c_int(-7), C.c_uint(7)
                    what(made, index, size, C.byref(length), C.byref(elements), C.byref(kind), text)
                    error = gl.glGetError()
                    if error:
                        say("active", index, size, hex(error))
                    else:
                        say("active", index, size, length.value, elements.value, hex(kind.value),
                            text.value if size else b"")
    # Linked again to something else: nothing old is told.
    gl.glDetachShader(good, shaders[0])
    other = shader(gl, 0x8B31, b"#version 330\nuniform vec4 m; void main() { gl_Position = m; }\n")
    gl.glAttachShader(good, other)
    gl.glLinkProgram(good)
    for name in (b"m", b"m[1]", b"s.a", b"image"):
        say("again", name, gl.glGetUniformLocation(good, name), hex(gl.glGetError()))
    gl.glShaderSource(broken, 1, C.byref(C.c_char_p(FRAGMENT)), None)
    gl.glCompileShader(broken)
    values(broken, gl.glGetShaderiv, (0x8B81, 0x8B84))
    gl.glDeleteProgram(good)
    values(good, gl.glGetProgramiv, (0x8B82,))


def versions() -> None:
    egl = C.CDLL("libEGL.so.1")
    for name in ("eglGetPlatformDisplay", "eglCreateContext"):
        getattr(egl, name).restype = C.c_void_p
    display = C.c_void_p(egl.eglGetPlatformDisplay(0x31DD, None, None))
    assert egl.eglInitialize(display, None, None)
    for api, version, kind in ((0x30A0, 1, 1), (0x30A0, 2, 4), (0x30A0, 3, 0x40), (0x30A2, 1, 8)):
        egl.eglBindAPI(api)
        config, count = C.c_void_p(), C.c_int()
        attributes = (C.c_int * 5)(0x3024, 1, 0x3040, kind, 0x3038)
        egl.eglChooseConfig(display, attributes, C.byref(config), 1, C.byref(count))
        made = C.c_void_p(egl.eglCreateContext(display, config, None, (C.c_int * 3)(0x3098, version, 0x3038)))
        assert egl.eglMakeCurrent(display, None, None, made), (hex(api), version)
        gl = C.CDLL("libGL.so.1" if api == 0x30A2 else "libGLESv1_CM.so.1" if version == 1 else "libGLESv2.so.2")
        gl.glGetString.restype = C.c_char_p
        for name in (0x1F00, 0x1F01, 0x1F02, 0x8B8C):
            say(hex(api), version, gl.glGetString(name), hex(gl.glGetError()))
        # Old programs have room for the first of them, and drivers order them for those.
        say(hex(api), version, gl.glGetString(0x1F03).split()[:4])


def arrays() -> None:
    gl = context()
    gl.glTranslatef(F(1), F(2), F(3))
    gl.glEnable(0x0B71)
    for pname in INTEGERS:
        say(hex(pname), integers(gl, pname))
    names = (C.c_uint * 300)()
    gl.glGenVertexArrays(300, names)
    for name in names:
        gl.glBindVertexArray(name)
        gl.glBindBuffer(0x8893, name + 1000)
        gl.glDepthFunc(0x0200 + name % 8)
    for name in names[::7]:
        gl.glBindVertexArray(name)
        say(name, integers(gl, 0x85B5), integers(gl, 0x8895), integers(gl, 0x0B74))
    say(gl.glIsEnabled(0x0B71), [floats(gl, pname) for pname in MATRICES[:2]], gl.glGetError())


def capabilities() -> None:
    gl, r = context(), random.Random(3)
    enabled = lambda cap: gl.glIsEnabled(cap) & 0xFF  # noqa: E731
    for _ in range(3000):
        cap, kind = r.choice(CAPS), r.randrange(9)
        if kind < 2:
            [gl.glEnable, gl.glDisable][kind](cap)
        elif kind == 2:
            say(enabled(cap))
        elif kind == 3:
            value = (C.c_ubyte * 16)()
            gl.glGetBooleanv(cap, value)
            say(value[0])
        elif kind == 4:
            say(floats(gl, cap))
        elif kind == 5:
            say(integers(gl, cap))
        elif kind == 6:
            gl.glActiveTexture(0x84C0 + r.choice([0, 1]))
        elif kind == 7:
            gl.glEnablei(0x0BE2, r.randrange(2))
        else:
            name = gl.glGenLists(1)
            gl.glNewList(name, r.choice([0x1300, 0x1301]))
            r.choice([gl.glEnable, gl.glDisable])(cap)
            before = enabled(cap)
            gl.glEndList()
            after = enabled(cap)
            gl.glCallList(name)
            say(before, after, enabled(cap))


def begin() -> None:
    gl = context()
    assert gl.shared()
    buffer = C.c_uint()
    gl.glGenBuffers(1, C.byref(buffer))
    gl.glBindBuffer(0x8892, buffer)
    # Persistent and coherent: what is written between Begin and End is there afterwards.
    gl.glBufferStorage(0x8892, C.c_ssize_t(64), None, 0xC3)
    memory = gl.glMapBufferRange(0x8892, C.c_ssize_t(0), C.c_ssize_t(64), 0xC3)
    for turn in range(2):
        gl.glClear(0x4000)
        gl.glBegin(0x0004)
        for i in range(6000):
            gl.glColor3f(F(i / 6000), F(turn), F(0.5))
            gl.glVertex2f(F(i % 3 - 1), F(i // 3 % 2 * 2 - 1))
            if i == 3000:
                C.memset(memory, 77 + turn, 64)
        gl.glEnd()
        pixels, data = (C.c_ubyte * 12288)(), (C.c_ubyte * 64)()
        gl.glReadPixels(0, 0, 64, 48, 0x1908, 0x1401, pixels)
        gl.glGetBufferSubData(0x8892, C.c_ssize_t(0), C.c_ssize_t(64), data)
        say(zlib.crc32(pixels), set(data), gl.glGetError())


CALLBACK = C.CFUNCTYPE(None, C.c_uint, C.c_uint, C.c_uint, C.c_uint, C.c_int, C.c_void_p, C.c_void_p)


def told(source: int, kind: int, number: int, severity: int, text: bytes) -> tuple:
    """A message, as far as drivers agree: what an error says, and its number, is the driver's own."""
    if (source, kind) == (0x8246, 0x824C):
        return "error", hex(severity), text.split()[0]
    return hex(source), hex(kind), number, hex(severity), text


def messages() -> None:
    seed, count = int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 400
    gl, r = context(), random.Random(seed)
    heard: list[tuple] = []

    def hear(source, kind, number, severity, length, text, parameter) -> None:
        # Mesa's own text goes on where the program's does.
        heard.append((parameter, *told(source, kind, number, severity, C.string_at(text, length))))
        if number == 77:
            # From within a callback too.
            heard.append((gl.glIsEnabled(0x92E0) & 0xFF, integers(gl, 0x826D)))

    callback = CALLBACK(hear)
    gl.glEnable(0x92E0)
    gl.glEnable(0x8242)
    buffers, texture, size = (C.c_uint * 3)(), C.c_uint(), C.c_int()
    gl.glGenBuffers(3, buffers)
    gl.glGenTextures(1, C.byref(texture))
    gl.glBindBuffer(0x8892, buffers[0])
    gl.glBindTexture(0x0DE1, texture)
    sources, kinds = [0x8246, 0x8247, 0x8248, 0x8249, 0x824A, 0x824B, 0x1100], list(range(0x824C, 0x8252))
    severities = [0x9146, 0x9147, 0x9148, 0x826B, 0x1100]
    kinds += [0x8268, 0x8269, 0x826A, 0x1100]
    wrongs = [
        lambda: gl.glEnable(0x1234), lambda: gl.glDrawArrays(77, 0, 3), lambda: gl.glMatrixMode(1),
        lambda: gl.glDeleteBuffers(-1, buffers), lambda: gl.glBufferData(1, C.c_ssize_t(4), None, 0x88E4),
        lambda: gl.glPopMatrix(), lambda: gl.glDrawElements(4, -1, 0x1401, None),
        lambda: gl.glTexImage2D(0x0DE1, 99, 0x1908, 4, 4, 0, 0x1908, 0x1401, None),
        lambda: gl.glVertexPointer(9, 0x1406, 0, None), lambda: gl.glGetIntegerv(0x1234, C.byref(size)),
        lambda: gl.glPopDebugGroup(), lambda: gl.glUseProgram(999), lambda: gl.glPixelStorei(0x0CF5, 3),
        lambda: gl.glMapBuffer(0x8892, 0x1234), lambda: gl.glGenTextures(-1, None),
        lambda: gl.glDebugMessageInsert(0x8246, 0x8268, 1, 0x826B, -1, b"not ours to say"),
        lambda: gl.glPushDebugGroup(0x8246, 1, -1, b"neither"),
    ]
    for turn in range(count):
        kind = r.randrange(16)
        if kind < 5:
            gl.glDebugMessageInsert(
                r.choice([0x824A, 0x824B]), r.choice(kinds), r.choice([1, 2, 3, 77]), r.choice(severities),
                r.choice([-1, -1, 4]), b"message %d" % turn)
        elif kind < 8:
            r.choice(wrongs)()
        elif kind == 8:
            ids = (C.c_uint * 2)(r.choice([1, 2, 3]), 77)
            given = r.choice([0, 0, 0, 1, 2])
            gl.glDebugMessageControl(
                r.choice(sources[-3:] if given else sources), r.choice(kinds), r.choice(severities),
                given, ids, r.choice([0, 1, 1, 1]))
        elif kind == 9:
            gl.glPushDebugGroup(r.choice([0x824A, 0x824B]), turn, r.choice([-1, 3]), b"group %d" % turn)
        elif kind == 10:
            gl.glPopDebugGroup()
        elif kind == 11:
            if r.randrange(2):
                gl.glDebugMessageCallback(callback, C.c_void_p(turn))
            else:
                gl.glDebugMessageCallback(None, None)
            place = C.c_void_p(1)
            gl.glGetPointerv(0x8245, C.byref(place))
            say("parameter", place.value, integers(gl, 0x9145), integers(gl, 0x826D))
        elif kind == 12:
            most, room = r.choice([0, 1, 3, 10]), r.choice([0, 20, 60, 1000])
            places = [(C.c_uint * 10)() for _ in range(4)]
            lengths, texts = (C.c_int * 10)(), C.create_string_buffer(1000)
            found = gl.glGetDebugMessageLog(most, room, *places, lengths, texts)
            say(found, integers(gl, 0x9145), integers(gl, 0x8243) > [0])
            start = 0
            for i in range(found):
                source, type_, number, severity = (place[i] for place in places)
                text = texts.raw[start:].split(b"\0")[0]
                say(told(source, type_, number, severity, text))
                start += lengths[i]
        elif kind == 13:
            cap = r.choice([0x92E0, 0x92E0, 0x8242])
            r.choice([gl.glEnable, gl.glEnable, gl.glDisable])(cap)
            gl.glEnable(0x8242)
        elif kind == 14:
            size.value = 0
            label = C.create_string_buffer(8)
            space, name = r.choice([(0x82E0, buffers[0]), (0x82E0, 99), (0x1702, texture), (1, 2)])
            gl.glObjectLabel(space, name, r.choice([-1, 2, 0]), r.choice([b"a label %d" % turn, None]))
            gl.glGetObjectLabel(space, name, r.choice([8, 3]), C.byref(size), label)
            say(size.value, label.value)
        else:
            say(hex(gl.glGetError()), integers(gl, 0x826D))
        for message in heard:
            say(turn, *message)
        heard.clear()
    # Messages that nothing waits for come sooner or later.
    while gl.glGetError():
        pass
    while integers(gl, 0x826D)[0] > 1:
        gl.glPopDebugGroup()
    gl.glDebugMessageControl(0x1100, 0x1100, 0x1100, 0, None, 1)
    gl.glEnable(0x92E0)
    gl.glDebugMessageCallback(callback, None)
    heard.clear()
    gl.glDisable(0x8242)
    for turn in range(20):
        gl.glDebugMessageInsert(0x824A, 0x8268, turn, 0x826B, -1, b"message %d" % turn)
        gl.glDrawArrays(77, 0, 3)
    gl.glFinish()
    say(*heard)


def direct() -> None:
    """What is said of objects by their names, asked for by their names and where they are bound."""
    seed, count = int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1500
    gl, r = context(), random.Random(seed)
    gl.glMapNamedBufferEXT.restype = gl.glMapNamedBufferRangeEXT.restype = C.c_void_p
    # Names that nobody has given out; all but the first of each are made by commands that name them.
    # The last texture is deleted now and then, and not in lists: they bring back what is.
    targets = {100: 0xDE1, 101: 0xDE1, 102: 0xDE0, 103: 0x806F, 104: 0x8513, 105: 0x84F5, 106: 0xDE1}
    textures, framebuffers, renderbuffers, buffers = list(targets), [300, 301], [200, 201], [400, 401, 402]
    arrays = (C.c_uint * 2)()
    gl.glGenVertexArrays(2, arrays)
    for name in arrays:
        gl.glBindVertexArray(name)
    gl.glBindVertexArray(0)
    gl.glBindFramebuffer(0x8D40, framebuffers[0])
    for name, target in targets.items():
        gl.glTextureParameteriEXT(name, target, 0x2801, 0x2600)
    for name in buffers:
        gl.glNamedBufferDataEXT(name, C.c_ssize_t(256), bytes(range(256)), 0x88E4)
    made = (C.c_uint * 1)()
    gl.glGenProgramsARB(1, made)
    text = b"!!ARBvp1.0 MOV result.position, vertex.position; END"
    gl.glNamedProgramStringEXT(made[0], 0x8620, 0x8875, len(text), text)
    lists: list[int] = []
    value, place = C.c_int(), C.c_void_p()

    def matrix() -> None:
        number = lambda: F(r.choice([0, 1, -1, 0.5, 2, r.uniform(-2, 2)]))  # noqa: E731
        mode = r.choice([0x1700, 0x1700, 0x1701, 0x1702, 0x84C0, 0x84C1, 0x84C3, 0x1234])
        m = (F * 16)(*[r.uniform(-1, 1) for _ in range(16)])
        r.choice([
            lambda: gl.glMatrixLoadfEXT(mode, m), lambda: gl.glMatrixMultfEXT(mode, m),
            lambda: gl.glMatrixLoadTransposefEXT(mode, m), lambda: gl.glMatrixLoadIdentityEXT(mode),
            lambda: gl.glMatrixTranslatefEXT(mode, number(), number(), number()),
            lambda: gl.glMatrixScaledEXT(mode, D(r.uniform(0.5, 2)), D(2), D(1)),
            lambda: gl.glMatrixRotatefEXT(mode, F(90), number(), number(), number()),
            lambda: gl.glMatrixPushEXT(mode), lambda: gl.glMatrixPopEXT(mode),
            lambda: gl.glMatrixOrthoEXT(mode, D(0), D(2), D(0), D(r.choice([1, 3])), D(-1), D(1)),
            lambda: gl.glMatrixFrustumEXT(mode, D(-1), D(1), D(-1), D(1), D(r.choice([1, 0])), D(4)),
            lambda: gl.glMatrixMode(r.choice([0x1700, 0x1701, 0x1702])), gl.glLoadIdentity,
            lambda: gl.glTranslatef(F(1), F(2), F(3)),
            lambda: gl.glActiveTexture(0x84C0 + r.choice([0, 1, 3])),
        ])()

    def texture() -> None:
        compiling = integers(gl, 0xB33) != [0]
        name = r.choice(textures[:-1] if compiling else textures)
        target = r.choice([targets[name]] * 6 + [0xDE1, 0x8513])
        image = 0x8515 if target == 0x8513 else target
        unit = 0x84C0 + r.choice([0, 1, 1, 2, 3])
        side = r.choice([4, 8, 8])
        data = bytes(r.randrange(256) for _ in range(4 * side * side))
        # Nothing is read for an image that is refused, or is none; for a list everything is.
        nowhere = None if compiling else C.c_void_p(64)
        r.choice([
            lambda: gl.glTextureParameteriEXT(name, target, r.choice([0x2801, 0x2802, 0x813D]),
                                              r.choice([0x2600, 0x2901, 1])),
            lambda: gl.glTextureParameterfvEXT(name, target, 0x1004, (F * 4)(0, 1, r.random(), 1)),
            lambda: gl.glTextureImage1DEXT(name, image, 0, 0x8058, side, 0, 0x1908, 0x1401, data),
            lambda: gl.glTextureImage2DEXT(name, image, r.choice([0, 0, 1]), r.choice([0x8058, 0x8229]),
                                           side, side, 0, 0x1908, 0x1401, data),
            lambda: gl.glTextureImage2DEXT(name, image, 0, 0x8058, side, side, 0, 0x1908, 0x1401, data),
            lambda: gl.glTextureImage3DEXT(name, image, 0, 0x8058, side, side, 1, 0, 0x1908, 0x1401, data),
            lambda: gl.glTextureSubImage2DEXT(name, image, 0, 1, 1, 2, 2, 0x1908, 0x1401, data),
            lambda: gl.glGenerateTextureMipmapEXT(name, target),
            lambda: gl.glTextureImage2DEXT(102, 0xDE0, 0, 0x8058, 4096, 4096, 0, 0x1908, 0x1401, nowhere),
            lambda: gl.glTexImage2D(0x8064, 0, 0x8058, 64, 64, 0, 0x1908, 0x1401, nowhere),
            lambda: gl.glTexImage2D(0xDE1, 0, 0x8058, 1 << 20, 64, 0, 0x1908, 0x1401, nowhere),
            lambda: gl.glBindMultiTextureEXT(unit, target, r.choice([0, name, name])),
            lambda: gl.glBindTexture(target, r.choice([0, name])),
            lambda: gl.glActiveTexture(unit),
            lambda: gl.glMultiTexEnviEXT(unit, 0x2300, 0x2200, r.choice([0x2100, 0x1E01, 0x104, 9])),
            lambda: gl.glTexEnvi(0x2300, 0x2200, r.choice([0x2100, 0x2101])),
            lambda: gl.glMultiTexImage2DEXT(unit, image, 0, 0x8058, side, side, 0, 0x1908, 0x1401, data),
            lambda: gl.glMultiTexParameteriEXT(unit, target, 0x2801, r.choice([0x2600, 0x2703])),
            lambda: gl.glMultiTexGeniEXT(unit, 0x2000, 0x2500, r.choice([0x2400, 0x2401, 1])),
            lambda: gl.glDeleteTextures(1, C.byref(C.c_uint(106))),
        ])()

    def framebuffer() -> None:
        name = r.choice(framebuffers)
        point = r.choice([0x8CE0, 0x8CE0, 0x8CE1, 0x8D00, 3])
        r.choice([
            lambda: gl.glNamedFramebufferTexture2DEXT(name, point, r.choice([0xDE1, 0xDE1, 0x8515]),
                                                      r.choice([0, 100, 101, 104]), r.choice([0, 0, 1])),
            lambda: gl.glNamedFramebufferRenderbufferEXT(name, point, 0x8D41, r.choice([0, *renderbuffers])),
            lambda: gl.glNamedRenderbufferStorageEXT(r.choice(renderbuffers), r.choice([0x8058, 0x81A5, 5]),
                                                     r.choice([4, 8]), 8),
            lambda: gl.glFramebufferDrawBufferEXT(name, r.choice([0, 0x8CE0, 0x8CE1, 0x405, 7])),
            lambda: gl.glFramebufferReadBufferEXT(name, r.choice([0, 0x8CE0, 0x8CE1, 0x404])),
            lambda: gl.glFramebufferDrawBuffersEXT(name, 2, (C.c_uint * 2)(0x8CE0, r.choice([0, 0x8CE1]))),
            lambda: gl.glFramebufferTexture2D(0x8D40, point, 0xDE1, r.choice([0, 100, 101]), 0),
            lambda: gl.glBindFramebuffer(r.choice([0x8D40, 0x8CA8]), name),
            lambda: gl.glDrawBuffer(r.choice([0, 0x8CE0, 0x8CE1, 0x405])),
        ])()

    def memory() -> None:
        name, other = r.choice(buffers), r.choice(buffers)
        size, offset = r.choice([64, 256]), r.choice([0, 8, 100])
        data = bytes(r.randrange(256) for _ in range(size))
        kind = r.randrange(7)
        if kind == 0:
            gl.glNamedBufferDataEXT(name, C.c_ssize_t(256), r.choice([data * 4, None]), r.choice([0x88E4, 5]))
            # What is in a buffer without data is whatever was there.
            gl.glNamedBufferSubDataEXT(name, C.c_ssize_t(0), C.c_ssize_t(256), (data * 4)[:256])
        elif kind == 1:
            gl.glNamedBufferSubDataEXT(name, C.c_ssize_t(offset), C.c_ssize_t(size), data)
        elif kind == 2:
            gl.glNamedCopyBufferSubDataEXT(name, other, C.c_ssize_t(offset), C.c_ssize_t(128), C.c_ssize_t(64))
        elif kind == 3:
            at = gl.glMapNamedBufferEXT(name, r.choice([0x88B8, 0x88B9, 0x88BA, 1]))
            if at:
                say("whole", digest(C.string_at(at, 256)))
                gl.glGetNamedBufferPointervEXT(name, 0x88BD, C.byref(place))
                say(place.value == at, gl.glUnmapNamedBufferEXT(name) & 0xFF)
        elif kind == 4:
            at = gl.glMapNamedBufferRangeEXT(name, C.c_ssize_t(offset), C.c_ssize_t(16), 0x12)
            if at:
                C.memmove(at, data, 16)
                gl.glFlushMappedNamedBufferRangeEXT(name, C.c_ssize_t(0), C.c_ssize_t(8))
                gl.glUnmapNamedBufferEXT(name)
                # What was not flushed may be there or not.
                gl.glNamedBufferSubDataEXT(name, C.c_ssize_t(offset + 8), C.c_ssize_t(8), data[8:16])
        elif kind == 5:
            gl.glClearNamedBufferSubDataEXT(name, 0x8229, C.c_ssize_t(offset), C.c_ssize_t(32), 0x1903, 0x1401, data)
        got = C.create_string_buffer(64)
        gl.glGetNamedBufferSubDataEXT(name, C.c_ssize_t(offset), C.c_ssize_t(64), got)
        say("buffer", digest(got.raw))
        gl.glGetNamedBufferParameterivEXT(name, r.choice([0x8764, 0x8765, 0x88BC]), C.byref(value))
        say(value.value)

    def clients() -> None:
        unit, array, buffer = r.choice([0, 1, 7, 99]), r.choice(arrays), r.choice([0, *buffers])
        # Where there is no buffer an offset is an address of the node's, which nobody is told.
        offset = C.c_ssize_t(r.choice([0, 16, 32]) if buffer else 0)
        # Mesa 22.3 forgets that vertex array objects have none (OpenGL 4.6, 10.3.9).
        pointer = r.choice([0, 64, 128]) if integers(gl, 0x85B5) == [0] else 0
        r.choice([
            lambda: gl.glMultiTexCoordPointerEXT(0x84C0 + unit % 8, r.choice([2, 4, 9]), 0x1406, r.choice([0, 16]),
                                                 C.c_void_p(pointer)),
            lambda: gl.glEnableClientStateiEXT(r.choice([0x8078, 0x8074]), unit),
            lambda: gl.glDisableClientStateiEXT(0x8078, unit),
            lambda: gl.glPushClientAttribDefaultEXT(r.choice([1, 2, 3])),
            lambda: gl.glClientAttribDefaultEXT(r.choice([1, 2, 3])), gl.glPopClientAttrib,
            lambda: gl.glPixelStorei(r.choice([0xCF5, 0xD05]), r.choice([1, 2, 4, 3])),
            lambda: gl.glBindBuffer(r.choice([0x8892, 0x88EC, 0x88EB]), r.choice([0, 0, *buffers])),
            lambda: gl.glVertexArrayVertexOffsetEXT(array, buffer, 3, 0x1406, 12, offset),
            lambda: gl.glVertexArrayColorOffsetEXT(array, buffer, 4, 0x1401, 4, offset),
            lambda: gl.glVertexArrayMultiTexCoordOffsetEXT(array, buffer, 0x84C0 + unit % 8, 2, 0x1406, 8, offset),
            lambda: gl.glVertexArrayVertexAttribOffsetEXT(array, buffer, unit, 4, 0x1406, 0, 16, offset),
            lambda: gl.glEnableVertexArrayEXT(array, r.choice([0x8074, 0x8076, 1])),
            lambda: gl.glDisableVertexArrayEXT(array, r.choice([0x8074, 0x8076])),
            lambda: gl.glEnableVertexArrayAttribEXT(array, unit),
            lambda: gl.glBindVertexArray(r.choice([0, 0, array])),
            lambda: gl.glPushClientAttrib(r.choice([1, 2, 3])), gl.glPopClientAttrib,
            lambda: gl.glPrimitiveRestartIndex(r.choice([1, 7])),
            lambda: r.choice([gl.glEnable, gl.glDisable])(r.choice([0x8F9D, 0x8D69])),
        ])()
        value.value, place.value = -7, 3
        gl.glGetVertexArrayIntegeri_vEXT(array, r.choice([0, 1, 7]), r.choice([0x8622, 0x889F]), C.byref(value))
        gl.glGetVertexArrayPointeri_vEXT(array, r.choice([0, 1]), 0x8645, C.byref(place))
        say("array", value.value, place.value)
        place.value = 3
        gl.glGetPointeri_vEXT(0x8092, r.choice([0, 1, 7]), C.byref(place))
        value.value = -7
        gl.glGetIntegeri_v(0x8078, r.choice([0, 1, 7]), C.byref(value))
        say("client", place.value, value.value, integers(gl, 0x8894), integers(gl, 0xCF5), integers(gl, 0xD05))
        say("restart", integers(gl, 0x8F9E), gl.glIsEnabled(0x8F9D) & 1, gl.glIsEnabled(0x8D69) & 1, integers(gl, 0x85B5))

    def program() -> None:
        gl.glNamedProgramLocalParameter4fEXT(made[0], 0x8620, r.choice([0, 3, 1 << 20]), F(1), F(r.random()), F(3), F(4))
        numbers = (F * 4)()
        gl.glGetNamedProgramLocalParameterfvEXT(made[0], 0x8620, r.choice([0, 3]), numbers)
        got = C.create_string_buffer(200)
        gl.glGetNamedProgramStringEXT(made[0], 0x8620, r.choice([0x8628, 0x8628, 1]), got)
        say("program", [n.hex() for n in numbers], got.value)

    def ask() -> None:
        kind, name, target = r.randrange(9), *r.choice(list(targets.items()))
        image, unit = 0x8515 if target == 0x8513 else target, 0x84C0 + r.choice([0, 1, 2, 3])
        value.value = -7
        if kind == 0:
            say("matrix", *floats(gl, r.choice([0xBA6, 0xBA7, 0xBA8, 0x84E3, 0x84E4])), integers(gl, 0xBA0))
        elif kind == 1:
            say("depth", integers(gl, r.choice([0xBA3, 0xBA4, 0xBA5])), integers(gl, 0x84E0))
        elif kind == 2:
            gl.glGetTextureLevelParameterivEXT(name, image, r.choice([0, 1]), r.choice([0x1000, 0x1003]), C.byref(value))
            say("level", value.value)
            gl.glGetTexLevelParameteriv(image, r.choice([0, 1]), 0x1000, C.byref(value))
            say(value.value)
        elif kind == 3:
            gl.glGetMultiTexEnvivEXT(unit, 0x2300, 0x2200, C.byref(value))
            say("environment", value.value)
            gl.glGetTexEnviv(0x2300, 0x2200, C.byref(value))
            say(value.value)
        elif kind == 4:
            say("bound", integers(gl, TARGETS.get(target, 0x8069)))
            gl.glGetIntegeri_v(TARGETS.get(target, 0x8069), unit - 0x84C0, C.byref(value))
            say(value.value)
        elif kind == 5:
            side = C.c_int()
            # Mesa 22.3 gives nobody the faces of cube maps (`faces`).
            name, image = r.choice([(100, 0xDE1), (101, 0xDE1), (103, 0x806F), (105, 0x84F5)])
            gl.glGetTextureLevelParameterivEXT(name, image, 0, 0x1000, C.byref(side))
            room = C.create_string_buffer(64 * 64 * 8)
            gl.glBindBuffer(0x88EB, 0)
            r.choice([
                lambda: gl.glGetTextureImageEXT(name, image, 0, 0x1908, 0x1401, room),
                lambda: gl.glGetMultiTexImageEXT(unit, image, 0, 0x1908, 0x1401, room),
            ])()
            say("image", side.value, digest(room.raw))
        elif kind == 6:
            gl.glGetTextureParameterivEXT(name, target, r.choice([0x2801, 0x2802, 0x813D]), C.byref(value))
            say("parameter", value.value)
            gl.glGetMultiTexGenivEXT(unit, 0x2000, 0x2500, C.byref(value))
            say(value.value)
        elif kind == 7:
            name = r.choice(framebuffers)
            say("status", gl.glCheckNamedFramebufferStatusEXT(name, 0x8D40), gl.glCheckFramebufferStatus(0x8D40))
            gl.glGetFramebufferParameterivEXT(name, r.choice([0xC01, 0xC02, 0x8825]), C.byref(value))
            say(value.value, integers(gl, 0xC01), integers(gl, 0xC02))
        else:
            name = r.choice(framebuffers)
            gl.glGetNamedFramebufferAttachmentParameterivEXT(
                name, r.choice([0x8CE0, 0x8CE1, 0x8D00]), r.choice([0x8CD0, 0x8CD1, 0x8CD2]), C.byref(value))
            say("attachment", value.value)
            gl.glGetNamedRenderbufferParameterivEXT(r.choice(renderbuffers), 0x8D42, C.byref(value))
            say(value.value)

    gl.glGetError()
    for _ in range(count):
        if r.random() < 0.03:
            name = gl.glGenLists(1) if len(lists) < 4 else r.choice(lists)
            gl.glNewList(name, r.choice([0x1300, 0x1301]))
            for _ in range(r.randrange(6)):
                r.choice([matrix, texture])()
            gl.glEndList()
            lists = sorted({*lists, name})
        r.choice([matrix, texture, texture, framebuffer, memory, clients, program])()
        if lists and r.random() < 0.1:
            gl.glCallList(r.choice(lists))
        say("error", gl.glGetError() != 0)
        while gl.glGetError():
            pass
        ask()
        say("error", gl.glGetError() != 0)


def blocks() -> None:
    seed, count = int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 300
    gl, r = context(), random.Random(seed)
    formats = {0x83F1: 8, 0x83F3: 16, 0x8DBB: 8, 0x8E8C: 16}
    targets = [0xDE1, 0x8C1A, 0x9009, 0x8513]
    # Textures of 16 × 16 texels with 6 layers, of each format.
    textures = {}
    for target in targets:
        for form, size in formats.items():
            name = C.c_uint()
            gl.glCreateTextures(target, 1, C.byref(name))
            if target in (0xDE1, 0x8513):
                gl.glTextureStorage2D(name, 1, form, 16, 16)
            else:
                gl.glTextureStorage3D(name, 1, form, 16, 16, 6)
            textures[target, form] = name.value
    cube = C.c_uint()
    gl.glCreateTextures(0x8513, 1, C.byref(cube))
    gl.glTextureStorage2D(cube, 1, 0x8058, 8, 8)
    for face in range(6):
        gl.glTextureSubImage3D(cube, 0, 0, 0, face, 8, 8, 1, 0x1908, 0x1401, bytes(face * 40 + k % 39 for k in range(256)))
    buffers = (C.c_uint * 2)()
    gl.glGenBuffers(2, buffers)
    room = 32 * 32 // 16 * 16 * 8
    names = {"length": 0xCF2, "rows": 0xCF3, "pixels": 0xCF4, "height": 0x806E, "images": 0x806D,
             "width": 0x9127, "tall": 0x9128, "deep": 0x9129, "size": 0x912A}
    packs = {"length": 0xD02, "rows": 0xD03, "pixels": 0xD04, "height": 0x806C, "images": 0x806B,
             "width": 0x912B, "tall": 0x912C, "deep": 0x912D, "size": 0x912E}

    def store(which: dict, size: int, isCube: bool) -> None:
        # Mesa 22.3 has rows skipped without a width of blocks, and images of a cube map never.
        on = r.random() < 0.93
        mostly = lambda value, other: value if r.random() < 0.93 else other  # noqa: E731
        values = {"length": r.choice([0, 16, 20, 32]), "rows": r.choice([0, 0, 4, mostly(8, 3)]),
                  "pixels": r.choice([0, 0, 4, mostly(8, 2)]), "height": r.choice([0, 16, 20, 32]),
                  "images": 0 if isCube else r.choice([0, 0, 1]), "width": 4 * on, "tall": mostly(4, 0),
                  "deep": mostly(1, 0), "size": size * on}
        if not values["tall"]:
            values["images"] = 0
        for name, value in values.items():
            gl.glPixelStorei(which[name], value)
        say("store", *(integers(gl, which[name]) for name in values))

    def image(data) -> str:
        return f"{zlib.crc32(bytes(data)):08x}"

    for _ in range(count):
        target = r.choice(targets)
        form = r.choice(list(formats))
        texture = textures[target, form]
        layers = 1 if target == 0xDE1 else 6
        kind = r.randrange(8)
        if kind < 3:
            store(names, formats[form], target == 0x8513)
            width, height, depth = r.choice([4, 8, 16]), r.choice([4, 16]), r.choice([1, layers])
            byteCount = width // 4 * (height // 4) * depth * formats[form]
            data = bytes(r.randrange(256) for _ in range(room))
            inBuffer = r.random() < 0.4
            gl.glBindBuffer(0x88EC, buffers[0] if inBuffer else 0)
            if inBuffer:
                gl.glBufferData(0x88EC, C.c_ssize_t(room), data, 0x88E4)
            place = C.c_void_p(16) if inBuffer else data
            if r.random() < 0.05:
                byteCount += 8
            if target == 0xDE1:
                gl.glBindTexture(target, texture)
                r.choice([
                    lambda: gl.glCompressedTexSubImage2D(target, 0, 0, 0, width, height, form, byteCount, place),
                    lambda: gl.glCompressedTextureSubImage2D(texture, 0, 0, 0, width, height, form, byteCount, place),
                    lambda: gl.glCompressedTexImage2D(0x8064, 0, form, width, height, 0, byteCount, place),
                ])()
            elif target == 0x8513:
                gl.glBindTexture(target, texture)
                gl.glCompressedTexSubImage2D(0x8515 + r.randrange(6), 0, 0, 0, width, height, form, byteCount, place)
            else:
                gl.glBindTexture(target, texture)
                r.choice([
                    lambda: gl.glCompressedTexSubImage3D(target, 0, 0, 0, 0, width, height, depth, form, byteCount, place),
                    lambda: gl.glCompressedTextureSubImage3D(texture, 0, 0, 0, 0, width, height, depth, form, byteCount,
                                                             place),
                ])()
            gl.glBindBuffer(0x88EC, 0)
            say("up", hex(target), hex(form), gl.glGetError())
        if kind in (3, 4, 5) or kind < 3:
            store(packs, formats[form], target == 0x8513)
            inBuffer = r.random() < 0.4
            got = C.create_string_buffer(bytes(k & 255 for k in range(room)), room)
            gl.glBindBuffer(0x88EB, buffers[1] if inBuffer else 0)
            if inBuffer:
                gl.glBufferData(0x88EB, C.c_ssize_t(room), got, 0x88E4)
            place = C.c_void_p(16) if inBuffer else got
            gl.glBindTexture(target, texture)
            if kind == 3 and target != 0x8513:
                gl.glGetCompressedTexImage(target, 0, place)
            elif kind == 4:
                # Mesa 22.3 looks at the size only where there is no buffer.
                most = room - 16 if inBuffer else r.choice([room - 16, room - 16, 100])
                gl.glGetCompressedTextureImage(texture, 0, most, place)
            else:
                gl.glGetCompressedTextureSubImage(texture, 0, r.choice([0, 4]), 0, 0, r.choice([4, 8]), 16,
                                                  r.choice([1, layers]), room - 16, place)
            say("down", hex(target), hex(form), gl.glGetError())
            if inBuffer:
                gl.glGetBufferSubData(0x88EB, C.c_ssize_t(0), C.c_ssize_t(room), got)
            gl.glBindBuffer(0x88EB, 0)
            say(image(got.raw))
        elif kind > 5:
            for name in ("length", "rows", "pixels", "height", "images"):
                gl.glPixelStorei(packs[name], 0)
            gl.glPixelStorei(packs["length"], r.choice([0, 20]))
            gl.glPixelStorei(0x8758, r.choice([1, 1, 0]))
            inBuffer = r.random() < 0.4
            got = C.create_string_buffer(bytes(k & 255 for k in range(room)), room)
            gl.glBindBuffer(0x88EB, buffers[1] if inBuffer else 0)
            if inBuffer:
                gl.glBufferData(0x88EB, C.c_ssize_t(room), got, 0x88E4)
            place = C.c_void_p(16) if inBuffer else got
            gl.glClearColor(F(r.random()), F(0), F(1), F(1))
            gl.glScissor(r.randrange(10), r.randrange(10), 5, 5)
            gl.glEnable(0xC11)
            gl.glClear(0x4000)
            gl.glDisable(0xC11)
            if kind == 7 and r.random() < 0.4:
                gl.glPixelStorei(0x8758, 0)
                gl.glGetTextureImage(cube, 0, 0x1908, 0x1401, r.choice([room - 16, 1700]), place)
            elif kind == 6:
                gl.glReadPixels(0, 0, 16, r.choice([8, 12]), r.choice([0x1908, 0x1907]), 0x1401, place)
            else:
                gl.glBindTexture(0xDE1, textures[0xDE1, form])
                gl.glGetTexImage(0xDE1, 0, 0x1908, 0x1401, place)
            say("turned", integers(gl, 0x8758), gl.glGetError())
            gl.glPixelStorei(0x8758, 0)
            if inBuffer:
                gl.glGetBufferSubData(0x88EB, C.c_ssize_t(0), C.c_ssize_t(room), got)
            gl.glBindBuffer(0x88EB, 0)
            say(image(got.raw))


def faces() -> None:
    """Mesa 22.3 refuses faces where GL_EXT_direct_state_access has the targets of glGetTexImage, and takes a whole cube
    map, which that has not; a compressed face of a unit's texture it dies of."""
    gl = context()
    for face in range(6):
        image = bytes((i * 7 + face * 31) & 255 for i in range(64))
        gl.glTextureImage2DEXT(9, 0x8515 + face, 0, 0x8058, 4, 4, 0, 0x1908, 0x1401, image)
        gl.glCompressedTextureImage2DEXT(8, 0x8515 + face, 0, 0x83F1, 4, 4, 0, 8, image[:8])
    gl.glActiveTexture(0x84C2)
    gl.glBindTexture(0x8513, 9)
    gl.glActiveTexture(0x84C1)
    say("made", gl.glGetError())
    for face in range(6):
        target, same = 0x8515 + face, bytes((i * 7 + face * 31) & 255 for i in range(64))
        for get, name in ((gl.glGetTextureImageEXT, 9), (gl.glGetMultiTexImageEXT, 0x84C2)):
            room = C.create_string_buffer(64)
            get(name, target, 0, 0x1908, 0x1401, room)
            say("image", room.raw == same, gl.glGetError())
        gl.glBindMultiTextureEXT(0x84C3, 0x8513, 8)
        for get, name in ((gl.glGetCompressedTextureImageEXT, 8), (gl.glGetCompressedMultiTexImageEXT, 0x84C3)):
            room = C.create_string_buffer(8)
            get(name, target, 0, room)
            say("compressed", room.raw == same[:8], gl.glGetError())
    gl.glGetTextureImageEXT(9, 0x8513, 0, 0x1908, 0x1401, room)
    say("whole", gl.glGetError())
    gl.glGetTextureImageEXT(9, 0xDE1, 0, 0x1908, 0x1401, room)
    say("other", gl.glGetError())
    gl.glGetMultiTexImageEXT(0x84C0 + 5000, 0x8515, 0, 0x1908, 0x1401, room)
    say("unit", gl.glGetError())
    say("active", integers(gl, 0x84E0), integers(gl, 0x8514), gl.glGetError())


if __name__ == "__main__":
    globals()[sys.argv[1]]()
