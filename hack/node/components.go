package main

import (
	"fmt"
	"net"
	"path/filepath"
	"time"
)

// Addresses of the cluster's own.
const (
	apiServer     = "10.200.0.2:6443"
	serviceRange  = "10.96.0.0/16"
	dnsAddress    = "10.96.0.10"
	podRange      = "10.244.0.0/16"
	containerd    = "/run/containerd.sock"
	etcdClients   = "http://127.0.0.1:2379"
	etcdPeers     = "http://127.0.0.1:2380"
	policiesQueue = "100"
)

// components are those of a node, in the order of their starts.
func (n *node) components() []*component {
	shared := func(elem ...string) string { return filepath.Join(append([]string{n.cluster}, elem...)...) }
	answers := func(address string) func() bool {
		return func() bool {
			conn, err := net.DialTimeout("tcp", address, time.Second)
			if err == nil {
				_ = conn.Close()
			}
			return err == nil
		}
	}
	succeeds := func(command ...string) func() bool {
		return func() bool { return n.command(nil, command...).Run() == nil }
	}
	var components []*component
	if n.number == 1 {
		components = append(components,
			&component{name: "etcd", path: "etcd", ready: answers("127.0.0.1:2379"), args: []string{
				"--data-dir=" + n.path("etcd"), "--unsafe-no-fsync", "--listen-client-urls=" + etcdClients, "--advertise-client-urls=" + etcdClients, "--listen-peer-urls=" + etcdPeers,
			}},
			&component{name: "kube-apiserver", path: "kube-apiserver", ready: succeeds("kubectl", "--kubeconfig="+shared("admin.kubeconfig"), "get", "--raw", "/readyz"), args: []string{
				"--etcd-servers=" + etcdClients, "--bind-address=" + address(1), "--advertise-address=" + address(1), "--secure-port=6443", "--cert-dir=" + shared("apiserver"),
				"--endpoint-reconciler-type=lease", "--service-cluster-ip-range=" + serviceRange, "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
				"--kubelet-preferred-address-types=InternalIP", "--allow-privileged=true", "--token-auth-file=" + shared("tokens.csv"),
				"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
				"--service-account-key-file=" + shared("service-account.key"), "--service-account-signing-key-file=" + shared("service-account.key"),
			}},
			// With leader election it starts anew after an outage of the API server, as elsewhere, and does not take
			// nodes for lost that could not renew their leases meanwhile.
			&component{name: "kube-controller-manager", path: "kube-controller-manager", args: []string{
				"--kubeconfig=" + shared("controller-manager.kubeconfig"), "--secure-port=0", "--flex-volume-plugin-dir=" + n.path("volume-plugins"),
				"--service-account-private-key-file=" + shared("service-account.key"), "--root-ca-file=" + shared("apiserver", "apiserver.crt"),
				"--allocate-node-cidrs=false", "--cluster-cidr=" + podRange,
				"--kube-api-qps=500", "--kube-api-burst=1000",
			}},
			&component{name: "kube-scheduler", path: "kube-scheduler", args: []string{
				"--kubeconfig=" + shared("scheduler.kubeconfig"), "--authentication-kubeconfig=" + shared("scheduler.kubeconfig"), "--authorization-kubeconfig=" + shared("scheduler.kubeconfig"),
				"--leader-elect=false", "--bind-address=127.0.0.1",
			}},
		)
	}
	kubeconfig := shared(fmt.Sprintf("node%d.kubeconfig", n.number))
	components = append(components,
		&component{name: "containerd", path: "containerd", args: []string{"--config", n.path("containerd.toml")}, ready: succeeds("ctr", "-a", containerd, "version")},
		&component{name: "images", path: "/bin/sh", ready: n.imported, args: []string{"-c", fmt.Sprintf(
			"for image in %s/*.tar; do ctr -a %s -n k8s.io images import $image || exit; done; touch %s; exec sleep infinity", shared("images"), containerd, n.path("imported"))}},
		&component{name: "kubelet", path: "kubelet", args: []string{
			"--config=" + n.path("kubelet.yaml"), "--kubeconfig=" + kubeconfig, fmt.Sprintf("--hostname-override=node%d", n.number), "--node-ip=" + address(n.number),
			"--root-dir=/var/lib/kubelet", "--cert-dir=" + n.path("pki"),
		}},
		&component{name: "kube-proxy", path: "kube-proxy", args: []string{"--config=" + n.path("proxy.yaml")}},
		&component{
			name: "policies", path: "policies", args: []string{shared("admin.kubeconfig"), fmt.Sprint("node", n.number), policiesQueue},
			// Packets of new connections wait for the agent's word: between Pods, and from a Pod to its node.
			before: [][]string{
				{"xtables-nft-multi", "iptables", "-F"},
				{"xtables-nft-multi", "iptables", "-A", "FORWARD", "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"},
				// A verdict can be lost where a processor is short: TCP tries again within a second, and who asks
				// for a name only after five.
				{"xtables-nft-multi", "iptables", "-A", "FORWARD", "-p", "udp", "--dport", "53", "-j", "ACCEPT"},
				{"xtables-nft-multi", "iptables", "-A", "FORWARD", "-j", "NFQUEUE", "--queue-num", policiesQueue},
				{"xtables-nft-multi", "iptables", "-A", "INPUT", "-s", podRange, "-m", "conntrack", "--ctstate", "NEW", "-j", "NFQUEUE", "--queue-num", policiesQueue},
			},
			after: [][]string{{"xtables-nft-multi", "iptables", "-F"}},
		},
	)
	return components
}
