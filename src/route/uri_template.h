/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Envoy's URI templates (envoy.extensions.path.match.uri_template.v3) as regular expressions: "*" is one path segment, "**"
 * any number of them, "{name}" and "{name=...}" are the same with a name, which nothing here needs.  A literal may end a
 * template behind one of these ("*.mp4").
 */
#ifndef SP_ROUTE_URI_TEMPLATE_H
#define SP_ROUTE_URI_TEMPLATE_H

#include "base/regex.h"
#include "config/doc.h"
#include "envoy/extensions/path/match/uri_template/v3/uri_template_match.pb-c.h"

/* For sp_regex_full_match on a path without its query. NULL after an error in `diag`. */
struct sp_regex *sp_uri_template_new(const struct sp_doc *doc, struct sp_diag *diag,
                                     const Envoy__Extensions__Path__Match__UriTemplate__V3__UriTemplateMatchConfig *msg);

#endif
