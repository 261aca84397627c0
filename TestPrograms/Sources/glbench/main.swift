// Times streams of OpenGL calls in a context without a surface, 20,000 at a time, and prints nanoseconds
// per call. The functions come from eglGetProcAddress, as an engine has them. After each stream the
// program waits until all is drawn, which is not timed: the figure is what the calls cost the thread that
// makes them. At the end it prints a number that is the same for the same picture.
//
//   glbench [ROUNDS]
//
//   draws      glUniform4f and glDrawArrays of vertices in a buffer
//   elements   glUniformMatrix4fv, glBindBuffer and glDrawElements of indices in a buffer
//   immediate  glColor4f and glVertex3f between glBegin and glEnd
//   arrays     glDrawArrays of three vertices in the program's own memory

import Glibc

let rounds = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 15
let calls = 20_000
let size: Int32 = 16

typealias Pointer = UnsafeMutableRawPointer

guard let library = dlopen("libEGL.so.1", RTLD_NOW) else { fatalError("no libEGL.so.1") }
typealias GetProcAddress = @convention(c) (UnsafePointer<CChar>) -> Pointer?
let getProcAddress = unsafeBitCast(dlsym(library, "eglGetProcAddress")!, to: GetProcAddress.self)

func function<Function>(_ name: String, as type: Function.Type) -> Function {
  guard let found = dlsym(library, name) ?? getProcAddress(name) else {
    fatalError("no \(name)")
  }
  return unsafeBitCast(found, to: type)
}

typealias Words = UnsafePointer<Int32>
let getPlatformDisplay = function(
  "eglGetPlatformDisplay", as: (@convention(c) (UInt32, Pointer?, Pointer?) -> Pointer?).self)
let initialize = function(
  "eglInitialize", as: (@convention(c) (Pointer?, Pointer?, Pointer?) -> UInt32).self)
let bindAPI = function("eglBindAPI", as: (@convention(c) (UInt32) -> UInt32).self)
let chooseConfig = function(
  "eglChooseConfig",
  as: (@convention(c) (
    Pointer?, Words, UnsafeMutablePointer<Pointer?>, Int32, UnsafeMutablePointer<Int32>
  ) -> UInt32).self)
let createContext = function(
  "eglCreateContext",
  as: (@convention(c) (Pointer?, Pointer?, Pointer?, Words?) -> Pointer?).self)
let makeCurrent = function(
  "eglMakeCurrent", as: (@convention(c) (Pointer?, Pointer?, Pointer?, Pointer?) -> UInt32).self)

/// EGL_PLATFORM_SURFACELESS_MESA
let display = getPlatformDisplay(0x31DD, nil, nil)
guard initialize(display, nil, nil) == 1, bindAPI(0x30A2) == 1 else { fatalError("no display") }
var config: Pointer?
var found: Int32 = 0
// EGL_RENDERABLE_TYPE is EGL_OPENGL_BIT, EGL_SURFACE_TYPE nothing.
guard chooseConfig(display, [0x3040, 8, 0x3033, 0, 0x3038], &config, 1, &found) == 1, found == 1
else { fatalError("no configuration") }
guard let context = createContext(display, config, nil, nil),
  makeCurrent(display, nil, nil, context) == 1
else { fatalError("no context") }

let uniform4f = function(
  "glUniform4f", as: (@convention(c) (Int32, Float, Float, Float, Float) -> Void).self)
let uniformMatrix4fv = function(
  "glUniformMatrix4fv",
  as: (@convention(c) (Int32, Int32, UInt8, UnsafePointer<Float>) -> Void).self)
let drawArrays = function("glDrawArrays", as: (@convention(c) (UInt32, Int32, Int32) -> Void).self)
let drawElements = function(
  "glDrawElements", as: (@convention(c) (UInt32, Int32, UInt32, Pointer?) -> Void).self)
