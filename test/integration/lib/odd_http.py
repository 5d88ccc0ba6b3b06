# SPDX-License-Identifier: GPL-2.0-or-later
"""Odd HTTP/1 requests from a seed: each is a good one with up to three of its parts exchanged for something that parsers have been known to read
differently, and now and then a byte of it changed. The same seed makes the same requests."""
import random

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"

METHODS = [b"get", b"", b"GET\x00", b"FOO", b"M-SEARCH", b"CONNECT", b"TRACE", b"X" * 33, b"PRI", b"GE:T", b'"GET"', b"G\xc3\xa9T", b"\tGET", b" GET",
           b"POST\x0b", b"QUERY", b"PATCH", b"DELETE", b"Post", b"OPTIONS", b"GET/", b"PURGE", b"A_B", b"!#$%&'*+-.^_`|~"]
SPACES = [b"  ", b"\t", b"\x0b", b"\x0c", b"\r", b"", b" \t", b"\xa0", b"\x00", b"\n"]
TARGETS = [b"", b"*", b"a", b"//x", b"/\x00", b"/a b", b"/\xff", b"/#f", b"/\x7f", b"http://", b"http://u@h/", b"HTTP://H/", b"https://h/", b"http://h:99999/",
           b"/a\\b", b"/../x", b"/%zz", b"http://h\x01/", b"?x", b"h:80", b"/\tb", b"http:/x", b"http://[::1]/", b"http://[::1/", b"/%00", b"/a;b",
           b"/%0d%0aX:%20y", b"http://h?x", b"http://h#x", b"//u@h/", b"http:///x", b"http://other/x", b"http://h:/", b"ftp://h/", b"/a/./b",
           b"http://h", b"/" + b"a" * 9000, b"/{}|^`<>\"", b"http://h%20/", b"http://h\\@g/", b"/a?b?c", b"/?#", b"ws://h/", b"http://h:80:80/"]
VERSIONS = [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/1.1 ", b"http/1.1", b"HTTP/1.01", b"HTTP/01.1", b"", b"HTTP/1.", b"HTTP/11", b"HTTP/1.1\x00",
            b"HTTP/0.9", b"HTTP/1.1\t", b"HTTP/1,1", b"HTTP/1.1x", b"HTCPCP/1.0", b"HTTP/+1.1", b"HTTP/9.9", b" HTTP/1.1", b"HTTP/1.1\r"]
