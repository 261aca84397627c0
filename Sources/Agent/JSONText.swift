/// Writes JSON: just enough for reports, without a tree in memory.
public struct JSONText {
  public private(set) var text = ""
  private var needsComma = false

  public init() {}

  private mutating func separate() {
    if needsComma { text += ", " }
    needsComma = true
  }

  private mutating func key(_ name: String) {
    separate()
    string(name)
    text += ": "
  }

  private mutating func string(_ value: String) {
    text += "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case _ where scalar.value < 0x20:
        let hex = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }

  public mutating func field(_ name: String, _ value: UInt64) {
    key(name)
    text += String(value)
  }
  public mutating func field(_ name: String, _ value: Bool) {
    key(name)
    text += value ? "true" : "false"
  }
  /// Three decimals; left out when it is not a number.
  public mutating func field(_ name: String, _ value: Double?) {
    guard let value, value.isFinite, value.magnitude < 1e15 else { return }
    key(name)
    let thousandths = Int64((value * 1000).rounded())
    let fraction = String(thousandths.magnitude % 1000)
    text += thousandths < 0 ? "-" : ""
    text += String(thousandths.magnitude / 1000) + "."
    text += String(repeating: "0", count: 3 - fraction.count) + fraction
  }
  public mutating func field(_ name: String, _ value: String) {
    key(name)
    string(value)
  }
}

extension JSONText {
  public mutating func begin(_ bracket: String, _ name: String? = nil) {
    if let name { key(name) } else { separate() }
    text += bracket
    needsComma = false
  }
  public mutating func end(_ bracket: String) {
    text += bracket
    needsComma = true
  }
}