let bindBuffer = function("glBindBuffer", as: (@convention(c) (UInt32, UInt32) -> Void).self)
let begin = function("glBegin", as: (@convention(c) (UInt32) -> Void).self)
let end = function("glEnd", as: (@convention(c) () -> Void).self)
let color4f = function("glColor4f", as: (@convention(c) (Float, Float, Float, Float) -> Void).self)
let vertex3f = function("glVertex3f", as: (@convention(c) (Float, Float, Float) -> Void).self)
let finish = function("glFinish", as: (@convention(c) () -> Void).self)
let vertexAttribPointer = function(
  "glVertexAttribPointer",
  as: (@convention(c) (UInt32, Int32, UInt32, UInt8, Int32, UnsafeRawPointer?) -> Void).self)
let useProgram = function("glUseProgram", as: (@convention(c) (UInt32) -> Void).self)

makeTarget()
let program = makeProgram()
let location = function(
  "glGetUniformLocation", as: (@convention(c) (UInt32, UnsafePointer<CChar>) -> Int32).self)
let offset = location(program, "offset")
let matrix = location(program, "matrix")
let (vertices, indices) = makeBuffers()

measure("draws", calls: calls) { round in
  for i in 0..<Int32(calls / 2) {
    uniform4f(offset, Float(i & 15) / 8 - 1, Float(round) / 16 - 1, 0, 0)
    drawArrays(4, 0, 3)
  }
}
var values = [Float](repeating: 0, count: 16)
for i in 0..<4 { values[i * 5] = 1 }
measure("elements", calls: calls) { round in
  for i in 0..<calls / 4 {
    values[12] = Float(i & 15) / 8 - 1
    uniformMatrix4fv(matrix, 1, 0, values)
    bindBuffer(0x8893, 0)
    bindBuffer(0x8893, indices)
    drawElements(4, 3, 0x1405, nil)
  }
}
// Client memory: nothing is bound.
bindBuffer(0x8892, 0)
let corners = UnsafeMutablePointer<Float>.allocate(capacity: 6)
for (i, value) in [-0.1, -0.1, 0.1, -0.1, 0, 0.1].enumerated() { corners[i] = Float(value) }
vertexAttribPointer(0, 2, 0x1406, 0, 0, corners)
measure("arrays", calls: calls) { round in
  for i in 0..<calls {
    corners[4] = Float(i & 15) / 8 - 1
    drawArrays(4, 0, 3)
  }
}
useProgram(0)
measure("immediate", calls: calls) { round in
  begin(4)
  for i in 0..<Int32(calls / 2) {
    color4f(Float(i & 255) / 255, Float(round) / 16, 1, 1)
    vertex3f(Float(i % 7) / 100, Float(i % 5) / 100, 0)
  }
  end()
}
print("picture \(picture())")

/// Runs a stream in rounds, and prints the median of what a call takes.
func measure(_ name: String, calls: Int, _ stream: (Int) -> Void) {
  var times: [Double] = []
  for round in 0..<rounds + 2 {
    let start = now()
    stream(round)
    let time = now() - start
    finish()
    // The first rounds warm caches and pages.
    if round >= 2 { times.append(Double(time) / Double(calls)) }
  }
  times.sort()
  print("\(name) \(times[times.count / 2])")
}

func now() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

func makeTarget() {
  typealias Gen = @convention(c) (Int32, UnsafeMutablePointer<UInt32>) -> Void
  var renderbuffer: UInt32 = 0
  var framebuffer: UInt32 = 0
  function("glGenRenderbuffers", as: Gen.self)(1, &renderbuffer)
  function("glBindRenderbuffer", as: (@convention(c) (UInt32, UInt32) -> Void).self)(
    0x8D41, renderbuffer)
  function(
    "glRenderbufferStorage", as: (@convention(c) (UInt32, UInt32, Int32, Int32) -> Void).self)(
      0x8D41, 0x8058, size, size)
  function("glGenFramebuffers", as: Gen.self)(1, &framebuffer)
  function("glBindFramebuffer", as: (@convention(c) (UInt32, UInt32) -> Void).self)(
    0x8D40, framebuffer)
  function(
    "glFramebufferRenderbuffer",
    as: (@convention(c) (UInt32, UInt32, UInt32, UInt32) -> Void).self)(
      0x8D40, 0x8CE0, 0x8D41, renderbuffer)
  function("glViewport", as: (@convention(c) (Int32, Int32, Int32, Int32) -> Void).self)(
    0, 0, size, size)
}

