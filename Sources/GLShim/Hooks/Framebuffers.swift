import CPlatform
import GLWire
import Ring
import Wire

// OpenGL 4.6, chapters 9 and 17: what the window system side has to know of framebuffers.

func note_glBindFramebuffer(_ c: Context, _ target: UInt32, _ framebuffer: UInt32) {
  if target == GL.FRAMEBUFFER || target == GL.DRAW_FRAMEBUFFER {
    c.pointee.shadow.pointee.drawFramebuffer = framebuffer
    c.remember(GL.DRAW_FRAMEBUFFER_BINDING, Int32(bitPattern: framebuffer))
  }
  if target == GL.FRAMEBUFFER || target == GL.READ_FRAMEBUFFER {
    c.remember(GL.READ_FRAMEBUFFER_BINDING, Int32(bitPattern: framebuffer))
  }
}

func note_glBindFramebufferEXT(_ c: Context, _ target: UInt32, _ framebuffer: UInt32) {
  note_glBindFramebuffer(c, target, framebuffer)
}

func note_glDrawBuffer(_ c: Context, _ buf: UInt32) {
  guard c.pointee.shadow.pointee.drawFramebuffer == 0 else { return }
  switch buf {
  case GL.FRONT, GL.FRONT_LEFT, GL.FRONT_RIGHT, GL.LEFT, GL.RIGHT, GL.FRONT_AND_BACK:
    c.pointee.binding.drawsToFront = true
  default: c.pointee.binding.drawsToFront = false
  }
}

/// A program that knows of a new size of its window before we do says so here.
func note_glViewport(
  _ c: Context, _ x: Int32, _ y: Int32, _ width: Int32, _ height: Int32
) {
  noteViewport(c, x, y, width, height)
  guard c.pointee.shadow.pointee.drawFramebuffer == 0, x == 0, y == 0 else { return }
  let size = defaultFramebufferSize(c)
  guard size.width > 0, Int(size.width) != Int(width) || Int(size.height) != Int(height) else {
    return
  }
  viewportDiffers(c)
}
