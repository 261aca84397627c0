import GLWire
import Ring
import Wire

/// Control records that make sense, and short sequences around them: where the fuzzer begins.
enum ControlSeeds {
  private static func record(
    _ opcode: UInt32, _ body: (inout Writer) -> Void
  ) -> (UInt32, [UInt8]) {
    var heap = HeapWriter(capacity: 256)
    defer { heap.free() }
    heap.writer.begin(opcode)
    body(&heap.writer)
    heap.writer.end()
    return (opcode, Array(heap.bytes.dropFirst(8)))
  }

  private static func words(_ opcode: UInt32, _ words: UInt32...) -> (UInt32, [UInt8]) {
    record(opcode) { w in for word in words { w.u32(word) } }
  }

  private static func memory(_ bytes: [UInt8]) -> (UInt32, [UInt8]) {
    record(ControlOpcode.glMemory) { w in
      w.u32(UInt32(bytes.count))
      w.u32(0)
      bytes.withUnsafeBytes { w.bytes($0.baseAddress, bytes.count) }
    }
  }

  /// Arrays of three floats in client memory, at slots.
  private static func vertices(
    _ slots: [UInt32], first: UInt32, count: Int, arrayBuffer: UInt32 = 0
  ) -> (UInt32, [UInt8]) {
    record(ControlOpcode.glVertexData) { w in
      let stride = UInt32(12 * slots.count)
      w.u32(UInt32(slots.count))
      w.u32(arrayBuffer)
      w.u32(first)
      w.u32(stride * UInt32(count))
      for (i, slot) in slots.enumerated() {
        for word in [slot, 3, GL.FLOAT, stride, 0, UInt32(12 * i)] { w.u32(word) }
      }
      for _ in 0..<(Int(stride) * count / 4) { w.u32(0x3F80_0000) }
    }
  }

  private static func drawable(_ number: UInt32) -> UInt64 { GLID.make(GLID.drawable, number) }

  private static func request(_ w: inout Writer) {
    for word: UInt32 in [8, 4, 8, 8, 8, 8, 24, 8, 4, 1] { w.u32(word) }
  }

