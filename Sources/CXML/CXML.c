#include "CXML.h"

#include <libxml/xmlreader.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct dms_xml {
  xmlTextReaderPtr reader;
  // The reader does not copy what it reads.
  char bytes[];
};

static xmlTextReaderPtr reader(dms_xml *xml) { return xml->reader; }

// Threads that open their first documents at the same time would read tables that another is still filling.
static pthread_once_t initialised = PTHREAD_ONCE_INIT;

dms_xml *dms_xml_open(const char *bytes, int count) {
  pthread_once(&initialised, xmlInitParser);
  dms_xml *xml = malloc(sizeof *xml + (size_t)count);
  if (!xml) return NULL;
  if (count > 0) memcpy(xml->bytes, bytes, (size_t)count);
  xml->reader =
      xmlReaderForMemory(xml->bytes, count, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
  if (xml->reader) return xml;
  free(xml);
  return NULL;
}

void dms_xml_close(dms_xml *xml) {
  xmlFreeTextReader(xml->reader);
  free(xml);
}

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
