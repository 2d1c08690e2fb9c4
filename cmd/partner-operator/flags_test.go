package main

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"
)

var _ = Describe("Without an API server", func() {
	var address string
	BeforeEach(func() {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		address = listener.Addr().String()
		Expect(listener.Close()).To(Succeed())
	})
	awaiting := func(ctx context.Context) chan error {
		done := make(chan error, 1)
		go func() { done <- await(ctx, &rest.Config{Host: "http://" + address}) }()
		return done
	}

	It("commands wait until there is one, and until it is up, and take a refusal for an answer", func(ctx SpecContext) {
		done := awaiting(ctx)
		Consistently(done, "500ms").ShouldNot(Receive())
		listener, err := net.Listen("tcp", address)
		Expect(err).NotTo(HaveOccurred())
		code := new(atomic.Int64)
		code.Store(http.StatusServiceUnavailable)
		asked := new(atomic.Int64)
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.WriteHeader(int(code.Load()))
		})}
		go func() { _ = server.Serve(listener) }()
		DeferCleanup(server.Close)
		Eventually(asked.Load, "10s").Should(BeNumerically(">", 0))
		Consistently(done, "500ms").ShouldNot(Receive())
		code.Store(http.StatusForbidden)
		Eventually(done, "10s").Should(Receive(BeNil()))
	})

	It("commands end when they are told to", func() {
		ctx, cancel := context.WithCancel(context.Background())
		done := awaiting(ctx)
		Consistently(done, "500ms").ShouldNot(Receive())
		cancel()
		Eventually(done, "5s").Should(Receive(MatchError(context.Canceled)))
	})
})
