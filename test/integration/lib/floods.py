# SPDX-License-Identifier: GPL-2.0-or-later
"""
The floods that docs/security/floods.md lists: what bounds each, by which field, which counter tells of it, what the attacker is told.

{NAME} in a limit is a number of the source, which is read (FACTS): so the page cannot say another. The attacks themselves are in flood_h2.py,
flood_h1.py and flood_tls.py, measured by test_floods*.py and scripts/floods.
"""
import collections
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
# group: which suite runs it. answer: for people. sees: what some of the attackers have to see (a pattern; "": anything). counters: of docs/stats.md.
# rss: MiB that the process may grow by. long: only scripts/floods has the time.
Flood = collections.namedtuple("Flood", "group name attack cves limit field counters answer sees envoy rss long")
METER, CONFIG, HCM = "src/http/h2_meter.c", "src/http/codec_config.c", "src/stream/hcm_options.c"
FACTS = {
    **{n: METER for n in ("PING_BURST", "PINGS_PER_S", "SETTINGS_BURST", "SETTINGS_PER_S", "OTHER_BURST", "OTHERS_PER_S", "RESET_BURST", "RESETS_PER_S",
                          "PREMATURE_STREAMS", "WINDOW_UPDATES_FREE", "STRAY_MORE", "STRAY_HEADS", "SHORT_DATA", "DRIBBLE_MAX")},
    **{n: CONFIG for n in ("max_header_bytes", "max_headers", "max_url_bytes", "h2_max_streams", "h2_stream_window", "h2_conn_window", "h2_conn_held_max",
                           "h2_max_outbound_control", "h2_max_empty_frames", "h2_max_priority_per_stream", "h2_max_window_update_per_data", "high_water",
                           "h2_table_size")},
    "SP_H2_MAX_CONTINUATIONS": "src/http/h2_meter.h", "FIELDS_FACTOR": "src/http/h2_fields.c", "BYTES_FACTOR": "src/http/h2_fields.c",
    "BYTES_FREE": "src/http/h2_fields.c", "EXTENSIONS_MAX": "src/http/h1_body.c", "PIPELINE_TURN": "src/http/h1_codec.c",
    "HANDSHAKES_TURN": "src/http/wire_open.c", "QUIET_MAX": "src/net/tls_hooks.c", "WASTED_MAX": "src/net/tls_hooks.c", "EARNS_ONE": "src/net/tls_records.c",
    "HANDSHAKE_MAX": "src/net/tls_hooks.c", "RECORDS_MAX": "src/net/client_hello_records.c", "SP_CLIENT_HELLO_MAX": "src/net/client_hello.h",
    "SP_REGEX_MATCH_LIMIT": "src/base/regex.h", "default_first_ns": "src/listeners/listener_compile.c", "READ_TURN": "src/net/transport.c",
    "default_handshake_ns": "src/listeners/listener_compile.c",
}
# Defaults of fields: (file, name of the field, what gives it).
TIMES = {"headers_s": (HCM, r"request_headers_timeout, (\d+) \*"), "idle_s": (HCM, r"stream_idle_timeout, (\d+) \*"), "cx_idle_s": (HCM, r"idle_timeout : NULL, (\d+) \*"),
         "delayed_s": (HCM, r"delayed_close_timeout, SP_NS_PER_S\)()")}


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def number(path, name):
    """What a constant of a C file is."""
    found = re.search(r"\b" + name + r"\s*=\s*([0-9][0-9a-zA-Z_ *]*)", read(path))
    assert found, f"{path} has no {name}"
    value = 1
    for part in found[1].split("*"):
        part = part.strip()
        value *= {"SP_NS_PER_S": 1}.get(part) or int(re.sub(r"[uUlL]+$", "", part))
    return value


def facts():
    out = {name: number(path, name) for name, path in FACTS.items()}
    for name, (path, regex) in TIMES.items():
        found = re.search(regex, read(path))
        assert found, f"{path}: {name} is not where it was"
        out[name] = int(found[1] or 1)
    return out


def said(flood, known):
    """Its limit, in words and with numbers: bytes as KiB or MiB where they are."""
    def value(m):
        n = known[m[1]]
        return f"{n >> 20} MiB" if n >= 1 << 20 and n % (1 << 20) == 0 else f"{n >> 10} KiB" if n >= 4096 and n % 1024 == 0 else str(n)
    return re.sub(r"\{(\w+)\}", value, flood.limit)


