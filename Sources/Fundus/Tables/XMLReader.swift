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
    let options = XML_PARSE_NONET.rawValue | XML_PARSE_NOERROR.rawValue | XML_PARSE_NOWARNING.rawValue
    // libxml2 copies the bytes.
    let made = bytes.withUnsafeBytes {
      xmlReaderForMemory($0.bindMemory(to: CChar.self).baseAddress, Int32($0.count), nil, nil, Int32(options))
    }
    guard let made, !bytes.isEmpty else { throw Failure(.data, "\(part) is empty or cannot be read") }
    (reader, self.part) = (made, part)
  }

  deinit { xmlFreeTextReader(reader) }

  /// The next event, nil at the document's end. A document that is not well-formed, or ends early, is an error.
  mutating func next() throws -> Event? {
    if let event = pending {
      pending = nil
      return event
    }
    while true {
      let state = xmlTextReaderRead(reader)
      if state == 0, count > 0, depth == 0 { return nil }
      count += 1
      guard state == 1 else {
        throw Failure(.data, "\(part) is damaged or cut short (line \(xmlTextReaderGetParserLineNumber(reader)))")
      }
      guard count <= Self.largestCount else { throw Failure(.data, "\(part) has more than \(Self.largestCount) nodes") }
      switch xmlReaderTypes(UInt32(bitPattern: xmlTextReaderNodeType(reader))) {
      case XML_READER_TYPE_ELEMENT:
        let name = name
        if xmlTextReaderIsEmptyElement(reader) == 1 { pending = .end(name) } else { depth += 1 }
        return .start(name)
      case XML_READER_TYPE_END_ELEMENT:
        depth -= 1
        return .end(name)
      case XML_READER_TYPE_TEXT, XML_READER_TYPE_CDATA, XML_READER_TYPE_SIGNIFICANT_WHITESPACE,
        XML_READER_TYPE_WHITESPACE:
        if depth > 0 { return .text(Self.string(xmlTextReaderConstValue(reader))) }
      case XML_READER_TYPE_DOCUMENT_TYPE, XML_READER_TYPE_ENTITY_REFERENCE:
        throw Failure(.data, "\(part) declares or uses XML entities, which no workbook does")
      default: break
      }
    }
  }

  private var name: String {
    let vocabulary = xmlTextReaderConstNamespaceUri(reader).map { Self.string($0) }
    guard vocabulary.map(Self.vocabularies.contains) ?? true else { return "" }
    return Self.string(xmlTextReaderConstLocalName(reader))
  }

  /// An attribute without a prefix of the element that began last.
  func attribute(_ name: String) -> String? {
    guard xmlTextReaderMoveToAttribute(reader, name) == 1 else { return nil }
    defer { xmlTextReaderMoveToElement(reader) }
    return Self.string(xmlTextReaderConstValue(reader))
  }

  /// The relationship that the element that began last names, `r:id` as it is mostly written.
  var relationship: String? {
    for space in Self.relationships where xmlTextReaderMoveToAttributeNs(reader, "id", space) == 1 {
      defer { xmlTextReaderMoveToElement(reader) }
      return Self.string(xmlTextReaderConstValue(reader))
    }
    return nil
  }

  private static func string(_ text: UnsafePointer<xmlChar>?) -> String { text.map { String(cString: $0) } ?? "" }
}
