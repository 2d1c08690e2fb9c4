// Command dns answers for the Services of a cluster, and for the hosts in the ConfigMap
// kube-system/hosts: each has an address, or the name of a Service that stands for it.
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "dns:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	all := informers.NewSharedInformerFactory(client, 0)
	own := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(metav1.NamespaceSystem))
	r := resolver{all.Core().V1().Services().Lister(), own.Core().V1().ConfigMaps().Lister().ConfigMaps(metav1.NamespaceSystem)}
	for _, factory := range []informers.SharedInformerFactory{all, own} {
		factory.Start(ctx.Done())
		factory.WaitForCacheSync(ctx.Done())
	}
	listener, err := net.Listen("tcp", ":53")
	if err != nil {
		return err
	}
	go r.serveTCP(listener)
	conn, err := net.ListenPacket("udp", ":53")
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() {
		time.Sleep(5 * time.Second) // until nobody asks here any more
		_ = conn.Close()
	})
	for packet := make([]byte, 4096); ; {
		n, from, err := conn.ReadFrom(packet)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if answer := r.answer(packet[:n]); answer != nil {
			_, _ = conn.WriteTo(answer, from) // who asked is gone, or asks again
		}
	}
}

// serveTCP answers one query for each connection.
func (r resolver) serveTCP(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			var length uint16
			if binary.Read(conn, binary.BigEndian, &length) != nil {
				return
			}
			query := make([]byte, length)
			if _, err := io.ReadFull(conn, query); err != nil {
				return
			}
			answer := r.answer(query)
			_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
		}()
	}
}

type resolver struct {
	services v1.ServiceLister
	hosts    v1.ConfigMapNamespaceLister
}

// answer is the answer to a query; nil if it is none.
func (r resolver) answer(query []byte) []byte {
	var asked dnsmessage.Message
	if asked.Unpack(query) != nil || len(asked.Questions) != 1 {
		return nil
	}
	question := asked.Questions[0]
	message := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: asked.ID, Response: true, Authoritative: true, RecursionDesired: asked.RecursionDesired, RecursionAvailable: true},
		Questions: asked.Questions,
	}
	names, ip := r.resolve(strings.ToLower(question.Name.String()), 0)
	if names == nil {
		message.RCode = dnsmessage.RCodeNameError
	}
	owner := question.Name
	add := func(kind dnsmessage.Type, body dnsmessage.ResourceBody) {
		message.Answers = append(message.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: owner, Type: kind, Class: dnsmessage.ClassINET, TTL: 5}, Body: body})
	}
	for i, name := range names {
		if i == 0 {
			continue // what was asked for
		}
		next, err := dnsmessage.NewName(name)
		if err != nil {
			return nil
		}
		add(dnsmessage.TypeCNAME, &dnsmessage.CNAMEResource{CNAME: next})
		owner = next
	}
	if v4 := ip.To4(); v4 != nil && question.Type == dnsmessage.TypeA {
		add(dnsmessage.TypeA, &dnsmessage.AResource{A: [4]byte(v4)})
	}
	packed, err := message.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// resolve follows a name to the address that it stands for. The names are those on the way, itself
// first; nil if there is no such name.
func (r resolver) resolve(name string, depth int) (names []string, ip net.IP) {
	const deepest = 8
	if depth > deepest {
		return nil, nil
	}
	follow := func(to string) ([]string, net.IP) {
		rest, ip := r.resolve(strings.TrimSuffix(to, ".")+".", depth+1)
		if rest == nil {
			rest = []string{strings.TrimSuffix(to, ".") + "."}
		}
		return append([]string{name}, rest...), ip
	}
	if hosts, err := r.hosts.Get("hosts"); err == nil {
		if to, ok := hosts.Data[strings.TrimSuffix(name, ".")]; ok {
			if ip := net.ParseIP(to); ip != nil {
				return []string{name}, ip
			}
			return follow(to)
		}
	}
	service, inCluster := strings.CutSuffix(name, ".svc.cluster.local.")
	of, namespace, found := strings.Cut(service, ".")
	if !inCluster || !found {
		return nil, nil
	}
	s, err := r.services.Services(namespace).Get(of)
	switch {
	case err != nil:
		return nil, nil
	case s.Spec.Type == corev1.ServiceTypeExternalName:
		return follow(s.Spec.ExternalName)
	}
	return []string{name}, net.ParseIP(s.Spec.ClusterIP)
}