ENDS = [b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\r", b"\x0b\r\n", b"\x00\r\n", b"\r\n\n", b"\x85\r\n", b" \r\n", b"\r \n"]
HOSTS = [[], [b"Host: h", b"Host: h"], [b"Host: h", b"host: g"], [b"Host:"], [b"Host: "], [b"Host: a b"], [b"Host : h"], [b"Host: h, g"], [b"Host: u@h"],
         [b"Host: h/"], [b"Host: h:"], [b"Host: h:99999"], [b"Host: [::1]"], [b"Host: [::1"], [b"Host: h\x00"], [b"Host:\th\t"], [b"Host: h\r\n g"],
         [b"Host: %68"], [b"Host: h#"], [b"Host: h?x"], [b"Host: h\\x"], [b"Host: h:80"], [b"Host: h:+80"], [b"Host: h:0x50"], [b"Host: H"],
         [b"Host: \xc3\xa9"], [b"Host: h\x7f"], [b" Host: h"], [b"Host\x00: h"], [b"X: y", b"Host: h"], [b"Host: h\tg"], [b"Host: *"], [b"Host: h."],
         [b"Host: <x>"], [b"Host: h;x"], [b"Host: http://h/"], [b"Host: 1.2.3.4.5"], [b"Host: -"], [b"Host: [fe80::1%25x]"]]
LENGTHS = [b"Content-Length: +5", b"Content-Length: -5", b"Content-Length: 5, 5", b"Content-Length: 5,6", b"Content-Length: 0x5", b"Content-Length: 5 ",
           b"Content-Length:5", b"Content-Length: 005", b"Content-Length: 5 5", b"Content-Length: 5.0", b"Content-Length: 5e0", b"Content-Length: ",
           b"Content-Length : 5", b"Content-Length\t: 5", b"Content-Length\x00: 5", b"Content-Length: \x005", b"Content-Length: 5\x00", b"Content_Length: 5",
           b"Content-Length: 18446744073709551621", b"Content-Length: 99999999999999999999", b"Content-Length:\r\n 5", b"Content-Length: 5;x", b"Content-Length: '5'",
           b"content-length: 5", b"Content-Length: \x0b5", b"Content-Length: 5\r\n\t", b"Content-Length: 4", b"Content-Length: 6", b"Content-Length: 0",
           b"Content-Length: 5\r\nContent-Length: 5", b"Content-Length: 5\r\nContent-Length: 6", b"Content-Length: 00000000000000000000005", b"Content-Length: \xb2",
           b"Content-Length: 1_0", b"X: y\nContent-Length: 5", b"X: y\rContent-Length: 5", b" Content-Length: 5", b"Content-Length: 5\xa0", b"Content-Length: 2147483653",
           b"Content-Length: 4294967301", b"Content-Length:\t5\t", b"Content-Length: ,5", b"Content-Length: 5,"]
CODINGS = [b"Transfer-Encoding: Chunked", b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, gzip",
           b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
           b"Transfer-Encoding : chunked", b"Transfer-Encoding:\tchunked", b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding: chunked\x00", b"Transfer-Encoding: xchunked",
           b"Transfer-Encoding: chunked;x=y", b'Transfer-Encoding: "chunked"', b"Transfer-Encoding: ,chunked", b"Transfer-Encoding: chunked,", b"Transfer-Encoding:",
           b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding: chunk\xc3\xa9d", b"Transfer_Encoding: chunked", b"X: y\nTransfer-Encoding: chunked",
           b"X: y\rTransfer-Encoding: chunked", b" Transfer-Encoding: chunked", b"Transfer-Encoding: chunked ", b"Transfer-Encoding\x0b: chunked", b"transfer-encoding:chunked",
           b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\n , identity",
           b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding: deflate", b"Transfer-Encoding: \xa0chunked", b"Transfer-Encoding: chunked\x0b", b"Transfer-Encoding: trailers",
           b"Transfer-encoding: cHuNkEd", b"Transfer-Encoding: chunked\r\nTransfer-Encoding:", b"Transfer-Encoding: null"]
FIELDS = [b"X-A : b", b" X-A: b", b"\tX-A: b", b"X-A", b": b", b"X-A: b\r\n c", b"X-A:\x00", b"X\x00: b", b"X-A: b\rc", b"X-A: b\nEvil: 1", b"X(A): b", b"X-\xff: b", b"X-A: \xff",
          b"X-A: \x01", b"X-A: \x7f", b"X-A:\x0bb", b"X A: b", b"X-A:: b", b"X-A=b", b"X_A: b", b"X-A: " + b"b" * 5000, b"Connection: close, X-A", b"Connection: Host",
          b"Connection: content-length", b"Connection: transfer-encoding", b"Connection: x-forwarded-for", b"Connection: authorization\r\nAuthorization: x", b"Connection: ,,close,",
          b"Connection: a b", b"Connection: keep-alive", b"Connection:", b"Connection: cookie\r\nCookie: a=b", b"Connection: upgrade\r\nUpgrade: h2c", b"Connection: x\x00",
          b"Connection: TE\r\nTE: trailers", b"Connection: a,b,c,d,e,f,g,h,i,j,k", b"Connection: :path", b"Connection: x-a\r\nX-A: b", b"TE: trailers", b"TE: gzip", b"TE: trailers, chunked",
          b"Trailer: x", b"Expect: x", b"Expect: 100-continue", b"Upgrade: websocket", b"Upgrade: h2c", b"Keep-Alive: 5", b"Proxy-Connection: keep-alive", b"Proxy-Authorization: x",
          b"X-Forwarded-For: 1.2.3.4", b"X-Forwarded-Host: evil", b"X-Forwarded-Proto: https", b"X-Original-URL: /x", b"X-HTTP-Method-Override: PUT", b":path: /x", b":authority: x",
          b"HTTP2-Settings: AAMA", b"Max-Forwards: 0", b"Cookie: a=b\r\nCookie: c=d", b"Via: 1.1 x", b"Range: bytes=0-1", b"\x00", b"\xef\xbb\xbfX: y", b"X-A: b\r\n\t", b"X-A:\r\n b",
          b"X-A: b\x0bc", b"X-A: b\x0cc", b"X-A: b\x1bc", b"X-A: b\x85c", b"[X]: b", b"X-A@b: c", b"X/A: b", b"X-A,B: c", b"X-A;: b", b"\"X\": b", b"GET / HTTP/1.1", b"X-A: 1\r\nx-a: 2"]
SIZES = [b"0x5", b"+5", b"-5", b" 5", b"5 ", b"5\t", b"5;", b"5;x", b"5;x=y", b'5;x="y;z"', b"5 ;x", b"5; x", b"5\x00", b"05", b"0000000000000005", b"00000000000000005", b"5_", b"5,", b"5.0", b"",
         b"fffffffffffffffff", b"8000000000000005", b"10000000000000005", b"5;\rx", b"5;\nx", b"5;x\x00", b"5\x0b", b"5;\"\r\n\"", b"5g", b"5h", b"\xef\xbc\x95", b"4", b"6", b"5;" + b"x" * 3000, b"100000005"]
DATA_ENDS = [b"\n", b"", b"\r", b"\r\r\n", b"\r\n\r\n", b" \r\n", b"x\r\n", b"\n\r"]
LASTS = [b"0\r\n\r\n", b"0\n\n", b"0\r\n\n", b"0\n\r\n", b"00\r\n\r\n", b"0;x\r\n\r\n", b"0\r\nX-T: y\r\n\r\n", b"0\r\nContent-Length: 5\r\n\r\n", b"0\r\nHost: x\r\n\r\n", b"0\r\nX-T : y\r\n\r\n",
         b"0\r\n X: y\r\n\r\n", b"0\r\nX-T: y\n\r\n", b"0\r\n\r", b"-0\r\n\r\n", b"0 \r\n\r\n", b"0\r\nX-T: y\r\n z\r\n\r\n", b"0x0\r\n\r\n", b"0\r\nX\x00: y\r\n\r\n", b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
         b"0\r\nGET /smuggled HTTP/1.1\r\n\r\n", b"0\r\n\r\r\n", b"0\r\r\n\r\n", b"\r\n\r\n"]
FRONTS = [b"\r\n", b"\r\n\r\n", b"\r\n\r\n\r\n", b"\n", b"\r", b" ", b"\x00", b"\t\r\n", b"0\r\n\r\n"]
BYTES = b"\x00\x01\t\n\x0b\x0c\r \"#%,:;@\\_\x7f\x80\x85\xa0\xff"


class Odd:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def pick(self, odd, good, choices):
        return self.r.choice(choices) if odd else good

    def chunked(self, odd):
        body = b"hello" if self.r.random() < 0.6 else SMUGGLED
        size = self.pick("size" in odd, b"5", SIZES) if body == b"hello" else b"%x" % len(body)
        out = size + self.pick("size end" in odd, b"\r\n", ENDS) + body + self.pick("data end" in odd, b"\r\n", DATA_ENDS)
        if self.r.random() < 0.3:
            out += b"3\r\nabc\r\n"
        return out + self.pick("last" in odd, b"0\r\n\r\n", LASTS)

    def request(self, case):
        """(bytes, which parts are odd); a field x-case says which request it is."""
        r = self.r
        parts = ["method", "space", "target", "space 2", "version", "line end", "host", "framing", "field", "field", "field end", "head end", "front"]
        how = r.choice(("none", "none", "length", "length", "chunked", "chunked", "chunked"))
        parts += {"none": [], "length": ["length", "length"], "chunked": ["coding", "coding", "size", "size", "size end", "data end", "last", "last"]}[how]
        odd = set(r.sample(parts, r.choice((0, 1, 1, 1, 1, 2, 2, 3))))
        method = self.pick("method" in odd, b"GET" if how == "none" else r.choice((b"POST", b"PUT", b"GET")), METHODS)
        line = method + self.pick("space" in odd, b" ", SPACES) + self.pick("target" in odd, r.choice((b"/", b"/a?b=c", b"/a%20b", b"http://h/x")), TARGETS)
        line += self.pick("space 2" in odd, b" ", SPACES) + self.pick("version" in odd, b"HTTP/1.1", VERSIONS)
        out = self.pick("front" in odd, b"", FRONTS) + line + self.pick("line end" in odd, b"\r\n", ENDS)
        lines = [*self.pick("host" in odd, [b"Host: h"], HOSTS), b"X-Case: %d" % case]
        body = b""
        if how == "length":
            lines.append(self.pick("length" in odd, b"Content-Length: 5", LENGTHS))
            body = b"hello" if r.random() < 0.7 else b"hello"[:r.randrange(5)] + SMUGGLED
            if body != b"hello" and "length" not in odd:
                lines[-1] = b"Content-Length: %d" % len(body)
        elif how == "chunked":
            lines.append(self.pick("coding" in odd, b"Transfer-Encoding: chunked", CODINGS))
            body = self.chunked(odd)
        if "framing" in odd:  # one too many
            lines.append(r.choice(LENGTHS + CODINGS))
        if "field" in odd:
            lines += r.sample(FIELDS, r.choice((1, 1, 2)))
        if r.random() < 0.5:
            r.shuffle(lines)
        ends = [b"\r\n"] * len(lines)
        if "field end" in odd and lines:
            ends[r.randrange(len(lines))] = r.choice(ENDS)
        out += b"".join(a + b for a, b in zip(lines, ends)) + self.pick("head end" in odd, b"\r\n", ENDS) + body
        if r.random() < 0.12:
            odd.add("byte")
            at = r.randrange(len(out))
            out = out[:at] + bytes([r.choice(BYTES)]) + out[at + r.choice((0, 1)):]
        return out, odd