CALM, H2 = "GOAWAY 11", "http2."
RESETS = "{RESET_BURST} resets, and {RESETS_PER_S} a second, and one for two requests that end well; whoever's reset it is"
STREAMS = "max_concurrent_streams"
TABLE = []


def add(group, name, attack, limit, field, counters, answer, sees, cves="", envoy="the same", rss=16, long=False):
    TABLE.append(Flood(group, name, attack, cves, limit, field, re.split(r"\s+(?![^<]*>)", counters), answer, sees, envoy, rss, long))


def calm(name, attack, limit, counter, cves="", field="fixed", envoy="no such limit", **more):
    add("h2", name, "h2." + attack, limit, field, " ".join(H2 + c for c in counter.split()), "GOAWAY ENHANCE_YOUR_CALM, closed", CALM, cves, envoy, **more)


# --- HTTP/2
calm("rapid reset", "rapid_reset", RESETS, "reset_flood outbound_control_flood rx_reset", "CVE-2023-44487, CVE-2019-9514", envoy="by premature resets alone")
add("h2", "premature resets, slowly", "h2.premature", "half of {PREMATURE_STREAMS} requests, or of all from then on, reset within a second and before an answer", "fixed",
    "http.<http>.downstream_rq_too_many_premature_resets", "GOAWAY ENHANCE_YOUR_CALM, closed", CALM, "CVE-2023-44487", long=True)
calm("MadeYouReset: windows that overflow", "made_by_window", RESETS, "reset_flood", "CVE-2025-8671")
calm("MadeYouReset: more content than was said", "made_by_length", RESETS, "reset_flood rx_messaging_error", "CVE-2025-8671")
calm("MadeYouReset: trailers that end nothing", "made_by_trailers", RESETS, "reset_flood rx_messaging_error", "CVE-2025-8671")
add("h2", "MadeYouReset: content behind the end", "h2.made_by_late_data", "none is borne", "fixed", "http2.rx_messaging_error", "GOAWAY STREAM_CLOSED or PROTOCOL_ERROR, closed", "GOAWAY [15]",
    "CVE-2025-8671")
add("h2", "MadeYouReset: windows opened by nothing", "h2.made_by_zero_window", "none is borne", "fixed", "http2.rx_messaging_error", "GOAWAY PROTOCOL_ERROR, closed", "GOAWAY 1", "CVE-2025-8671")
calm("CONTINUATION", "continuation", "{SP_H2_MAX_CONTINUATIONS} of a head", "continuation_flood header_overflow",
     "CVE-2024-27316, CVE-2024-28182, CVE-2024-30255, CVE-2024-27919, CVE-2023-45288", envoy="512, and the bytes of a head")
calm("CONTINUATION, empty", "continuation_empty", "{h2_max_empty_frames} in a row", "inbound_empty_frames_flood", "CVE-2019-9518", "max_consecutive_inbound_frames_with_empty_payload", "the same")
calm("SETTINGS", "settings", "{SETTINGS_BURST}, and {SETTINGS_PER_S} a second", "settings_flood outbound_control_flood", "CVE-2019-9515", envoy="1000 answers that wait")
calm("SETTINGS of many entries", "settings_entries", "32 of a frame", "too_many_settings", "CVE-2020-11080", envoy="the same (nghttp2)")
calm("SETTINGS_INITIAL_WINDOW_SIZE, open and shut", "settings_windows", "{SETTINGS_BURST} SETTINGS, and {SETTINGS_PER_S} a second", "settings_flood", "CVE-2019-9511, CVE-2019-9517", rss=24)
calm("SETTINGS_HEADER_TABLE_SIZE, up and down", "settings_tables", "{SETTINGS_BURST} SETTINGS; our own table is {h2_table_size} at most", "settings_flood", "CVE-2016-1544", field="hpack_table_size")
add("h2", "SETTINGS that acknowledge nothing", "h2.settings_acks", "none is borne", "fixed", "http2.rx_messaging_error", "GOAWAY PROTOCOL_ERROR, closed", "GOAWAY 1", "CVE-2019-9515")
calm("PING", "pings", "{PING_BURST}, and {PINGS_PER_S} a second", "ping_flood outbound_control_flood", "CVE-2019-9512", envoy="1000 answers that wait")
calm("PING, acknowledged unasked", "pongs", "{PING_BURST}, and {PINGS_PER_S} a second", "ping_flood", "CVE-2019-9512")
calm("PRIORITY, loops of dependencies", "priorities", "{h2_max_priority_per_stream} for each stream; none is followed", "inbound_priority_frames_flood", "CVE-2019-9513",
     "max_inbound_priority_frames_per_stream", "the same")
