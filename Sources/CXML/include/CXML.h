/// libxml2's text reader without its headers, which include ICU's; what the reader finds becomes codes.
#ifndef CXML_H
#define CXML_H

typedef struct dms_xml dms_xml;

/// What the reader found.
enum {
  DMS_XML_DAMAGED = -1,
  DMS_XML_END = 0,
  DMS_XML_START = 1,
  /// An element without content: its end is not reported.
  DMS_XML_EMPTY = 2,
  DMS_XML_FINISH = 3,
  DMS_XML_TEXT = 4,
  /// A document type or an entity.
  DMS_XML_ENTITY = 5,
  /// A comment and the like.
  DMS_XML_OTHER = 6,
};

/// A walk over `bytes`, which are copied; NULL where memory is short. Nothing is fetched, no entity expanded, and libxml2's
/// limits on depth and length hold.
dms_xml *dms_xml_open(const char *bytes, int count);
void dms_xml_close(dms_xml *xml);

/// The next node's code.
int dms_xml_next(dms_xml *xml);
/// The line that the parser has come to.
int dms_xml_line(dms_xml *xml);

/// Of the current node, in UTF-8, until the next call; NULL where there is none.
const char *dms_xml_name(dms_xml *xml);
const char *dms_xml_namespace(dms_xml *xml);
const char *dms_xml_text(dms_xml *xml);
/// An attribute of the current element; `space` NULL for one without a prefix. Until the next call.
const char *dms_xml_attribute(dms_xml *xml, const char *name, const char *space);

#endif
