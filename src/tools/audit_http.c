/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How requests are read before anything decides about them. */
#include "tools/audit_look.h"

typedef Envoy__Config__Route__V3__RouteMatch Match;

#define HCM(name) ENVOY__EXTENSIONS__FILTERS__NETWORK__HTTP_CONNECTION_MANAGER__V3__HTTP_CONNECTION_MANAGER__##name
#define MATCH(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_##name

static bool looks_at_path(const Match *m)
{
    return m && !(m->path_specifier_case == MATCH(PREFIX) && strcmp(m->prefix, "/") == 0) && m->path_specifier_case &&
           m->path_specifier_case != MATCH(CONNECT_MATCHER);
}

/* Whether a route is chosen by more than "/". */
static bool routes_by_path(const sp_look_hcm *hcm)
{
    const Envoy__Config__Route__V3__RouteConfiguration *r = sp_look_table(hcm);
    for (size_t i = 0; r && i < r->n_virtual_hosts; i++)
        for (size_t k = 0; k < r->virtual_hosts[i]->n_routes; k++)
            if (looks_at_path(r->virtual_hosts[i]->routes[k]->match))
                return true;
    return false;
}

static void not_normalised(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (c->hcm && !sp_look_true(c->hcm->normalize_path) && routes_by_path(c->hcm))
        sp_audit_found(a, c->hcm, "normalize_path", -1, "routes go by the path as it was sent; the origin may read /x/../y or /%%78 otherwise");
}

static void as_sent(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (c->hcm && !sp_look_true(c->hcm->normalize_path) && !routes_by_path(c->hcm))
        sp_audit_found(a, c->hcm, "normalize_path", -1, "paths go on as they were sent, /x/../y and all");
}

static void not_merged(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (c->hcm && !c->hcm->merge_slashes)
        sp_audit_found(a, c->hcm, "merge_slashes", -1, "//y is no /y for what decides here, and may be one for the origin");
}

static void escaped_slashes(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (c->hcm && c->hcm->path_with_escaped_slashes_action <= HCM(PATH_WITH_ESCAPED_SLASHES_ACTION__KEEP_UNCHANGED))
        sp_audit_found(a, c->hcm, "path_with_escaped_slashes_action", -1, "/x%%2fy is one segment for what decides here, and may be two for the origin");
}

static void underscores(struct sp_audit *a, const struct sp_look_chain *c)
{
    const Envoy__Config__Core__V3__HttpProtocolOptions *o = c->hcm ? c->hcm->common_http_protocol_options : NULL;
    if (c->hcm && (!o || o->headers_with_underscores_action == 0))
        sp_audit_found(a, o ? (const void *)o : c->hcm, o ? "headers_with_underscores_action" : NULL, -1,
                       "some origins take a client's x_user for the x-user that only the door may set");
}

static void both_lengths(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (c->hcm && c->hcm->http_protocol_options && c->hcm->http_protocol_options->allow_chunked_length)
        sp_audit_found(a, c->hcm->http_protocol_options, "allow_chunked_length", -1,
                       "requests with both lengths are taken, and such are made to be read in two ways");
}

static bool is_false(const Google__Protobuf__BoolValue *v)
{
    return v && !v->value;
}

/* Our own default for HTTP/2 is true. */
static void bad_request(struct sp_audit *a, const struct sp_look_chain *c)
{
    const Envoy__Config__Core__V3__Http2ProtocolOptions *o = c->hcm ? c->hcm->http2_protocol_options : NULL;
    bool own = o && o->override_stream_error_on_invalid_http_message;
    const void *at = own ? (const void *)o : c->hcm;
    const char *field = own ? "override_stream_error_on_invalid_http_message" : "stream_error_on_invalid_http_message";
    if (c->hcm && is_false(own ? o->override_stream_error_on_invalid_http_message : c->hcm->stream_error_on_invalid_http_message))
        sp_audit_found(a, at, field, -1, "one bad request ends the connection that a CDN shares among its users");
}

static void passes_server(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (c->hcm && c->hcm->server_header_transformation == HCM(SERVER_HEADER_TRANSFORMATION__PASS_THROUGH))
        sp_audit_found(a, c->hcm, "server_header_transformation", -1, "clients are told which software the origin runs");
}

static void no_log(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (c->hcm && !c->hcm->n_access_log)
        sp_audit_found(a, c->hcm, NULL, -1, "no access_log: nobody can tell afterwards who was let in, and who was not and why");
}

static const struct sp_audit_check checks[] = {
    {"paths-not-normalised", SP_AUDIT_MEDIUM, "routes are chosen by paths that are not normalised", "set normalize_path: true",
     SP_CONTROL_PATHS, .chain = not_normalised},
    {"paths-as-sent", SP_AUDIT_LOW, "paths reach the origin as clients wrote them", "set normalize_path: true", SP_CONTROL_PATHS,
     .chain = as_sent},
    {"slashes-not-merged", SP_AUDIT_LOW, "several slashes are not one", "set merge_slashes: true", SP_CONTROL_PATHS, .chain = not_merged},
    {"escaped-slashes-kept", SP_AUDIT_LOW, "escaped slashes are left in paths",
     "set path_with_escaped_slashes_action to UNESCAPE_AND_REDIRECT or REJECT_REQUEST", SP_CONTROL_PATHS, .chain = escaped_slashes},
    {"underscores-allowed", SP_AUDIT_LOW, "header names may have underscores",
     "set common_http_protocol_options.headers_with_underscores_action: REJECT_REQUEST", SP_CONTROL_IDENTITY, .chain = underscores},
    {"both-lengths-taken", SP_AUDIT_MEDIUM, "requests with Content-Length beside Transfer-Encoding", "take allow_chunked_length out",
     SP_CONTROL_SMUGGLING, .chain = both_lengths},
    {"bad-request-ends-connection", SP_AUDIT_LOW, "a bad request ends a shared connection",
     "set stream_error_on_invalid_http_message: true, or take it out", SP_CONTROL_H2, .chain = bad_request},
    {"server-header-passed", SP_AUDIT_INFO, "the origin's server header is shown", "set server_header_transformation: OVERWRITE",
     SP_CONTROL_DOOR, .chain = passes_server},
    {"no-access-log", SP_AUDIT_LOW, "requests are not logged", "set access_log, with %RESPONSE_CODE_DETAILS% in its format",
     SP_CONTROL_TRACE, .chain = no_log},
};

const struct sp_audit_area sp_audit_http = {"HTTP", checks, SP_ARRAY_LEN(checks)};