calm("empty DATA", "empty_data", "{h2_max_empty_frames} in a row", "inbound_empty_frames_flood", "CVE-2019-9518", "max_consecutive_inbound_frames_with_empty_payload", "the same")
calm("empty DATA, padded", "padded_data", "{h2_max_empty_frames} in a row", "inbound_empty_frames_flood", "CVE-2019-9518", "max_consecutive_inbound_frames_with_empty_payload", "not counted")
calm("padding", "padding", "as much as content, and the window of each stream and {STRAY_MORE} more", "stray_data_flood")
add("h2", "DATA of a byte", "h2.small_data", "none: a frame costs its bytes; content is held without gaps, {h2_conn_held_max} a connection", "initial_stream_window_size", "http2.rx_reset|http.<http>.downstream_rq_total",
    "it is served", "", "CVE-2020-12603")
calm("data dribble: windows of a byte", "dribble", "frames under {SHORT_DATA} bytes that a window cut short: what they lack, less what was sent, {DRIBBLE_MAX}", "data_dribble_flood", "CVE-2019-9511")
calm("WINDOW_UPDATE", "window_updates", "{WINDOW_UPDATES_FREE}, 2 for each stream, and twice {h2_max_window_update_per_data} for each DATA sent", "inbound_window_update_frames_flood", "CVE-2019-9511",
     "max_inbound_window_update_frames_per_data_frame_sent", "the same")
add("h2", "hoard of shut windows", "h2.zero_window", "{high_water} of an answer, 4 times that with what the origin's connection holds; {h2_max_streams} streams, {idle_s} s without progress", "stream_idle_timeout, " + STREAMS,
    "http.<http>.downstream_rq_idle_timeout", "RST_STREAM", "RST|GOAWAY 0", "CVE-2020-12604, CVE-2016-1546", "1 MiB and more of an answer; 1024 streams", rss=320)
add("h2", "windows open, socket unread", "h2.unread", "{high_water} of an answer, {h2_max_outbound_control} control frames, {idle_s} s without progress", "max_outbound_control_frames, stream_idle_timeout",
    "http.<http>.downstream_cx_total", "RST_STREAM in the end", "", "CVE-2019-9517", rss=400)
calm("frames of unknown types", "unknown", "{OTHER_BURST}, and {OTHERS_PER_S} a second", "unknown_frame_flood")
calm("GOAWAY", "goaways", "{OTHER_BURST}, and {OTHERS_PER_S} a second", "unknown_frame_flood")
calm("content of streams that are over", "stray_data", "as much as content that is taken, and the window of each stream and {STRAY_MORE} more", "stray_data_flood")
calm("heads of streams that are over", "stray_headers", "{STRAY_HEADS}, and one for each stream; streams that are refused count, too", "stray_headers_flood")
calm("HPACK bomb", "header_bomb", "{BYTES_FACTOR} times max_request_headers_kb and {BYTES_FREE}, {FIELDS_FACTOR} times max_headers_count", "header_bomb header_overflow",
     "CVE-2016-1544", "max_request_headers_kb, max_headers_count", "the stream is reset")
add("h2", "HPACK table size, up and down", "h2.table_updates", "none: a byte costs a byte; {SP_H2_MAX_CONTINUATIONS} CONTINUATIONs", "fixed", "http.<http>.downstream_rq_total", "it is served", "")
add("h2", "HPACK table larger than offered", "h2.table_too_large", "{h2_table_size}", "hpack_table_size", "http2.rx_messaging_error", "GOAWAY COMPRESSION_ERROR, closed", "GOAWAY 9")
add("h2", "many headers", "h2.many_headers", "{max_headers} lines", "max_headers_count", "http2.header_overflow http.<http>.downstream_rq_<class>xx|http.<http>.downstream_rq_total", "431", "", "CVE-2019-15226")
add("h2", "huge headers", "h2.large_headers", "{max_header_bytes} of names and values", "max_request_headers_kb", "http2.header_overflow", "431", "")
calm("empty names", "empty_names", RESETS, "reset_flood rx_messaging_error", "CVE-2019-9516")
calm("trailers of many lines", "trailers", "{max_headers} lines; then it is a reset for the peer's fault", "reset_flood header_overflow", field="max_headers_count")
add("h2", "more streams than offered", "h2.too_many", "{h2_max_streams} at a time", STREAMS, "http2.too_many_streams", "GOAWAY PROTOCOL_ERROR, closed", "GOAWAY 1", "", "1024, or 100 by its advice for edges")
add("h2", "half a head", "h2.half_head", "{headers_s} s", "request_headers_timeout", "http.<http>.downstream_rq_header_timeout", "GOAWAY, closed", "GOAWAY 0|closed", "", "no limit")
add("h2", "half a preface", "h2.no_settings", "{headers_s} s", "request_headers_timeout", "http.<http>.downstream_rq_header_timeout|http.<http>.downstream_cx_destroy_local", "closed", "closed", "", "no limit", rss=24)
add("h2", "hoard of requests without an end", "h2.held_bodies", "{h2_max_streams} a connection, {idle_s} s without progress", "stream_idle_timeout, " + STREAMS,
    "http.<http>.downstream_rq_idle_timeout", "408 or RST_STREAM", "", "", "1024 a connection", rss=64)

