import CPlatform
import Client
import GLWire

/// Bindings of buffers that say how a pointer is to be understood. 0: none, client memory.
struct BufferBindings {
  var array: UInt32 = 0
  var pixelPack: UInt32 = 0
  var pixelUnpack: UInt32 = 0
  var copyRead: UInt32 = 0
  var copyWrite: UInt32 = 0
  var uniform: UInt32 = 0
  var transformFeedback: UInt32 = 0
  var texture: UInt32 = 0
  var drawIndirect: UInt32 = 0
  var dispatchIndirect: UInt32 = 0
  var shaderStorage: UInt32 = 0
  var atomicCounter: UInt32 = 0
  var query: UInt32 = 0
  var parameter: UInt32 = 0
}

/// A vertex array of the default vertex array object, as its pointer command has set it.
struct ClientArray {
  var pointer: UnsafeRawPointer?
  var size: Int32 = 4
  var type: UInt32 = 0
  var stride: Int32 = 0
  /// The buffer that was bound; 0 for client memory.
  var buffer: UInt32 = 0
  var divisor: UInt32 = 0
  /// `ArrayFlag`s.
  var flags: UInt32 = 0

  /// Bytes of an element.
  var elementSize: Int {
    let components = size == Int32(bitPattern: GL.BGRA) ? 4 : Int(size)
    switch type {
    case GL.INT_2_10_10_10_REV, GL.UNSIGNED_INT_2_10_10_10_REV,
      GL.UNSIGNED_INT_10F_11F_11F_REV:
      return 4
    default: return components &* glTypeSize(type)
    }
  }
  var step: Int { stride == 0 ? elementSize : Int(stride) }
}

/// What PushClientAttrib saves.
struct ClientAttributes {
  var mask: UInt32 = 0
  var pack = PixelStore()
  var unpack = PixelStore()
  var pixelPack: UInt32 = 0
  var pixelUnpack: UInt32 = 0
  var arrays: UnsafeMutablePointer<ClientArray>?
  var enabled: UInt64 = 0
  var inMemory: UInt64 = 0
  var activeTexture: UInt32 = 0
  var arrayBuffer: UInt32 = 0
  var vertexArray: UInt32 = 0
  var elementBuffer: UInt32 = 0
  var restart = PrimitiveRestart()
}

/// Which indices are none (OpenGL 4.6, 10.3.6).
struct PrimitiveRestart {
  var isEnabled = false
  /// By the largest index of each type; it has the upper hand.
  var isFixed = false
  var index: UInt32 = 0
}

/// State of a context that the client answers for itself, or needs to understand pointers.
struct Shadow {
  var unpack = PixelStore()
  var pack = PixelStore()
  var buffers = BufferBindings()

  /// The bound vertex array object; 0 is the default one, the only one that can have client memory.
  var vertexArray: UInt32 = 0
  /// Element array buffers of vertex array objects by name; `elementCapacity` of them.
  var elements: UnsafeMutablePointer<UInt32>?
  var elementCapacity = 0
  let arrays: UnsafeMutablePointer<ClientArray>
  /// Arrays that are enabled, a bit for each slot.
  var enabled: UInt64 = 0
  /// Arrays whose pointer is one to client memory.
  var inMemory: UInt64 = 0
  /// Texture unit of TexCoordPointer and EnableClientState.
  var clientActiveTexture: UInt32 = 0
  var stack: UnsafeMutablePointer<ClientAttributes>
  var stackDepth = 0

  /// The draw and the read framebuffer; 0 is the drawable's.
  var drawFramebuffer: UInt32 = 0
  var readFramebuffer: UInt32 = 0
  var answers = ObjectAnswers()

  var restart = PrimitiveRestart()

  /// 0, or the mode of the display list that is being compiled, and its name.
  var listMode: UInt32 = 0
  var list: UInt32 = 0
  /// What the list does to what is kept here.
  var listEffect = ListEffect()

  var proxy = ProxyImage()
  /// Between Begin and End; and whether what is published ends there.
  var isInBegin = false
  var wasInBegin = false

  var matrices: Matrices
  var state: StateCache
  let units: TextureUnits
  /// The current color, as long as it is known (OpenGL 4.6 compatibility, 10.2.1): white at first.
  var color: CurrentColor? = (1, 1, 1, 1)
  var queries: Queries
  var fences = FenceSlot()

  /// The buffer object that was used last.
  var lastBuffer: Buffer?

  var feedback: UnsafeMutablePointer<Float>?
  var feedbackSize = 0
  var selection: UnsafeMutablePointer<UInt32>?
  var selectionSize = 0

  var debug = DebugOutput()
  /// Strings that the node was asked for.
  var strings: UnsafeMutablePointer<KeptString>?

  /// How often glFinish need not wait until the next swap.
  var freeFinishes = 0
  /// `published` of the context behind the last swap.
  var swapPublished: UInt64 = 0

  static var deepest: Int { 16 }

  init?() {
    guard let arrays = platform_calloc(ArraySlot.count, MemoryLayout<ClientArray>.stride),
      let stack = platform_calloc(Shadow.deepest, MemoryLayout<ClientAttributes>.stride),
      let matrices = Matrices(), let state = StateCache(), let units = TextureUnits(),
      let queries = Queries()
    else { return nil }
    self.arrays = arrays.bindMemory(to: ClientArray.self, capacity: ArraySlot.count)
    self.stack = stack.bindMemory(to: ClientAttributes.self, capacity: Shadow.deepest)
    self.matrices = matrices
    self.state = state
    self.units = units
    self.queries = queries
    self.arrays.initialize(repeating: ClientArray(), count: ArraySlot.count)
  }

  func free(_ connection: Connection) {
    queries.free(connection)
    fences.release(connection)
    var kept = strings
    while let one = kept {
      kept = one.pointee.next
      platform_free(one)
    }
    var i = 0
    while i < Shadow.deepest {
      platform_free(stack[i].arrays)
      i &+= 1
    }
    matrices.free()
    state.free()
    units.free()
    answers.free()
    platform_free(listEffect.ops)
    platform_free(elements)
    platform_free(arrays)
    platform_free(stack)
  }

  /// The element array buffer of the bound vertex array object.
  var elementBuffer: UInt32 {
    guard let elements, Int(vertexArray) < elementCapacity else { return 0 }
    return elements[Int(vertexArray)]
  }

  mutating func setElementBuffer(_ buffer: UInt32, of array: UInt32) {
    let index = Int(array)
    if index >= elementCapacity {
      guard index < 4 << 20 else { return }
      var wanted = max(elementCapacity &* 2, 64)
      while wanted <= index { wanted &*= 2 }
      guard let raw = platform_calloc(wanted, 4) else { return }
      let grown = raw.bindMemory(to: UInt32.self, capacity: wanted)
      if let elements {
        platform_copy(grown, elements, elementCapacity &* 4)
        platform_free(elements)
      }
      elements = grown
      elementCapacity = wanted
    }
    elements?[index] = buffer
  }

  /// Arrays in client memory that a draw reads.
  var clientArrays: UInt64 { vertexArray == 0 ? enabled & inMemory : 0 }
}
