// SPDX-License-Identifier: GPL-2.0-or-later

// tlspeer is the other end of a TLS connection, by Go's crypto/tls, for test_tls_groups.py:
//
//	tlspeer client ADDRESS CA GROUPS CHUNK   two connections, the second with the session of the first; one request on each
//	tlspeer server CERTIFICATE KEY GROUPS    prints its address, and answers each request with what it knows of the connection
//
// GROUPS are numbers with commas between, or "" for Go's own choice. CHUNK: bytes a write of the client's, 0 for all at once.
// What is known is a line of JSON.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func groups(text string) []tls.CurveID {
	var list []tls.CurveID
	for _, word := range strings.Split(text, ",") {
		if n, err := strconv.Atoi(word); err == nil {
			list = append(list, tls.CurveID(n))
		}
	}
	return list
}

type state struct {
	Group   int
	Version int
	Resumed bool
	Retried bool
}

func of(c *tls.Conn) state {
	s := c.ConnectionState()
	return state{Group: int(s.CurveID), Version: int(s.Version), Resumed: s.DidResume, Retried: s.HelloRetryRequest}
}

// Writes in small pieces, each a segment of its own.
type slow struct {
	net.Conn
	chunk int
}

func (s slow) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		end := len(b)
		if s.chunk > 0 && done+s.chunk < end {
			end = done + s.chunk
		}
		n, err := s.Conn.Write(b[done:end])
		done += n
		if err != nil {
			return done, err
		}
		if done < len(b) {
			time.Sleep(2 * time.Millisecond)
		}
	}
	return done, nil
}

func client(address, ca, list, chunk string) {
	pem, err := os.ReadFile(ca)
	check(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	size, err := strconv.Atoi(chunk)
	check(err)
	config := &tls.Config{RootCAs: pool, ServerName: "localhost", CurvePreferences: groups(list), ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	for range 2 {
		plain, err := net.Dial("tcp", address)
		check(err)
		c := tls.Client(slow{plain, size}, config)
		check(c.Handshake())
		_, err = c.Write([]byte("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"))
		check(err)
		line, err := bufio.NewReader(c).ReadString('\n')
		check(err)
		if !strings.HasPrefix(line, "HTTP/1.1 200") {
			check(fmt.Errorf("answered %q", line))
		}
		check(json.NewEncoder(os.Stdout).Encode(of(c)))
		c.Close()
	}
}

func serve(c *tls.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if line == "\r\n" {
				break
			}
		}
		text, _ := json.Marshal(of(c))
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s", len(text), text)
		return
	}
}

func server(cert, key, list string) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	check(err)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, CurvePreferences: groups(list)})
	check(err)
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	for {
		c, err := l.Accept()
		check(err)
		go serve(c.(*tls.Conn))
	}
}

func main() {
	if len(os.Args) == 6 && os.Args[1] == "client" {
		client(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
	} else if len(os.Args) == 5 && os.Args[1] == "server" {
		server(os.Args[2], os.Args[3], os.Args[4])
	} else {
		check(fmt.Errorf("usage: tlspeer client ADDRESS CA GROUPS CHUNK | server CERTIFICATE KEY GROUPS"))
	}
}