# --- HTTP/1
def h1(name, attack, limit, field, counters, answer, sees, cves="", envoy="the same", rss=24, **more):
    add("h1", name, "h1." + attack, limit, field, counters, answer, sees, cves, envoy, rss, **more)


h1("slow headers (slowloris)", "slow_head", "{headers_s} s", "request_headers_timeout", "http.<http>.downstream_rq_header_timeout", "408, closed", "408", "CVE-2007-6750, CVE-2018-12122", "no limit")
h1("slow content", "slow_body", "{idle_s} s without a byte; request_timeout bounds the whole of it", "request_timeout, stream_idle_timeout", "http.<http>.downstream_rq_timeout", "408, closed", "408", "",
   "the same; 300 s by its advice for edges")
h1("slow chunks", "slow_chunks", "{idle_s} s without a byte; request_timeout bounds the whole of it", "request_timeout, stream_idle_timeout", "http.<http>.downstream_rq_idle_timeout|http.<http>.downstream_rq_timeout", "408, closed", "408")
h1("slow reading", "slow_read", "{high_water} of an answer, {idle_s} s without progress", "stream_idle_timeout, per_connection_buffer_limit_bytes", "http.<http>.downstream_rq_idle_timeout", "reset", "",
   "CVE-2016-1546", "1 MiB a connection; 32 KiB by its advice for edges", rss=64)
h1("connections that say nothing", "nothing_said", "{cx_idle_s} s; behind TLS the first bytes have {default_first_ns} s", "idle_timeout, listener_filters_timeout", "http.<http>.downstream_cx_idle_timeout", "closed", "closed")
h1("idle connections", "idle", "{cx_idle_s} s", "idle_timeout", "http.<http>.downstream_cx_idle_timeout", "closed", "200")
h1("pipelining", "pipeline", "{PIPELINE_TURN} requests of one connection, then others' turn", "fixed", "http.<http>.downstream_rq_total", "it is served", "200", "", "one request at a time")
h1("pipelining of what is not there", "pipeline_404", "{PIPELINE_TURN} requests of one connection, then others' turn", "fixed", "http.<http>.downstream_rq_<class>xx", "404", "404", "", "one request at a time")
h1("chunk extensions", "extensions", "{EXTENSIONS_MAX} more of them than of content", "fixed", "http.<http>.downstream_cx_protocol_error", "400, closed", "400", "CVE-2023-39326", "not limited")
h1("chunks of a byte", "small_chunks", "none: a chunk costs its bytes", "fixed", "http.<http>.downstream_rq_total", "it is served", "")
h1("trailers", "trailer_flood", "{max_headers} lines, {max_header_bytes}", "max_headers_count, max_request_headers_kb", "http.<http>.downstream_cx_protocol_error", "400, closed", "400")
h1("many headers, HTTP/1", "many_headers", "{max_headers} lines", "max_headers_count", "http.<http>.downstream_rq_<class>xx|http.<http>.downstream_cx_protocol_error", "431, closed", "431", "CVE-2019-15226")
h1("huge headers, HTTP/1", "large_head", "{max_header_bytes}", "max_request_headers_kb", "http.<http>.downstream_rq_<class>xx|http.<http>.downstream_cx_protocol_error", "431, closed", "431", "CVE-2020-12605")
h1("huge URL", "long_url", "{max_url_bytes}", "fixed", "http.<http>.downstream_rq_<class>xx|http.<http>.downstream_cx_protocol_error", "414, closed", "414", "CVE-2020-12605", "within max_request_headers_kb")
h1("empty lines", "empty_lines", "2 before a request", "fixed", "http.<http>.downstream_cx_protocol_error", "400, closed", "400|closed", "", "not limited")
h1("paths of dots", "dots", "{max_url_bytes}; one pass", "fixed", "http.<http>.downstream_rq_total", "it is served", "200")
h1("connections that are reset at once", "churn", "local_ratelimit of the listener, connection limits: none by default", "local_ratelimit", "http.<http>.downstream_cx_destroy_remote", "none", "reset", "CVE-2020-8663")
h1("connections over the limit", "over_limit", "the limit; without one seven eighths of the descriptors", "envoy.resource_limits.listener.<name>.connection_limit", "listener.<address>.downstream_cx_overflow", "reset at accept",
   "refused", "CVE-2020-8663", "no bound by descriptors")

