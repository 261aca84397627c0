import CPlatform
import Client
import GLWire
import Ring
import Wire

// OpenGL 4.6, chapter 4.2: query objects. A program that asks for results gets them pushed: the node
// sends each as soon as the driver has it.

extension UnsafeMutablePointer<ContextState> {
  /// Has the node send the result of a query that has ended. False when no slot is free.
  fileprivate func push(_ name: UInt32, _ query: UnsafeMutablePointer<Query>) -> Bool {
    let shadow = pointee.shadow
    guard shadow.pointee.queries.slots(query, pointee.connection),
      query.pointee.slots.number < UInt32.max
    else { return false }
    query.pointee.slots.number &+= 1
    query.pointee.state = .pushed
    sendPush(name, query.pointee.slots.number, query)
    return true
  }

  /// With the number 0: nobody waits for the result any more.
  private func sendPush(_ name: UInt32, _ number: UInt32, _ query: UnsafeMutablePointer<Query>) {
    writer.pointee.begin(ControlOpcode.glPushQuery)
    writer.pointee.u32(name)
    writer.pointee.u32(number)
    writer.pointee.u32(query.pointee.slots.low)
    writer.pointee.u32(query.pointee.slots.high)
    writer.pointee.end()
  }

  /// The query is about to be used again: the driver must not be asked for the result that it had
  /// `before`. (The node knows by itself when one is deleted.)
  fileprivate func cancelPush(_ name: UInt32, _ before: Query?) {
    guard var query = before, query.state == .pushed,
      !pointee.connection.isReached(query.slots.target)
    else { return }
    sendPush(name, 0, &query)
  }

  fileprivate func ended(_ name: UInt32) {
    let shadow = pointee.shadow
    guard name != 0, shadow.pointee.queries.areAsked,
      let query = shadow.pointee.queries.query(name)
    else { return }
    _ = push(name, query)
  }
}

func hook_glBeginQuery(_ c: Context, _ target: UInt32, _ id: UInt32) {
  c.useMadeUpName(.query, id)
  c.cancelPush(id, c.pointee.shadow.pointee.queries.begin(target, 0, id))
  encode_glBeginQuery(c, c.writer, target, id)
}

func hook_glBeginQueryIndexed(_ c: Context, _ target: UInt32, _ index: UInt32, _ id: UInt32) {
  c.useMadeUpName(.query, id)
  c.cancelPush(id, c.pointee.shadow.pointee.queries.begin(target, index, id))
  encode_glBeginQueryIndexed(c, c.writer, target, index, id)
}

func hook_glEndQuery(_ c: Context, _ target: UInt32) {
  encode_glEndQuery(c, c.writer, target)
  c.ended(c.pointee.shadow.pointee.queries.end(target, 0))
}

func hook_glEndQueryIndexed(_ c: Context, _ target: UInt32, _ index: UInt32) {
  encode_glEndQueryIndexed(c, c.writer, target, index)
  c.ended(c.pointee.shadow.pointee.queries.end(target, index))
}

func hook_glQueryCounter(_ c: Context, _ id: UInt32, _ target: UInt32) {
  let before = target == GL.TIMESTAMP ? c.pointee.shadow.pointee.queries.count(id) : nil
  c.cancelPush(id, before)
  encode_glQueryCounter(c, c.writer, id, target)
  if before != nil { c.ended(id) }
}

func note_glDeleteQueries(_ c: Context, _ n: Int32, _ ids: UnsafePointer<UInt32>?) {
  var i = 0
  while i < Int(n), let ids {
    c.pointee.shadow.pointee.queries.remove(ids[i])
    i &+= 1
  }
}

/// What a query says of itself, as far as the node has pushed it or is going to.
private enum Answer {
  case value(UInt64)
  /// There is nothing to write.
  case nothing
  /// The node is to be asked.
  case ask
}

private func answer(_ c: Context, _ id: UInt32, _ pname: UInt32) -> Answer {
  let shadow = c.pointee.shadow
  let connection = c.pointee.connection
  guard !shadow.pointee.isInBegin else { return .ask }
  switch pname {
  case GL.QUERY_RESULT, GL.QUERY_RESULT_AVAILABLE, GL.QUERY_RESULT_NO_WAIT: break
  default: return .ask
  }
  if !shadow.pointee.queries.areAsked {
    shadow.pointee.queries.areAsked = true
    // When a later one has its result, so have these.
    shadow.pointee.queries.forEachEnded { c.ended($0) }
  }
  guard let query = shadow.pointee.queries.query(id) else { return .ask }
  switch query.pointee.state {
  case .unknown, .active: return .ask
  case .ended:
    // What has been there for long has still to be sent: only who wants to wait for it may.
    guard c.push(id, query), pname == GL.QUERY_RESULT else { return .ask }
  case .pushed: break
  }
  let target = query.pointee.slots.target
  if !connection.isReached(target) {
    // A program that looks again and again shall see it some time.
    guard c.flush() else { return .nothing }
    // What ended before glFinish is complete, and so is its result (2.3.2, 4.2.1); it may be on its way here.
    if pname == GL.QUERY_RESULT
      || query.pointee.finishes != c.pointee.shadow.pointee.queries.finishes
    {
      guard connection.wait(slot: target.slot, value: target.value, nanoseconds: .max) == .done
      else { return .nothing }
    } else if !connection.isReached(target) {
      return pname == GL.QUERY_RESULT_AVAILABLE ? .value(0) : .nothing
    }
  }
  if pname == GL.QUERY_RESULT_AVAILABLE { return .value(1) }
  return .value(query.pointee.slots.value(connection))
}

