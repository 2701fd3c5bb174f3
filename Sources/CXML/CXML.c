#include "CXML.h"

#include <libxml/xmlreader.h>

static xmlTextReaderPtr reader(dms_xml *xml) { return (xmlTextReaderPtr)xml; }

dms_xml *dms_xml_open(const char *bytes, int count) {
  return (dms_xml *)xmlReaderForMemory(bytes, count, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
}

void dms_xml_close(dms_xml *xml) { xmlFreeTextReader(reader(xml)); }

int dms_xml_next(dms_xml *xml) {
  int state = xmlTextReaderRead(reader(xml));
  if (state == 0) return DMS_XML_END;
  if (state != 1) return DMS_XML_DAMAGED;
  switch (xmlTextReaderNodeType(reader(xml))) {
  case XML_READER_TYPE_ELEMENT: return xmlTextReaderIsEmptyElement(reader(xml)) == 1 ? DMS_XML_EMPTY : DMS_XML_START;
  case XML_READER_TYPE_END_ELEMENT: return DMS_XML_FINISH;
  case XML_READER_TYPE_TEXT:
  case XML_READER_TYPE_CDATA:
  case XML_READER_TYPE_WHITESPACE:
  case XML_READER_TYPE_SIGNIFICANT_WHITESPACE: return DMS_XML_TEXT;
  case XML_READER_TYPE_DOCUMENT_TYPE:
  case XML_READER_TYPE_ENTITY_REFERENCE: return DMS_XML_ENTITY;
  default: return DMS_XML_OTHER;
  }
}

int dms_xml_line(dms_xml *xml) { return xmlTextReaderGetParserLineNumber(reader(xml)); }

const char *dms_xml_name(dms_xml *xml) { return (const char *)xmlTextReaderConstLocalName(reader(xml)); }

const char *dms_xml_namespace(dms_xml *xml) { return (const char *)xmlTextReaderConstNamespaceUri(reader(xml)); }

const char *dms_xml_text(dms_xml *xml) { return (const char *)xmlTextReaderConstValue(reader(xml)); }

const char *dms_xml_attribute(dms_xml *xml, const char *name, const char *space) {
  // A previous call may have left the reader on an attribute.
  xmlTextReaderMoveToElement(reader(xml));
  int found = space ? xmlTextReaderMoveToAttributeNs(reader(xml), (const xmlChar *)name, (const xmlChar *)space)
                    : xmlTextReaderMoveToAttribute(reader(xml), (const xmlChar *)name);
  return found == 1 ? dms_xml_text(xml) : NULL;
}
