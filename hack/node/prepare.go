package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	_ "embed"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

// packages are Debian's, with the libraries that they need and a minimal system may lack.
var packages = strings.Fields(`containerd runc containernetworking-plugins nftables iptables ipset conntrack
	libnftables1 libip4tc2 libip6tc2 libipset13 libxtables12 libnetfilter-conntrack3 libnfnetlink0 libnftnl11
	libjansson4 libedit2 libbsd0 libmd0 libmnl0`)

// assets are the folders with the programs of a node.
type assets struct {
	// programs has those that are built here: the control plane, kubelet and the like, and policies.
	programs string
	// debian is the root of the unpacked packages.
	debian string
}

// prepare finds the programs beside this one, and unpacks Debian's packages once.
func prepare(ctx context.Context) (assets, error) {
	self, err := os.Executable()
	if err != nil {
		return assets{}, err
	}
	a := assets{programs: filepath.Dir(self)}
	for _, program := range []string{"controlplane", "policies"} {
		if _, err := os.Stat(filepath.Join(a.programs, program)); err != nil {
			return assets{}, fmt.Errorf("%s is not built: run `make test-node`", program)
		}
	}
	sum := sha256.Sum256([]byte(strings.Join(packages, " ")))
	a.debian = filepath.Join(a.programs, "debian-"+hex.EncodeToString(sum[:])[:12])
	if _, err := os.Stat(a.debian); err == nil {
		return a, nil
	}
	return a, unpack(ctx, a.debian)
}

// unpack downloads Debian's packages and unpacks them into a folder. Nothing is installed.
func unpack(ctx context.Context, into string) (err error) {
	for _, tool := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("there is no %s, and containerd, runc and nftables are unpacked from Debian's packages: run this on Debian, or unpack them elsewhere into %s", tool, into)
		}
	}
	temporary, err := os.MkdirTemp(filepath.Dir(into), "debian-*.part")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
	// The sandbox user of apt-get may not write to the folder.
	download := exec.CommandContext(ctx, "apt-get", append([]string{"-qq", "-o", "APT::Sandbox::User=root", "download"}, packages...)...)
	download.Dir = temporary
	if out, err := download.CombinedOutput(); err != nil {
		return fmt.Errorf("downloading Debian's packages (try `apt-get update`): %w\n%s", err, out)
	}
	root := filepath.Join(temporary, "root")
	for _, file := range glob(filepath.Join(temporary, "*.deb")) {
		if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", file, root).CombinedOutput(); err != nil {
			return fmt.Errorf("unpacking %s: %w\n%s", filepath.Base(file), err, out)
		}
	}
	return os.Rename(root, into)
}

//go:embed files/dns.yaml
var dnsYAML []byte

//go:embed files/node.tmpl
var nodeFiles string

// prepare writes all files that the nodes start with.
func (c *cluster) prepare(a assets, images []string) error {
	write := func(name, text string) error {
		return os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o644)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	var tokens strings.Builder
	errs := []error{
		write("service-account.key", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))),
		write("dns.yaml", string(dnsYAML)),
		os.Mkdir(filepath.Join(c.dir, "bin"), 0o755), os.Mkdir(filepath.Join(c.dir, "images"), 0o755),
		os.Symlink(a.debian, filepath.Join(c.dir, "debian")),
		os.Symlink(filepath.Join(a.programs, "policies"), filepath.Join(c.dir, "bin", "policies")),
	}
	for _, program := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"} {
		errs = append(errs, os.Symlink(filepath.Join(a.programs, "controlplane"), filepath.Join(c.dir, "bin", program)))
	}
	for _, own := range []string{"pod.tar", "dns.tar"} {
		if path := filepath.Join(a.programs, own); !slices.ContainsFunc(images, func(image string) bool { return filepath.Base(image) == own }) {
			images = append(images, path)
		}
	}
	for i, image := range images {
		path, err := filepath.Abs(image)
		errs = append(errs, err, os.Symlink(path, filepath.Join(c.dir, "images", fmt.Sprintf("%d.tar", i))))
	}
	for _, of := range []struct{ file, user, groups string }{
		{"admin", "admin", "system:masters"},
		{"controller-manager", "system:kube-controller-manager", "system:masters"},
		{"scheduler", "system:kube-scheduler", ""},
		{"proxy", "system:kube-proxy", ""},
		{"node1", "system:node:node1", "system:nodes"},
		{"node2", "system:node:node2", "system:nodes"},
	} {
		token := rand.Text()
		fmt.Fprintf(&tokens, "%s,%s,%s,%s\n", token, of.user, of.user, of.groups)
		errs = append(errs, write(of.file+".kubeconfig", fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://%s", certificate-authority: %s}}]
users: [{name: u, user: {token: %s}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
`, apiServer, filepath.Join(c.dir, "apiserver", "apiserver.crt"), token)))
	}
	errs = append(errs, write("tokens.csv", tokens.String()))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, number := range numbers {
		if err := newNode(c.dir, number).prepare(); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the folders and settings of a node.
func (n *node) prepare() error {
	for _, dir := range []string{"lib/kubelet", "log", "sys", "hold", "cni", "containerd"} {
		if err := os.MkdirAll(n.path(dir), 0o755); err != nil {
			return err
		}
	}
	parsed, err := template.New("node").Parse(nodeFiles)
	if err != nil {
		return err
	}
	for _, file := range []string{"containerd.toml", "cni/10-pods.conflist", "kubelet.yaml", "proxy.yaml"} {
		var text bytes.Buffer
		err := parsed.ExecuteTemplate(&text, filepath.Base(file), map[string]any{
			"Name": fmt.Sprint("node", n.number), "Dir": n.dir, "Debian": filepath.Join(n.cluster, "debian"), "Address": address(n.number), "Pods": pods(n.number), "PodRange": podRange,
			"Cgroup": n.cgroup(), "DNS": dnsAddress, "Containerd": containerd, "ProxyKubeconfig": filepath.Join(n.cluster, "proxy.kubeconfig"),
		})
		if err == nil {
			err = os.WriteFile(n.path(file), text.Bytes(), 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// imported reports whether containerd has all images.
func (n *node) imported() bool {
	_, err := os.Stat(n.path("imported"))
	return err == nil
}