/// Answers one of the questions for a query; `intoBuffer` has the node write the answer to the query
/// buffer that is bound.
private func getQueryObject<Number>(
  _ c: Context, _ id: UInt32, _ pname: UInt32, _ params: UnsafeMutablePointer<Number>?,
  _ opcode: UInt32, _ clamp: (UInt64) -> Number, _ encode: (Call) -> Void,
  intoBuffer: (UInt32, Int) -> Void
) {
  let buffer = c.pointee.shadow.pointee.buffers.query
  if buffer != 0 { return intoBuffer(buffer, Int(bitPattern: params)) }
  switch answer(c, id, pname) {
  case .value(let value): params?.pointee = clamp(value)
  case .nothing: break
  case .ask:
    guard let call = c.beginCall(opcode) else { return }
    encode(call)
    guard var reply = c.endCall(call) else { return }
    reply.copyOut(params, MemoryLayout<Number>.size)
    c.finishCall(call)
  }
}

func hook_glGetQueryObjectiv(
  _ c: Context, _ id: UInt32, _ pname: UInt32, _ params: UnsafeMutablePointer<Int32>?
) {
  getQueryObject(
    c, id, pname, params, GLOpcode.glGetQueryObjectiv, { Int32(clamping: $0) },
    { encode_glGetQueryObjectiv(c, $0.writer, $0.ticket, id, pname) },
    intoBuffer: { gl_GetQueryBufferObjectiv(id, $0, pname, $1) })
}

func hook_glGetQueryObjectuiv(
  _ c: Context, _ id: UInt32, _ pname: UInt32, _ params: UnsafeMutablePointer<UInt32>?
) {
  getQueryObject(
    c, id, pname, params, GLOpcode.glGetQueryObjectuiv, { UInt32(clamping: $0) },
    { encode_glGetQueryObjectuiv(c, $0.writer, $0.ticket, id, pname) },
    intoBuffer: { gl_GetQueryBufferObjectuiv(id, $0, pname, $1) })
}

func hook_glGetQueryObjecti64v(
  _ c: Context, _ id: UInt32, _ pname: UInt32, _ params: UnsafeMutablePointer<Int64>?
) {
  getQueryObject(
    c, id, pname, params, GLOpcode.glGetQueryObjecti64v, { Int64(bitPattern: $0) },
    { encode_glGetQueryObjecti64v(c, $0.writer, $0.ticket, id, pname) },
    intoBuffer: { gl_GetQueryBufferObjecti64v(id, $0, pname, $1) })
}

func hook_glGetQueryObjectui64v(
  _ c: Context, _ id: UInt32, _ pname: UInt32, _ params: UnsafeMutablePointer<UInt64>?
) {
  getQueryObject(
    c, id, pname, params, GLOpcode.glGetQueryObjectui64v, { $0 },
    { encode_glGetQueryObjectui64v(c, $0.writer, $0.ticket, id, pname) },
    intoBuffer: { gl_GetQueryBufferObjectui64v(id, $0, pname, $1) })
}

// GL_EXT_occlusion_query_boolean, of OpenGL ES 2: the same objects.

func hook_glGenQueriesEXT(_ c: Context, _ n: Int32, _ ids: UnsafeMutablePointer<UInt32>?) {
  gl_GenQueries(n, ids)
}
func hook_glDeleteQueriesEXT(_ c: Context, _ n: Int32, _ ids: UnsafePointer<UInt32>?) {
  gl_DeleteQueries(n, ids)
}
func hook_glIsQueryEXT(_ c: Context, _ id: UInt32) -> UInt8 { gl_IsQuery(id) }
func hook_glBeginQueryEXT(_ c: Context, _ target: UInt32, _ id: UInt32) {
  hook_glBeginQuery(c, target, id)
}
func hook_glEndQueryEXT(_ c: Context, _ target: UInt32) { hook_glEndQuery(c, target) }
func hook_glGetQueryObjectuivEXT(
  _ c: Context, _ id: UInt32, _ pname: UInt32, _ params: UnsafeMutablePointer<UInt32>?
) {
  hook_glGetQueryObjectuiv(c, id, pname, params)
}
