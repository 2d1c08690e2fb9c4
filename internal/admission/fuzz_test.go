package admission_test

import (
	"net/netip"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/dispel/partner-operator/internal/admission"
)

// FuzzHost declares Partners with any host: one that is taken can name a claim, an
// Ingress and a certificate, and cannot be another's in other letters.
func FuzzHost(f *testing.F) {
	for _, seed := range []string{
		"remote.acmecorp.com", "Remote.acmecorp.com", "*.acmecorp.com", "acmecorp", "10.0.0.1", "::1", "a.b.", ".a.b", "a..b", "xn--bcher-kva.example",
		"bücher.example", "a_b.example", "https://a.example", "a.example:443", "a.example/x", "a.1", "-a.example", "a-.example", strings.Repeat("a", 64) + ".example", "a.K",
	} {
		f.Add(seed)
	}
	validator, err := admission.New()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, host string) {
		partner := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "partner.dispel.com/v1alpha1", "kind": "Partner", "metadata": map[string]any{"name": "acme"},
			"spec": map[string]any{
				"displayName": "Acme", "channelModel": "OEM",
				"subdomain": map[string]any{"host": host, "backend": map[string]any{"service": map[string]any{"name": "engine", "port": int64(80)}}},
			},
		}}
		if err := validator.Create(t.Context(), partner); err != nil {
			return
		}
		if faults := validation.IsDNS1123Subdomain(host); len(faults) > 0 {
			t.Fatalf("%q was taken: %v", host, faults)
		}
		if _, err := netip.ParseAddr(host); err == nil || !strings.Contains(host, ".") || strings.ToLower(host) != host {
			t.Fatalf("%q was taken", host)
		}
		for label := range strings.SplitSeq(host, ".") {
			if faults := validation.IsDNS1123Label(label); len(faults) > 0 {
				t.Fatalf("%q was taken: %q: %v", host, label, faults)
			}
		}
	})
}
