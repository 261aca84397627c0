import Dispatch
import Glibc
import Interim

// InterimBench quality NAME FILE [PICTURES]   a table of the sequences of a file, and figures by name
// InterimBench cost                           milliseconds
let lanes = Lanes(count: 2) { count, body in
  withoutActuallyEscaping(body) { body in
    nonisolated(unsafe) let body = body
    DispatchQueue.concurrentPerform(iterations: count) { body($0) }
  }
}

func fail(_ message: String, _ status: Int32) -> Never {
  let line = message + "\n"
  write(2, line, line.utf8.count)
  exit(status)
}

func usage() -> Never { fail("usage: InterimBench quality NAME FILE [PICTURES] | cost", 2) }

let arguments = Array(CommandLine.arguments.dropFirst())
let temporary = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
var template = Array("\(temporary)/interim-XXXXXX".utf8CString)
guard let made = mkdtemp(&template) else { usage() }
let folder = String(cString: made)
defer { rmdir(folder) }
do {
  switch arguments.first {
  case "quality" where arguments.count >= 3:
    var quality = Quality()
    for sequence in try Sequence.read(arguments[2]) {
      try quality.add(
        sequence, lanes: lanes, folder: folder,
        pictures: arguments.count > 3 ? arguments[3] : nil)
    }
    quality.printTable()
    quality.printFigures(arguments[1])
  case "cost":
    try printCosts(two: lanes, folder: folder)
  default:
    usage()
  }
} catch {
  fail("\(error)", 1)
}
