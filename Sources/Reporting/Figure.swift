import Foundation

/// A number of a report that is shown, with its place in the report's JSON: keys and indices with full stops between.
struct Figure {
  let key: String
  let value: Double
  /// Digits after the decimal point.
  let digits: Int

  init(_ key: String, _ value: Double, digits: Int = 2) { (self.key, self.value, self.digits) = (key, value, digits) }

  init(_ key: String, _ value: Int) { self.init(key, Double(value), digits: 0) }

  /// As people read it.
  var text: String { String(format: "%.\(digits)f", value) }

  /// In HTML, beside the whole number.
  var html: String { "<data value=\"\(exact)\" data-key=\"\(key)\">\(text)</data>" }

  /// The attributes of a mark that shows it.
  var attributes: [(String, String)] { [("data-key", key), ("data-value", exact)] }

  /// The whole number.
  private var exact: String { value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : "\(value)" }
}

/// `text` with the characters escaped that mean something to XML.
func escaped(_ text: String) -> String {
  text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing(
    "\"", with: "&quot;")
}