func makeProgram() -> UInt32 {
  let program = function("glCreateProgram", as: (@convention(c) () -> UInt32).self)()
  let sources: [(UInt32, String)] = [
    (
      0x8B31,
      """
      #version 120
      uniform vec4 offset;
      uniform mat4 matrix;
      attribute vec2 position;
      void main() { gl_Position = matrix * (vec4(position, 0, 1) + offset); }
      """
    ),
    (
      0x8B30,
      """
      #version 120
      uniform vec4 offset;
      void main() { gl_FragColor = vec4(offset.xy * 0.5 + 0.5, 0.5, 1.0); }
      """
    ),
  ]
  for (kind, source) in sources {
    let shader = function("glCreateShader", as: (@convention(c) (UInt32) -> UInt32).self)(kind)
    source.withCString { text in
      var text: UnsafePointer<CChar>? = text
      function(
        "glShaderSource",
        as: (@convention(c) (
          UInt32, Int32, UnsafeMutablePointer<UnsafePointer<CChar>?>, Words?
        ) -> Void).self)(shader, 1, &text, nil)
    }
    function("glCompileShader", as: (@convention(c) (UInt32) -> Void).self)(shader)
    function("glAttachShader", as: (@convention(c) (UInt32, UInt32) -> Void).self)(program, shader)
  }
  function(
    "glBindAttribLocation",
    as: (@convention(c) (UInt32, UInt32, UnsafePointer<CChar>) -> Void).self)(
      program, 0, "position")
  function("glLinkProgram", as: (@convention(c) (UInt32) -> Void).self)(program)
  var status: Int32 = 0
  function(
    "glGetProgramiv",
    as: (@convention(c) (UInt32, UInt32, UnsafeMutablePointer<Int32>) -> Void).self)(
      program, 0x8B82, &status)
  guard status == 1 else { fatalError("the program does not link") }
  useProgram(program)
  return program
}

/// A triangle and its indices, bound.
func makeBuffers() -> (vertices: UInt32, indices: UInt32) {
  var names: [UInt32] = [0, 0]
  function(
    "glGenBuffers", as: (@convention(c) (Int32, UnsafeMutablePointer<UInt32>) -> Void).self)(
      2, &names)
  let data = function(
    "glBufferData", as: (@convention(c) (UInt32, Int, UnsafeRawPointer?, UInt32) -> Void).self)
  let corners: [Float] = [-0.1, -0.1, 0.1, -0.1, 0, 0.1]
  bindBuffer(0x8892, names[0])
  data(0x8892, 24, corners, 0x88E4)
  let indices: [UInt32] = [0, 1, 2]
  bindBuffer(0x8893, names[1])
  data(0x8893, 12, indices, 0x88E4)
  vertexAttribPointer(0, 2, 0x1406, 0, 0, nil)
  function("glEnableVertexAttribArray", as: (@convention(c) (UInt32) -> Void).self)(0)
  var identity = [Float](repeating: 0, count: 16)
  for i in 0..<4 { identity[i * 5] = 1 }
  uniformMatrix4fv(matrix, 1, 0, identity)
  return (names[0], names[1])
}

/// FNV-1a of the target's bytes.
func picture() -> UInt64 {
  var bytes = [UInt8](repeating: 0, count: Int(size * size * 4))
  function(
    "glReadPixels",
    as: (@convention(c) (Int32, Int32, Int32, Int32, UInt32, UInt32, Pointer) -> Void).self)(
      0, 0, size, size, 0x1908, 0x1401, &bytes)
  return bytes.reduce(14_695_981_039_346_656_037) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
}
