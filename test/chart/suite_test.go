// Package chart holds the Helm chart against the kustomize bases, and installs it.
package chart

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/dispel/partner-operator/internal/controlplane/assets"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	ctrl.SetLogger(zap.New(zap.WriteTo(GinkgoWriter)))
	RunSpecs(t, "chart")
}

const (
	release   = "partner-operator"
	namespace = "partner-operator-system"
)

// chart is the folder of the chart in the work tree.
func chart() string { return filepath.Join(cluster.Root(), "charts", "partner-operator") }

// helm returns what Helm prints to its standard output.
func helm(ctx context.Context, environment []string, args ...string) (string, error) {
	GinkgoHelper()
	cmd := cluster.Tool(ctx, "helm", args...)
	cmd.Env = append(os.Environ(), environment...)
	cmd.Stderr = GinkgoWriter
	out, err := cmd.Output()
	return string(out), err
}

// rendered is what the chart becomes.
func rendered(ctx context.Context, args ...string) string {
	GinkgoHelper()
	out, err := helm(ctx, nil, append([]string{"template", release, chart(), "--namespace", namespace}, args...)...)
	Expect(err).NotTo(HaveOccurred())
	return out
}

// built is what kustomize makes of a folder in config.
func built(ctx context.Context, folder string) []byte {
	GinkgoHelper()
	binaries, err := assets.Dir()
	Expect(err).NotTo(HaveOccurred())
	out, err := exec.CommandContext(ctx, filepath.Join(binaries, "kubectl"), "kustomize", filepath.Join(cluster.Root(), "config", folder)).Output()
	Expect(err).NotTo(HaveOccurred())
	return out
}

// scrape reads a page of metrics.
func scrape(ctx context.Context, address, token string) string {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	Expect(err).NotTo(HaveOccurred())
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	response, err := insecure.Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	Expect(response.StatusCode).To(Equal(http.StatusOK), string(body))
	return string(body)
}
