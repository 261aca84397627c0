import Glibc
import Interim

/// What ffmpeg makes of the given frames.
enum Peer: String, CaseIterable {
  case minterpolate = "minterpolate=fps=2:mi_mode=mci:scd=none"
  case blend = "minterpolate=fps=2:mi_mode=blend:scd=none"

  var name: String { self == .minterpolate ? "ffmpeg minterpolate mci" : "ffmpeg blend" }
}

struct PeerFailure: Error, CustomStringConvertible {
  var description: String
}

/// Runs ffmpeg over pictures that are a second apart, and gives what it shows half-way between each
/// and the next, with the processor time that it took per picture that it made.
///
/// - Parameter folder: where the raw video lies meanwhile.
func interpolate(_ given: [Picture], by peer: Peer, in folder: String) throws
  -> (pictures: [Picture], seconds: Double)
{
  let (width, height) = (given[0].width, given[0].height)
  let (input, output) = ("\(folder)/given.yuv", "\(folder)/made.yuv")
  defer {
    unlink(input)
    unlink(output)
  }
  // ffmpeg holds the last two back: the last is given thrice.
  try write(given + [given.last!, given.last!], to: input)
  let command = [
    "ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s",
    "\(width)x\(height)", "-r", "1", "-i", input, "-vf", peer.rawValue, "-f", "rawvideo",
    "-pix_fmt", "yuv420p", output,
  ]
  var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
  arguments.append(nil)
  defer { for argument in arguments { free(argument) } }
  var child = pid_t()
  let error = posix_spawnp(&child, "ffmpeg", nil, nil, arguments, environ)
  guard error == 0 else { throw PeerFailure(description: "ffmpeg does not start: error \(error)") }
  var status: Int32 = 0
  var usage = rusage()
  wait4(child, &status, 0, &usage)
  guard status == 0 else { throw PeerFailure(description: "ffmpeg fails with status \(status)") }
  let made = try read(output, width: width, height: height)
  guard made.count >= 2 * given.count - 1 else {
    throw PeerFailure(description: "ffmpeg made \(made.count) pictures of \(given.count)")
  }
  // A given frame comes out as it went in, or the frames are not where they are thought to be.
  let same = score(made[2].luma, given[1].luma, hud: nil).psnr
  guard same >= 100 else {
    throw PeerFailure(description: "ffmpeg's frames are shifted: \(same) dB")
  }
  let cost =
    Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
    + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6
  return (
    (0..<given.count - 1).map { made[2 * $0 + 1] }, cost / Double(made.count / 2)
  )
}

func write(_ pictures: [Picture], to path: String) throws {
  guard let file = fopen(path, "wb") else { throw PeerFailure(description: "cannot write \(path)") }
  defer { fclose(file) }
  for picture in pictures {
    for plane in [picture.luma, picture.blue, picture.red] {
      for y in 0..<plane.height { fwrite(plane.row(y), 1, plane.width, file) }
    }
  }
}

func read(_ path: String, width: Int, height: Int) throws -> [Picture] {
  guard let file = fopen(path, "rb") else { throw PeerFailure(description: "cannot read \(path)") }
  defer { fclose(file) }
  var pictures: [Picture] = []
  while true {
    let picture = Picture(width: width, height: height)
    for plane in [picture.luma, picture.blue, picture.red] {
      for y in 0..<plane.height where fread(plane.row(y), 1, plane.width, file) < plane.width {
        return pictures
      }
    }
    pictures.append(picture)
  }
}