# --- filters, routes, tunnels, what comes first
def use(name, attack, limit, field, counters, answer, sees, cves="", envoy="the same", rss=24, **more):
    add("use", name, "h1." + attack, limit, field, counters, answer, sees, cves, envoy, rss, **more)


use("refusals by a gate (403)", "refusals", "256 in /refused, 128 a second of a worker; the process log has a few a second", "fixed", "http.<http>.origin_shield.refused|http.<http>.downstream_rq_<class>xx", "403", "403", "", "no such page")
use("what no route takes (404)", "not_found", "256 in /refused, 128 a second of a worker; the process log has none of them", "fixed", "http.<http>.no_route", "404", "404", "", "no such page")
use("forged tokens", "jwt_forged", "a verification each; bad verdicts are not kept", "local_ratelimit", "http.<http>.jwt_authn.[<jwt prefix>.]denied", "401", "401")
use("large tokens", "jwt_large", "{max_header_bytes}", "max_request_headers_kb", "http.<http>.jwt_authn.[<jwt prefix>.]denied", "401", "401")
use("tokens of very many keys", "jwt_keys", "values are counted before they are read; the hash is keyed", "fixed", "http.<http>.jwt_authn.[<jwt prefix>.]denied", "401", "401", "CVE-2011-4885", "not limited")
use("deep tokens", "jwt_deep", "depth is counted before they are read", "fixed", "http.<http>.jwt_authn.[<jwt prefix>.]denied", "401", "401")
use("regex bomb, long", "regex", "{SP_REGEX_MATCH_LIMIT} steps of a match; then it is none", "fixed", "http.<http>.downstream_rq_<class>xx", "what no match is: 404", "404", "CVE-2019-15225", "RE2 takes linear time")
use("regex bomb, short", "regex_short", "{SP_REGEX_MATCH_LIMIT} steps of a match; then it is none", "fixed", "http.<http>.downstream_rq_<class>xx", "what no match is: 404", "404", "CVE-2019-15225", "RE2 takes linear time")
use("colliding names of headers", "header_keys", "{max_headers} lines, in a list: no table is made of names that peers choose", "max_headers_count", "http.<http>.downstream_rq_total", "it is served", "", "CVE-2011-4885")
use("colliding cookies", "cookie_keys", "{max_header_bytes}, looked through once for each matcher", "max_request_headers_kb", "http.<http>.downstream_rq_total", "it is served", "", "CVE-2011-4885")
use("colliding parameters of a query", "query_keys", "{max_url_bytes}, looked through once for each matcher", "fixed", "http.<http>.downstream_rq_total", "it is served", "", "CVE-2011-4885")
use("X-Forwarded-For of thousands", "xff", "{max_header_bytes}, one pass", "max_request_headers_kb", "http.<http>.downstream_rq_total", "it is served", "")
use("hoard of WebSocket tunnels", "websockets", "{idle_s} s without a byte; circuit breakers", "stream_idle_timeout, circuit_breakers", "http.<http>.downstream_rq_idle_timeout", "closed", "", rss=32)
use("hoard of CONNECT tunnels", "connects", "{idle_s} s without a byte; circuit breakers", "stream_idle_timeout, circuit_breakers", "http.<http>.downstream_rq_idle_timeout", "closed", "", rss=32)
use("PROXY header, version 1, byte by byte", "proxy_v1", "{default_first_ns} s, 107 bytes", "listener_filters_timeout", "listener.<address>.downstream_pre_cx_timeout", "reset", "closed")
use("PROXY header, version 2, byte by byte", "proxy_v2", "{default_first_ns} s, 4096 bytes", "listener_filters_timeout", "proxy_proto.[<proxy_proto prefix>.]versions.v<version>.error|listener.<address>.downstream_pre_cx_timeout", "reset", "closed")
use("PROXY header without an end", "proxy_endless", "107 bytes", "fixed", "proxy_proto.[<proxy_proto prefix>.]versions.v<version>.error|downstream_cx_proxy_proto_error", "reset", "closed")

