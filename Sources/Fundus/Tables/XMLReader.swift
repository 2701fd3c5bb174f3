import CXML
import Tensors

/// A forward walk over the elements and texts of one XML part (libxml2's text reader).
///
/// Nothing is fetched and no entity is expanded: a document type, which no workbook has, is refused, and so are elements nested
/// deeper or texts longer than libxml2's own limits.
struct XMLReader: ~Copyable {
  /// What the walk meets.
  enum Event: Equatable {
    /// An element begins; its name without a prefix, empty where it is of a vocabulary that spreadsheets only embed.
    case start(String)
    case end(String)
    case text(String)
  }

  /// More nodes than this are refused: nothing that people could wait for.
  private static let largestCount = 1 << 25

  /// What a workbook is written in: transitional and strict, and the package's relationships.
  private static let vocabularies: Set<String> = [
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main", "http://purl.oclc.org/ooxml/spreadsheetml/main",
    "http://schemas.openxmlformats.org/package/2006/relationships",
  ]
  private static let relationships = [
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    "http://purl.oclc.org/ooxml/officeDocument/relationships",
  ]

  private let reader: OpaquePointer
  private let part: String
  private var depth = 0
  private var count = 0
  /// The end of an element without content, which libxml2 does not report.
  private var pending: Event?

  /// Walks `bytes`; `part` names them in messages.
  init(_ bytes: [UInt8], part: String) throws {
    let made = bytes.withUnsafeBytes {
      dms_xml_open($0.bindMemory(to: CChar.self).baseAddress, Int32($0.count))
    }
    guard let made, !bytes.isEmpty else { throw Failure(.data, "\(part) is empty or cannot be read") }
    (reader, self.part) = (made, part)
  }

  deinit { dms_xml_close(reader) }

  /// The next event, nil at the document's end. A document that is not well-formed, or ends early, is an error.
  mutating func next() throws -> Event? {
    if let event = pending {
      pending = nil
      return event
    }
    while true {
      let code = Int(dms_xml_next(reader))
      count += 1
      guard count <= Self.largestCount else { throw Failure(.data, "\(part) has more than \(Self.largestCount) nodes") }
      switch code {
      case DMS_XML_END where count > 1 && depth == 0: return nil
      case DMS_XML_START:
        depth += 1
        return .start(name)
      case DMS_XML_EMPTY:
        pending = .end(name)
        return .start(name)
      case DMS_XML_FINISH:
        depth -= 1
        return .end(name)
      case DMS_XML_TEXT: return .text(Self.string(dms_xml_text(reader)))
      case DMS_XML_OTHER: break
      case DMS_XML_ENTITY:
        throw Failure(.data, "\(part) declares or uses XML entities, which no workbook does")
      default: throw Failure(.data, "\(part) is damaged or cut short (line \(dms_xml_line(reader)))")
      }
    }
  }

  private var name: String {
    let vocabulary = dms_xml_namespace(reader).map { String(cString: $0) }
    guard vocabulary.map(Self.vocabularies.contains) ?? true else { return "" }
    return Self.string(dms_xml_name(reader))
  }

  /// An attribute without a prefix of the element that began last.
  func attribute(_ name: String) -> String? { dms_xml_attribute(reader, name, nil).map { String(cString: $0) } }

  /// The relationship that the element that began last names, `r:id` as it is mostly written.
  var relationship: String? {
    for space in Self.relationships {
      if let id = dms_xml_attribute(reader, "id", space) { return String(cString: id) }
    }
    return nil
  }

  private static func string(_ text: UnsafePointer<CChar>?) -> String { text.map { String(cString: $0) } ?? "" }
}