  static var all: [(String, [(UInt32, [UInt8])])] {
    let makeCurrent = record(ControlOpcode.glMakeCurrent) { w in
      w.u64(drawable(1))
      w.u64(drawable(2))
      request(&w)
      request(&w)
    }
    let buffer = [
      words(GLOpcode.glBindBuffer, GL.ARRAY_BUFFER, 1),
      record(GLOpcode.glBufferData) { w in
        w.u32(GL.ARRAY_BUFFER)
        w.u64(16)
        w.u32(GL.STATIC_DRAW)
        w.u32(16)
        for i: UInt32 in 0..<4 { w.u32(i) }
      },
    ]
    let map = record(ControlOpcode.glMap) { w in
      for word in [3, 0, GL.ARRAY_BUFFER, 0] { w.u32(word) }
      w.u64(0)
      w.u64(16)
      w.u32(GL.MAP_READ_BIT | GL.MAP_WRITE_BIT)
      w.u32(0)
    }
    let unmap = record(ControlOpcode.glUnmap) { w in
      for word in [GL.ARRAY_BUFFER, 0, 1, UnmapMode.end] { w.u32(word) }
      w.u64(4)
      w.u64(8)
      w.u64(1)
    }
    return [
      ("openContext", [words(ControlOpcode.openContext, 2, 0)]),
      (
        "create",
        [
          record(ControlOpcode.glCreateContext) { w in
            w.u32(1)
            w.u32(0)
            w.u64(GLID.make(GLID.context, 9))
            w.u64(0)
            for word: UInt32 in [0, 4, 6, 2, 0, 0, 0, 0] { w.u32(word) }
          }, makeCurrent,
        ]
      ),
      ("makeCurrent", [makeCurrent, words(GLOpcode.glBindFramebuffer, GL.FRAMEBUFFER, 0)]),
      (
        "swap",
        [
          record(ControlOpcode.glFrames) { w in
            w.u64(GLID.make(GLID.frames, 2))
            for word: UInt32 in [8, 4, 2, 33] { w.u32(word) }
            w.u64(132)
            w.u64(0)
          },
          record(ControlOpcode.glSwap) { w in
            w.u64(drawable(1))
            w.u64(GLID.make(GLID.frames, 2))
            w.u32(1)
            w.u32(7)
            w.u64(1)
            for word: UInt32 in [0, 8, 4, 0] { w.u32(word) }
          }, record(ControlOpcode.glForgetFrames) { $0.u64(GLID.make(GLID.frames, 2)) },
          record(ControlOpcode.glDestroyDrawable) { $0.u64(drawable(1)) },
        ]
      ),
      (
        "order",
        [
          words(ControlOpcode.glAfter, 2, 0, 0, 0), record(ControlOpcode.glMark) { $0.u64(3) },
          words(ControlOpcode.glReport, 4, 0), words(ControlOpcode.pad),
        ]
      ),
      (
        "resize",
        [
          record(ControlOpcode.glResizeDrawable) { w in
            w.u64(drawable(1))
            w.u32(10)
            w.u32(6)
          },
          record(ControlOpcode.glReadDrawable) { w in
            w.u32(3)
            w.u32(0)
            w.u64(drawable(1))
            w.u32(GL.FRONT)
            w.u32(0)
          }, words(GLOpcode.glDrawBuffer, GL.FRONT_AND_BACK),
          words(GLOpcode.glReadBuffer, GL.FRONT),
        ]
      ),
      ("map", buffer + [map, unmap]),
      (
        "readBuffer",
        buffer + [
          record(ControlOpcode.glReadBuffer) { w in
            for word: UInt32 in [2, 0, 1, 8] { w.u32(word) }
            w.u64(4)
          }
        ]
      ),
      (
        "reflect",
        [
          memory([1, 0, 0, 0]), words(GLOpcode.glCreateProgram),
          words(ControlOpcode.glReflect, 3, 0, 1, 0), memory([2, 0, 0, 0]),
          words(GLOpcode.glCreateShader, GL.VERTEX_SHADER), memory(Array("void".utf8)),
          words(GLOpcode.glShaderSource, 2, 1), words(ControlOpcode.glReflect, 3, 0, 2, 0),
        ]
      ),
      (
        "drawArrays",
        [
          words(GLOpcode.glEnableClientState, GL.VERTEX_ARRAY),
          words(GLOpcode.glVertexPointer, 3, GL.FLOAT, 0, 0, 0), vertices([32], first: 2, count: 3),
          words(GLOpcode.glDrawArrays, GL.TRIANGLES, 2, 3),
          words(GLOpcode.glDrawArrays, GL.TRIANGLES, 2, 3),
        ]
      ),
      (
        "drawElements",
        [
          words(GLOpcode.glEnableVertexAttribArray, 0),
          words(GLOpcode.glEnableVertexAttribArray, 1), vertices([0, 1], first: 0, count: 4),
          memory([0, 0, 1, 0, 3, 0]),
          words(GLOpcode.glDrawElements, GL.TRIANGLES, 3, GL.UNSIGNED_SHORT, 0, 0),
        ]
      ),
      (
        "buffers",
        buffer + [
          words(GLOpcode.glEnableVertexAttribArray, 0),
          words(GLOpcode.glVertexAttribPointer, 0, 3, GL.FLOAT, 0, 12, 4, 0),
          words(GLOpcode.glDrawArrays, GL.POINTS, 0, 1),
          words(GLOpcode.glBindBuffer, GL.ELEMENT_ARRAY_BUFFER, 1),
          words(GLOpcode.glDrawElements, GL.POINTS, 1, GL.UNSIGNED_INT, 4, 0),
          words(GLOpcode.glDeleteBuffers, 1, 4, 1),
          words(GLOpcode.glDrawArrays, GL.POINTS, 0, 1),
        ]
      ),
      (
        "vertexArrays",
        buffer + [
          words(GLOpcode.glGenVertexArrays, 1, 4, 5), words(GLOpcode.glBindVertexArray, 5),
          words(GLOpcode.glEnableVertexAttribArray, 2),
          words(GLOpcode.glBindVertexBuffer, 2, 1, 0, 0, 12),
          words(GLOpcode.glDrawArrays, GL.POINTS, 0, 1), words(GLOpcode.glBindVertexArray, 0),
          words(GLOpcode.glDrawArrays, GL.POINTS, 0, 1), words(GLOpcode.glBindVertexArray, 5),
          words(GLOpcode.glPushClientAttrib, 3),
          words(GLOpcode.glBindVertexBuffer, 2, 0, 0, 0, 12), words(GLOpcode.glPopClientAttrib),
          words(GLOpcode.glDrawArrays, GL.POINTS, 0, 1),
        ]
      ),
      (
        "multiDraw",
        [
          words(GLOpcode.glBindBuffer, GL.ELEMENT_ARRAY_BUFFER, 1),
          memory([0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0]),
          words(
            GLOpcode.glMultiDrawElements, GL.POINTS, GL.UNSIGNED_INT, 2, 8, 1, 1),
        ]
      ),
      (
        "multiDrawInMemory",
        [
          words(GLOpcode.glEnableVertexAttribArray, 0), vertices([0], first: 1, count: 5),
          memory([0, 1, 2, 3, 1]),
          words(
            GLOpcode.glMultiDrawElementsBaseVertex, GL.POINTS, GL.UNSIGNED_BYTE, 3, 12, 2, 0, 3, 12,
            1, 0, 2),
        ]
      ),
      (
        "instanced",
        [
          words(GLOpcode.glEnableVertexAttribArray, 0),
          words(GLOpcode.glVertexAttribDivisor, 0, 1), vertices([0], first: 0, count: 2),
          words(GLOpcode.glDrawArraysInstanced, GL.POINTS, 0, 4, 2),
        ]
      ),
      (
        "evaluators",
        [
          memory([UInt8](repeating: 1, count: 32)),
          words(GLOpcode.glMap1f, GL.MAP1_VERTEX_4, 0, 0x3F80_0000, 4, 2),
        ]
      ),
      (
        "modes",
        [
          words(GLOpcode.glFeedbackBuffer, 16, GL._2D), words(GLOpcode.glSelectBuffer, 8),
          words(GLOpcode.glRenderMode, 1, 0, GL.FEEDBACK),
          words(GLOpcode.glRenderMode, 1, 0, GL.SELECT),
          words(GLOpcode.glRenderMode, 1, 0, GL.RENDER),
        ]
      ),
      (
        "lists",
        [
          memory([4, 0, 0, 0]), words(GLOpcode.glGenLists, 3), words(GLOpcode.glBegin, 0),
          words(GLOpcode.glArrayElement, 1), words(GLOpcode.glEnd),
        ]
      ),
      (
        "readPixels",
        [
          record(ControlOpcode.glMemory) { w in
            w.u32(48)
            w.u32(0)
            for word: UInt32 in [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0] { w.u32(word) }
          },
          words(
            GLOpcode.glReadPixels, 3, 0, 0, 0, 4, 4, GL.RGBA, GL.UNSIGNED_BYTE),
          words(GLOpcode.glGetTexImage, 3, 0, GL.TEXTURE_2D, 0, GL.RGBA, GL.UNSIGNED_BYTE),
        ]
      ),
      (
        "sync",
        [
          memory([5, 0, 0, 0, 0, 0, 0, 0]),
          words(GLOpcode.glFenceSync, GL.SYNC_GPU_COMMANDS_COMPLETE, 0),
          words(GLOpcode.glClientWaitSync, 3, 0, 5, 0, 0, 1000, 0),
          memory([5, 0, 0, 0, 0, 0, 0, 0]), words(GLOpcode.glDeleteSync, 5, 0),
        ]
      ),
    ]
  }
}
