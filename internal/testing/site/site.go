// Package site stands in for what is between an end customer and a partner's engine, in
// tests: DNS, a server with a certificate, the support widget.
package site

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/dispel/partner-operator/internal/probe"
)

// Serve serves until the spec ends, and returns where; over HTTPS if there is a
// certificate.
func Serve(handler http.Handler, certificate *tls.Certificate) netip.AddrPort {
	GinkgoHelper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = nil
	if certificate != nil {
		server.TLS = &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12}
		server.StartTLS()
	} else {
		server.Start()
	}
	DeferCleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return netip.MustParseAddrPort(server.Listener.Addr().String())
}

// Engine answers as an engine with the widget of a partner does; without one if empty.
func Engine(partner string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
		}
	})
	if partner != "" {
		mux.HandleFunc("/.dispel/support/config.json", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"version": "v1", "partner": %q}`, partner)
		})
		mux.HandleFunc("/.dispel/support/widget.js", func(http.ResponseWriter, *http.Request) {})
	}
	return mux
}

// Zone is a DNS server that knows some names with their addresses, or the names that they are
// aliases of, and says of others that they are not there. Its zero value knows none.
type Zone struct {
	*net.Resolver
	// Address is the server's.
	Address string
	mu      sync.Mutex
	names   map[string][]string
	// turns are names of which each answer has the next one of their addresses.
	turns map[string][]string
	// fail, if set, is the code of an answer; nil for none at all.
	fail func(question dnsmessage.Question) *dnsmessage.RCode
}

// Turn has each answer for a name have another one of some addresses, in turn.
func (z *Zone) Turn(name string, addresses ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.turns = map[string][]string{name: addresses}
}

// Fail has the server answer with a code, or not at all if that is nil, where of says so.
func (z *Zone) Fail(code *dnsmessage.RCode, of func(dnsmessage.Question) bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.fail = func(question dnsmessage.Question) *dnsmessage.RCode {
		if of(question) {
			return code
		}
		return new(dnsmessage.RCodeSuccess)
	}
}

// NewZone starts one, until the spec ends.
func NewZone(names map[string][]string) *Zone {
	GinkgoHelper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(conn.Close)
	z := &Zone{Address: conn.LocalAddr().String(), Resolver: probe.ResolverAt(netip.MustParseAddrPort(conn.LocalAddr().String())), names: names}
	go z.Serve(conn)
	return z
}

// Set gives a name other addresses; none takes it away.
func (z *Zone) Set(name string, addresses ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.names == nil {
		z.names = map[string][]string{}
	}
	z.names[name] = addresses
}

// Serve answers until the connection is closed.
func (z *Zone) Serve(conn net.PacketConn) {
	buffer := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		var query dnsmessage.Message
		if query.Unpack(buffer[:n]) != nil {
			continue
		}
		reply := z.answer(query)
		if reply == nil {
			continue
		}
		if packed, err := reply.Pack(); err == nil {
			_, _ = conn.WriteTo(packed, from)
		}
	}
}

func (z *Zone) answer(query dnsmessage.Message) *dnsmessage.Message {
	question := query.Questions[0]
	reply := &dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, Authoritative: true, RCode: dnsmessage.RCodeNameError},
		Questions: query.Questions,
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.fail != nil {
		code := z.fail(question)
		if code == nil {
			return nil
		}
		if *code != dnsmessage.RCodeSuccess {
			reply.RCode = *code
			return reply
		}
	}
	for name, addresses := range z.turns {
		z.names[name] = addresses[:1]
		if question.Type == dnsmessage.TypeA {
			z.turns[name] = append(addresses[1:], addresses[0])
		}
	}
	const most = 4 // records of a chain, which may be circular
	for at := question.Name; len(reply.Answers) < most; {
		var alias string
		for _, record := range z.names[strings.TrimSuffix(at.String(), ".")] {
			reply.RCode = dnsmessage.RCodeSuccess
			header := dnsmessage.ResourceHeader{Name: at, Type: question.Type, Class: dnsmessage.ClassINET, TTL: 1}
			parsed, err := netip.ParseAddr(record)
			switch {
			case err != nil:
				alias, header.Type = record, dnsmessage.TypeCNAME
				reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(record + ".")}})
			case parsed.Is4() && question.Type == dnsmessage.TypeA:
				reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: parsed.As4()}})
			case parsed.Is6() && question.Type == dnsmessage.TypeAAAA:
				reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: parsed.As16()}})
			}
		}
		if alias == "" {
			break
		}
		at = dnsmessage.MustNewName(alias + ".")
	}
	return reply
}
