// Command pod is what the containers of tests run:
//
//	pod                          does nothing, as the first container of every Pod
//	pod serve PORT NAME          answers each request with NAME, and for five seconds after SIGTERM
//	pod connect ADDRESS...       tries TCP connections, and prints "open" or why not of each
//	pod load RATE URL...         requests each URL RATE times a second, and says each second how that went since the start
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	args := append(os.Args[1:], "")
	var err error
	switch {
	case args[0] == "":
		<-ctx.Done()
	case args[0] == "serve" && len(args) == 4:
		err = serve(ctx, args[1], args[2])
	case args[0] == "connect":
		connect(ctx, args[1:len(args)-1])
	case args[0] == "load" && len(args) > 3:
		err = load(ctx, args[1], args[2:len(args)-1])
	default:
		err = fmt.Errorf("unknown arguments %q", os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pod:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, port, name string) error {
	server := &http.Server{Addr: ":" + port, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s: %s %s\n", name, r.Host, r.URL.Path)
	})}
	context.AfterFunc(ctx, func() {
		time.Sleep(5 * time.Second) // until nobody sends requests here any more
		_ = server.Close()
	})
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// connect tries all at once: one that is dropped takes its whole time.
func connect(ctx context.Context, addresses []string) {
	said := make([]string, len(addresses))
	var all sync.WaitGroup
	for i, address := range addresses {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
			defer cancel()
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
			switch {
			case err == nil:
				_ = conn.Close()
				said[i] = "open"
			case errors.Is(err, syscall.ECONNREFUSED):
				said[i] = "refused" // by who was reached
			case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded):
				said[i] = "dropped"
			default:
				said[i] = err.Error()
			}
		})
	}
	all.Wait()
	for i, address := range addresses {
		fmt.Printf("%s %s\n", address, said[i])
	}
}

// outcome is how the requests of one URL went.
type outcome struct {
	mu           sync.Mutex
	sent, failed int
	// slowest is how long the slowest answer took so far.
	slowest time.Duration
	last    string
}

func (o *outcome) request(client *http.Client, url string) {
	failure, stage, began := "", new(atomic.Value), time.Now()
	stage.Store("before the name was asked for")
	trace := &httptrace.ClientTrace{
		DNSStart:          func(httptrace.DNSStartInfo) { stage.Store("while resolving") },
		ConnectStart:      func(_, address string) { stage.Store("while connecting to " + address) },
		TLSHandshakeStart: func() { stage.Store("in the TLS handshake") },
		WroteRequest:      func(httptrace.WroteRequestInfo) { stage.Store("waiting for the answer") },
	}
	var response *http.Response
	asked, err := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), trace), http.MethodGet, url, http.NoBody)
	if err == nil {
		response, err = client.Do(asked)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			failure = response.Status
		}
	}
	if err != nil {
		failure = fmt.Sprintf("%s: %v", stage.Load(), err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent++
	o.slowest = max(o.slowest, time.Since(began))
	if failure != "" {
		o.failed++
		o.last = time.Now().UTC().Format(time.TimeOnly) + " " + failure
	}
}

func (o *outcome) tell(url string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Printf("%s sent=%d failed=%d slowest=%d last=%q\n", url, o.sent, o.failed, o.slowest.Milliseconds(), o.last)
}

func load(ctx context.Context, rate string, urls []string) error {
	perSecond, err := strconv.Atoi(rate)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // others judge the certificate
	}}
	outcomes := make([]outcome, len(urls))
	next, tell := time.NewTicker(time.Second/time.Duration(perSecond)), time.NewTicker(time.Second)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
			for i, url := range urls {
				go outcomes[i].request(client, url)
			}
		case <-tell.C:
			for i, url := range urls {
				outcomes[i].tell(url)
			}
		}
	}
}
