package controllers_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/manager"
)

// phasesOf are what phases are expected to be of a partner.
type phasesOf struct {
	partner string
	hosts   []string
}

// phases are the hosts of a partner with their phases, as "host Phase", without its domain.
func phases(ctx SpecContext, name string) []string {
	GinkgoHelper()
	var all []string
	for _, host := range partner(ctx, name).Status.Hosts {
		all = append(all, strings.TrimSuffix(string(host.Host), ".example.com")+" "+string(host.Phase))
	}
	return all
}

var _ = Describe("The life of a host", func() {
	It("goes on from every phase to each that can follow, though the manager is killed after every write", func(ctx SpecContext) {
		now := &steppedClock{}
		const overlap = time.Hour
		// until has managers work one after the other, each of which is cut off after its first
		// write, until one has nothing to write and all is as expected.
		until := func(what string, expected ...phasesOf) {
			GinkgoHelper()
			By(what)
			for killed := 0; ; killed++ {
				Expect(killed).To(BeNumerically("<", 60), "it never settles")
				var wrote, cut atomic.Bool
				m := startManager(func(o *manager.Options) { o.Clock, o.Settings.RouteOverlap = now, overlap })
				m.mu.Lock()
				m.refuse = func(write string) error {
					switch {
					case !strings.Contains(write, "lives") && !strings.Contains(write, "subdomainclaims"),
						strings.Contains(write, "/events"), !wrote.Swap(true):
						return nil
					}
					cut.Store(true)
					return http.ErrServerClosed
				}
				m.mu.Unlock()
				var differs string
				Eventually(func() bool {
					differs = ""
					for _, of := range expected {
						if is := phases(ctx, of.partner); !slices.Equal(is, of.hosts) {
							differs = fmt.Sprintf("%s has %v, not %v", of.partner, is, of.hosts)
						}
					}
					return cut.Load() || differs == ""
				}).Should(BeTrue(), func() string { return what + ": " + differs })
				m.stop()
				if !cut.Load() {
					return
				}
			}
		}
		service := func(name string) *corev1.Service {
			return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "partner-" + name, Name: "zte"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}
		}
		own := func(name string) yamlText {
			return partnerYAML(name, "").replacing("external: {host: engine.example.net, port: 8080}", "service: {name: zte, port: 80}")
		}
		declares := func(host string) string {
			return fmt.Sprintf(`spec: {handOver: null, subdomain: {host: %s.example.com, backend: {service: {name: zte, port: 80}}}}`, host)
		}

		applyYAML(ctx, own("rival-lives").replacing("host: rival-lives.example.com", "host: lives.example.com"))
		until("Serving elsewhere", phasesOf{"rival-lives", []string{"lives Preparing"}})
		applyYAML(ctx, own("lives"))
		until("Claiming: another partner holds it", phasesOf{"lives", []string{"lives Claiming"}})
		Expect(direct.Delete(ctx, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "rival-lives"}})).To(Succeed())
		until("Claiming -> Preparing", phasesOf{"lives", []string{"lives Preparing"}})
		Expect(direct.Create(ctx, service("lives"))).To(Succeed())
		until("Preparing -> Serving", phasesOf{"lives", []string{"lives Serving"}})
		patchPartner(ctx, "lives", `spec: {validUntil: "2020-01-01"}`)
		until("Serving -> Dormant", phasesOf{"lives", []string{"lives Dormant"}})
		Expect(partner(ctx, "lives").Status.Hosts[0].WaitsFor).To(Equal("condition ContractActive (ContractEnded)"))
		patchPartner(ctx, "lives", `spec: {validUntil: null}`)
		until("Dormant -> Serving", phasesOf{"lives", []string{"lives Serving"}})
		patchPartner(ctx, "lives", declares("lives-too"))
		until("Serving -> Draining, Preparing -> Serving", phasesOf{"lives", []string{"lives-too Serving", "lives Draining"}})
		Expect(partner(ctx, "lives").Status.Hosts[1].Until.Time).To(BeTemporally("~", now.Now().Add(overlap), time.Minute))
		patchPartner(ctx, "lives", declares("lives"))
		until("Draining -> Serving", phasesOf{"lives", []string{"lives Serving", "lives-too Draining"}})
		now.step(2 * overlap)
		until("Draining -> Releasing -> gone", phasesOf{"lives", []string{"lives Serving"}})
		Expect(direct.Get(ctx, client.ObjectKey{Name: "lives-too.example.com"}, &v1alpha1.SubdomainClaim{})).NotTo(Succeed())

		copied := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "partner-lives", Name: "copy"}, Spec: networkingv1.IngressSpec{
			Rules: []networkingv1.IngressRule{{Host: "lives.example.com"}}, DefaultBackend: &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "zte", Port: networkingv1.ServiceBackendPort{Number: 80}}},
		}}
		Expect(direct.Create(ctx, copied)).To(Succeed())
		patchPartner(ctx, "lives", `spec: {subdomain: null}`)
		until("Serving -> Releasing", phasesOf{"lives", []string{"lives Releasing"}})
		Expect(partner(ctx, "lives").Status.Hosts[0].WaitsFor).To(Equal("the deletion of Ingress partner-lives/copy"))
		patchPartner(ctx, "lives", declares("lives"))
		until("Releasing -> Serving", phasesOf{"lives", []string{"lives Serving"}})
		Expect(direct.Delete(ctx, copied)).To(Succeed())

		handsOver := `spec: {subdomain: null, handOver: {host: lives.example.com, partnerRef: {name: lives-heir}}}`
		patchPartner(ctx, "lives", handsOver)
		until("Serving -> Offered", phasesOf{"lives", []string{"lives Offered"}})
		patchPartner(ctx, "lives", declares("lives"))
		until("Offered -> Serving", phasesOf{"lives", []string{"lives Serving"}})
		patchPartner(ctx, "lives", handsOver)
		until("Serving -> Offered again", phasesOf{"lives", []string{"lives Offered"}})
		uid := get(ctx, &v1alpha1.SubdomainClaim{}, "lives.example.com").UID
		applyYAML(ctx, own("lives-heir").replacing("host: lives-heir.example.com", "host: lives.example.com"))
		until("Offered -> HandingOver, and the target's Claiming -> Preparing", phasesOf{"lives", []string{"lives HandingOver"}}, phasesOf{"lives-heir", []string{"lives Preparing"}})
		Expect(partner(ctx, "lives").Status.Hosts[0]).To(HaveField("URL", "http://lives.example.com"))
		Expect(direct.Create(ctx, service("lives-heir"))).To(Succeed())
		until("HandingOver, until the target has settled", phasesOf{"lives", []string{"lives HandingOver"}}, phasesOf{"lives-heir", []string{"lives Serving"}})
		now.step(time.Minute)
		until("HandingOver -> Draining", phasesOf{"lives", []string{"lives Draining"}})
		Expect(direct.Delete(ctx, service("lives-heir"))).To(Succeed())
		until("Draining -> HandingOver, as the target fails", phasesOf{"lives", []string{"lives HandingOver"}})
		Expect(direct.Create(ctx, service("lives-heir"))).To(Succeed())
		until("HandingOver, as it has to settle again", phasesOf{"lives", []string{"lives HandingOver"}})
		now.step(time.Minute)
		until("HandingOver -> Draining again", phasesOf{"lives", []string{"lives Draining"}})
		now.step(2 * overlap)
		until("Draining -> Releasing -> gone", phasesOf{"lives", []string{}}, phasesOf{"lives-heir", []string{"lives Serving"}})
		Expect(get(ctx, &v1alpha1.SubdomainClaim{}, "lives.example.com").UID).To(Equal(uid), "it was never free")
	})
})