# --- TLS
def tls(name, attack, limit, field, counters, answer, sees, cves="", envoy="the same", rss=32, **more):
    add("tls", name, "tls." + attack, limit, field, counters, answer, sees, cves, envoy, rss, **more)


SHAKES = "{HANDSHAKES_TURN} of a turn, then others' turn; {default_handshake_ns} s each"
tls("half handshakes, TLS 1.3", "half_13", SHAKES, "transport_socket_connect_timeout, local_ratelimit", "listener.<address>.downstream_cx_transport_socket_connect_timeout", "reset", "held|left", "", "no limit", rss=48)
tls("half handshakes, TLS 1.2", "half_12", SHAKES, "transport_socket_connect_timeout, local_ratelimit", "listener.<address>.downstream_cx_transport_socket_connect_timeout", "reset", "held|left", "", "no limit", rss=48)
tls("a crowd of half handshakes", "crowd", SHAKES, "transport_socket_connect_timeout, local_ratelimit", "listener.<address>.downstream_cx_total", "reset", "at once", "", "no limit; all in one turn", rss=48)
tls("whole handshakes", "handshakes", SHAKES, "local_ratelimit", "listener.<address>.ssl.handshake", "they are served", "whole")
tls("ClientHello byte by byte", "byte_by_byte", "{default_first_ns} s; it is read once, when it is there", "listener_filters_timeout", "listener.<address>.downstream_pre_cx_timeout|listener.<address>.downstream_cx_transport_socket_connect_timeout", "reset", "closed",
    "", "read anew with each byte")
tls("a ClientHello's first bytes", "first_bytes", "{default_first_ns} s, {SP_CLIENT_HELLO_MAX}", "listener_filters_timeout", "listener.<address>.downstream_pre_cx_timeout|listener.<address>.downstream_cx_transport_socket_connect_timeout", "reset", "closed")
tls("ClientHello in very many records", "many_records", "{RECORDS_MAX} records", "fixed", "listener.<address>.ssl.connection_error", "closed", "closed|alert")
tls("ClientHello without an end", "long_hello", "{SP_CLIENT_HELLO_MAX}; a whole handshake {HANDSHAKE_MAX}", "fixed", "listener.<address>.ssl.connection_error", "closed", "closed|alert")
tls("no TLS at all", "garbage", "none is borne", "fixed", "listener.<address>.ssl.connection_error", "closed", "closed|alert")
tls("very many server names", "names", "nothing is kept of them", "fixed", "listener.<address>.downstream_cx_total", "they are served", "answered")
tls("sessions taken up, again and again", "tickets", "nothing is kept of them: sessions are in tickets", "disable_stateless_session_resumption", "listener.<address>.ssl.session_reused", "they are served", "resumed")
tls("key updates", "key_updates", "{QUIET_MAX} records without data in a row, {WASTED_MAX} in all and one for each {EARNS_ONE} of data", "fixed", "listener.<address>.ssl.connection_error", "closed", "ended", "", "32 in a row (BoringSSL)")
tls("renegotiation", "renegotiation", "none", "fixed", "listener.<address>.ssl.handshake", "refused by alert", "ended", "CVE-2011-1473", "none, too")
tls("hoard of idle connections", "idle", "{cx_idle_s} s; limits of connections", "idle_timeout", "http.<http>.downstream_cx_idle_timeout|listener.<address>.downstream_cx_total", "closed", "held", rss=48)


def pattern(name):
    """A name of docs/stats.md as it is on /stats, but not the good client's; of classes of statuses the fourth."""
    out = ""
    for part in re.split(r"(\[<[^>]*>\.\]|<[^>]*>)", name):
        out += r"(?:.+?\.)?" if part.startswith("[") else "4" if part == "<class>" else "(?!good).+?" if part.startswith("<") else re.escape(part)
    return re.compile(out)
