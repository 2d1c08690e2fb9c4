package tenant_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/santhosh-tekuri/jsonschema/v6"
	goyaml "go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/apply"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/scheme"
	"github.com/dispel/partner-operator/internal/snapshot"
	"github.com/dispel/partner-operator/internal/tenant"
	"github.com/dispel/partner-operator/internal/testing/golden"
	"github.com/dispel/partner-operator/internal/testing/kstatus"
)

// A golden case is testdata/<name>.in.yaml, a snapshot as manifests, and
// testdata/<name>.out.yaml, the outcome once every write succeeded. A new case
// needs no Go; UPDATE_GOLDEN=1 writes the outcomes anew.
//
// An outcome has one line for each condition, Event and object. Those cases that are about the
// shape of objects have them whole.
//
// The snapshot's manifests go where their kind and labels say: an object that
// carries the partner's label is a child, an unlabelled Service or Secret is one
// that others made. A first document of kind Case says the rest.
type goldenCase struct {
	// Description says what the case is about.
	Description string `json:"description"`
	// Whole has the outcome show its status and objects in full.
	Whole bool `json:"whole"`
	// Now is the time; goldenNow if it is left out.
	Now *metav1.Time `json:"now"`
	// APIs are the optional APIs that are installed.
	APIs kinds.APIs `json:"apis"`
	// Settings are laid over goldenSettings.
	Settings *objects.Settings `json:"settings"`
	// Order is why the certificate is not to be ordered yet.
	Order *snapshot.Order `json:"order"`
	// Wanted are held hosts that another partner declares.
	Wanted []string `json:"wanted"`
	// Target and Source are other Partners, from and to whom a host is handed over.
	Target, Source *v1alpha1.Partner
	// Noted is the partner whose namespace notes the host, which nobody claims.
	Noted string `json:"noted"`
	// Rivals are other Partners that declare the same namespace.
	Rivals []metav1.ObjectMeta `json:"rivals"`
	// Failures are writes that failed.
	Failures []struct {
		APIVersion, Kind, Namespace, Name string
		Refused, Delete                   bool
		Message                           string
	} `json:"failures"`
}

var goldenNow = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

func goldenSettings() objects.Settings {
	return objects.Settings{
		IngressClassName:     "traefik",
		ProxyNamespaces:      []string{"traefik"},
		ReservedHostSuffixes: []string{"dispel.example"},
		WidgetBackend:        v1alpha1.ExternalBackend{Host: "widget.partner-operator-system.svc.cluster.local", Port: 8082},
		RouteOverlap:         10 * time.Second,
	}
}

// goldenOutcome is the first document of an out.yaml; the objects follow.
type goldenOutcome struct {
	Status    v1alpha1.PartnerStatus `json:"status"`
	Events    []conditions.Event     `json:"events,omitempty"`
	Prune     []string               `json:"prune,omitempty"`
	RequeueAt *metav1.Time           `json:"requeueAt,omitempty"`
	// Objects have a line each, if they do not follow in full.
	Objects []string `json:"objects,omitempty"`
}

var _ = Describe("Evaluate", func() {
	inputs, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil || len(inputs) == 0 {
		panic(fmt.Sprint("no golden cases: ", err))
	}
	for _, input := range inputs {
		name := strings.TrimSuffix(filepath.Base(input), ".in.yaml")
		It("makes of "+name+" what its golden file says", func() {
			s, whole := readCase(input)
			outcome := tenant.Settle(s)

			checkContract(outcome)
			checkIdempotence(s, outcome)
			judged := s.Partner.DeepCopy()
			judged.Status = outcome.Status
			Expect(kstatus.Check(judged, judged.Status.Conditions)).To(Succeed())

			golden.ExpectOutcome(input, render(outcome, whole))
		})
	}

	It("has no second thoughts, whichever object is missing or about to go", func() {
		for _, input := range inputs {
			whole := readSnapshot(input)
			for i := range whole.Children {
				for _, going := range []bool{false, true} {
					s := readSnapshot(input)
					child := s.Children[i].DeepCopyObject().(kinds.Object)
					if s.Children[i] = child; going {
						child.SetDeletionTimestamp(&metav1.Time{Time: s.Now})
						child.SetFinalizers([]string{"example.com/keep"})
					} else {
						s.Remove(child)
					}
					By(input + ": " + kinds.Describe(child))
					checkIdempotence(s, tenant.Settle(s))
				}
			}
		}
	})

	It("shows few outcomes whole, so that a label of every object is in few files", func() {
		shown := 0
		for _, input := range inputs {
			if _, whole := readCase(input); whole {
				shown++
			}
		}
		Expect(shown).To(And(BeNumerically(">", 10), BeNumerically("<", 20)))
	})

	It("has an input for every golden outcome", func() {
		outputs, err := filepath.Glob("testdata/*.out.yaml")
		Expect(err).NotTo(HaveOccurred())
		for _, output := range outputs { // a new case has none before it is generated
			Expect(inputs).To(ContainElement(strings.TrimSuffix(output, ".out.yaml") + ".in.yaml"))
		}
	})
})

func readSnapshot(path string) snapshot.Snapshot {
	GinkgoHelper()
	s, _ := readCase(path)
	return s
}

// readCase reads a case, and whether its outcome is shown whole.
func readCase(path string) (s snapshot.Snapshot, whole bool) {
	GinkgoHelper()
	file, err := os.Open(path)
	Expect(err).NotTo(HaveOccurred())
	defer file.Close()
	s = snapshot.Snapshot{Settings: goldenSettings(), Now: goldenNow}
	var others []*unstructured.Unstructured
	documents := utilyaml.NewYAMLReader(bufio.NewReader(file))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		Expect(err).NotTo(HaveOccurred())
		var object unstructured.Unstructured
		Expect(yaml.Unmarshal(document, &object.Object)).To(Succeed())
		switch object.GetKind() {
		case "":
			continue // comments only
		case "Case":
			whole = applyCase(&s, document)
		case "Partner":
			Expect(s.Partner).To(BeNil(), "a case is about one Partner")
			s.Partner = decode(document, &v1alpha1.Partner{})
			if s.Partner.UID == "" {
				s.Partner.UID = "11111111-1111-1111-1111-111111111111"
			}
			if s.Partner.Generation == 0 {
				s.Partner.Generation = 1
			}
		case "PCSMAllocation":
			s.Allocations = append(s.Allocations, *decode(document, &v1alpha1.PCSMAllocation{}))
		default:
			others = append(others, &object)
		}
	}
	Expect(s.Partner).NotTo(BeNil(), "a case has a Partner")
	for _, object := range others {
		place(&s, object)
	}
	var hosts []string
	if s.Partner.Spec.Subdomain != nil {
		hosts = append(hosts, string(s.Partner.Spec.Subdomain.Host))
	}
	if handOver := s.Partner.Spec.HandOver; handOver != nil {
		hosts = append(hosts, string(handOver.Host))
	}
	for _, child := range s.Children {
		if _, claim := child.(*v1alpha1.SubdomainClaim); claim {
			hosts = append(hosts, child.GetName())
		}
	}
	s.Children = slices.DeleteFunc(s.Children, func(child kinds.Object) bool {
		return !kinds.Owned(child, s.Partner.Name, hosts)
	})
	return s, whole
}

func applyCase(s *snapshot.Snapshot, document []byte) (whole bool) {
	GinkgoHelper()
	given := goldenCase{Settings: &s.Settings}
	Expect(yaml.Unmarshal(document, &given)).To(Succeed())
	Expect(given.Description).NotTo(BeEmpty())
	s.Noted, s.Order = given.Noted, given.Order
	s.APIs, s.Rivals = given.APIs, given.Rivals
	s.Target = given.Target
	if given.Source != nil {
		s.Holder, s.Sources = given.Source, []string{given.Source.Name}
	}
	if given.Now != nil {
		s.Now = given.Now.Time
	}
	s.Wanted = sets.New(given.Wanted...)
	for _, failure := range given.Failures {
		object := &unstructured.Unstructured{}
		object.SetAPIVersion(failure.APIVersion)
		object.SetKind(failure.Kind)
		object.SetNamespace(failure.Namespace)
		object.SetName(failure.Name)
		s.Failures = append(s.Failures, snapshot.Failure{
			Object: object, Delete: failure.Delete, Refused: failure.Refused, Message: failure.Message,
		})
	}
	return given.Whole
}

// place puts an object where the controller would find it.
func place(s *snapshot.Snapshot, object *unstructured.Unstructured) {
	GinkgoHelper()
	partner := s.Partner
	typed := typedOf(object)
	switch typed := typed.(type) {
	case *v1alpha1.SupportPlan:
		if typed.Name == contract.PlanName(partner) {
			s.Plan = typed
		}
		return
	case *corev1.Namespace:
		Expect(typed.Name).To(Equal(objects.NamespaceOf(partner)))
		s.Namespace = typed
		return
	case *gatewayv1.GatewayClass:
		s.GatewayClasses = append(s.GatewayClasses, *typed)
		return
	case *gatewayv1.Gateway:
		s.Gateways = append(s.Gateways, *typed)
		return
	case *networkingv1.IngressClass:
		s.IngressClasses = append(s.IngressClasses, *typed)
		return
	case *v1alpha1.SubdomainClaim:
		if partner.Spec.Subdomain != nil && typed.Name == string(partner.Spec.Subdomain.Host) {
			s.Claim = typed
		}
		if partner.Spec.HandOver != nil && partner.Spec.HandOver.Host == v1alpha1.Host(typed.Name) {
			s.Handed = typed
			if string(typed.Spec.PartnerRef.Name) != partner.Name {
				return
			}
		}
		if holder := string(typed.Spec.PartnerRef.Name); holder != partner.Name {
			if s.Sources != nil {
				return
			}
			// Of the holder, a case says no more than whether it still declares the host.
			if !strings.HasPrefix(holder, "gone-") {
				s.Holder = &v1alpha1.Partner{Spec: v1alpha1.PartnerSpec{Subdomain: &v1alpha1.Subdomain{Host: v1alpha1.Host(typed.Name)}}}
			}
			return
		}
	}
	if object.GetLabels()[v1alpha1.PartnerLabel] == partner.Name {
		s.Children = append(s.Children, typed)
		return
	}
	subdomain := partner.Spec.Subdomain
	if routed := kinds.Hosts(typed); len(routed) > 0 {
		if object.GetNamespace() == objects.NamespaceOf(partner) {
			s.Children = append(s.Children, typed) // if its name is one of the operator's
		}
		for _, host := range routed {
			s.Routes = append(s.Routes, snapshot.RouteRef{
				Host: host, Kind: object.GetKind(), Namespace: object.GetNamespace(), Name: object.GetName(), Partner: strings.TrimPrefix(object.GetNamespace(), "partner-"), Created: object.GetCreationTimestamp(),
				Own: object.GetName() == host, // a case does not mark each of them
			})
		}
		return
	}
	switch object.GetKind() {
	case "CertificateRequest":
		s.CertificateRequest = object
	case "Service":
		s.BackendFound = object.GetName() == subdomain.Backend.Service.Name
		for _, port := range typed.(*corev1.Service).Spec.Ports {
			s.BackendPorts = append(s.BackendPorts, port.Port)
		}
	case "ConfigMap":
		s.BackendCA = &snapshot.CAObject{Found: object.GetName() != "missing", PEM: []byte(typed.(*corev1.ConfigMap).Data[objects.CAKey])}
	case "Secret":
		if subdomain.Backend.TLS != nil {
			s.BackendCA = &snapshot.CAObject{Found: true, PEM: typed.(*corev1.Secret).Data[objects.CAKey]}
			return
		}
		s.SecretFound = object.GetName() == subdomain.TLS.SecretName
	default:
		Fail("nothing to do with a " + object.GetKind() + " that has no label of the partner")
	}
}

var served = scheme.New()

// typedOf returns the object as the cache holds it.
func typedOf(object *unstructured.Unstructured) kinds.Object {
	GinkgoHelper()
	typed, err := served.New(object.GroupVersionKind())
	if runtime.IsNotRegisteredError(err) {
		return object
	}
	Expect(err).NotTo(HaveOccurred())
	data, err := json.Marshal(object)
	Expect(err).NotTo(HaveOccurred())
	return decode(data, typed.(kinds.Object))
}

func decode[T any](document []byte, into T) T {
	GinkgoHelper()
	Expect(yaml.UnmarshalStrict(document, into)).To(Succeed())
	return into
}

// render shows an outcome: its status and Events with one line for each entry of a list, and
// its objects by one line each, or in full.
func render(outcome tenant.Outcome, whole bool) []byte {
	GinkgoHelper()
	summary := goldenOutcome{Status: outcome.Status, Events: outcome.Events}
	for _, object := range outcome.Prune {
		summary.Prune = append(summary.Prune, object.GetObjectKind().GroupVersionKind().Kind+" "+object.GetName())
	}
	if !outcome.RequeueAt.IsZero() {
		summary.RequeueAt = &metav1.Time{Time: outcome.RequeueAt}
	}
	documents := []any{&summary}
	for _, object := range outcome.Objects {
		fields, err := apply.Fields(object)
		Expect(err).NotTo(HaveOccurred())
		unstructured.RemoveNestedField(fields, "metadata", "annotations", v1alpha1.AppliedAnnotation)
		unstructured.RemoveNestedField(fields, "metadata", "annotations", v1alpha1.DefaultsAnnotation) // see package objects
		if annotations, _, _ := unstructured.NestedMap(fields, "metadata", "annotations"); len(annotations) == 0 {
			unstructured.RemoveNestedField(fields, "metadata", "annotations")
		}
		if whole {
			documents = append(documents, fields)
		} else {
			summary.Objects = append(summary.Objects, lineOf(fields))
		}
	}
	var out bytes.Buffer
	for i, document := range documents {
		if i > 0 {
			out.WriteString("---\n")
		}
		data, err := yaml.Marshal(document)
		Expect(err).NotTo(HaveOccurred())
		if document == any(&summary) {
			data = inLines(data)
		}
		out.Write(data)
	}
	return out.Bytes()
}

// told are the fields of an object that its line has, by its kind: those by which cases differ.
var told = map[string][]string{
	"Namespace":      {"metadata.annotations", "metadata.ownerReferences"},
	"Service":        {"spec.externalName", "spec.ports"},
	"Ingress":        {"metadata.annotations", "spec.ingressClassName", "spec.tls"},
	"HTTPRoute":      {"metadata.annotations", "spec.parentRefs"},
	"ListenerSet":    {"metadata.annotations", "spec.parentRef", "spec.listeners"},
	"Certificate":    {"spec.issuerRef", "spec.secretName"},
	"SubdomainClaim": {"metadata.annotations", "spec"},
	"RoleBinding":    {"subjects"},
	"ResourceQuota":  {"spec"},
}

// lineOf is an object in one line.
func lineOf(fields map[string]any) string {
	GinkgoHelper()
	object := unstructured.Unstructured{Object: fields}
	line := kinds.Describe(&object)
	for _, path := range told[object.GetKind()] {
		value, found, err := unstructured.NestedFieldNoCopy(fields, strings.Split(path, ".")...)
		Expect(err).NotTo(HaveOccurred())
		if !found {
			continue
		}
		data, err := json.Marshal(value)
		Expect(err).NotTo(HaveOccurred())
		line += " " + path[strings.LastIndex(path, ".")+1:] + "=" + strings.ReplaceAll(string(data), `"`, "")
	}
	return line
}

// inLines has the mappings within lists of a document stand in one line each, with what tells
// them apart in front.
func inLines(document []byte) []byte {
	GinkgoHelper()
	var root goyaml.Node
	Expect(goyaml.Unmarshal(document, &root)).To(Succeed())
	var walk func(node *goyaml.Node)
	walk = func(node *goyaml.Node) {
		for _, inner := range node.Content {
			if node.Kind == goyaml.SequenceNode && inner.Kind == goyaml.MappingNode {
				inner.Style = goyaml.FlowStyle
				pairs := slices.Collect(slices.Chunk(inner.Content, 2))
				slices.SortStableFunc(pairs, func(a, b []*goyaml.Node) int { return rank(a[0].Value) - rank(b[0].Value) })
				inner.Content = slices.Concat(pairs...)
			}
			walk(inner)
		}
	}
	walk(&root)
	var out bytes.Buffer
	encoder := goyaml.NewEncoder(&out)
	encoder.SetIndent(2)
	Expect(encoder.Encode(&root)).To(Succeed())
	return out.Bytes()
}

// rank is where a key stands in a line: a name first, a message last.
func rank(key string) int {
	first := []string{"host", "serviceType", "condition", "type", "status", "reason", "phase"}
	if at := slices.Index(first, key); at >= 0 {
		return at
	}
	if key == "message" {
		return len(first) + 1
	}
	return len(first)
}

// checkContract holds every support.json against its schema.
func checkContract(outcome tenant.Outcome) {
	GinkgoHelper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(contract.Schema))
	Expect(err).NotTo(HaveOccurred())
	compiler := jsonschema.NewCompiler()
	Expect(compiler.AddResource("support.schema.json", document)).To(Succeed())
	schema, err := compiler.Compile("support.schema.json")
	Expect(err).NotTo(HaveOccurred())
	for _, object := range outcome.Objects {
		contract, ok := object.(*corev1.ConfigMap)
		if !ok || contract.Name != kinds.ContractName {
			continue
		}
		instance, err := jsonschema.UnmarshalJSON(strings.NewReader(contract.Data[kinds.ContractKey]))
		Expect(err).NotTo(HaveOccurred())
		Expect(schema.Validate(instance)).To(Succeed())
	}
}

// checkIdempotence evaluates the outcome's own status and objects again: there
// must be nothing to change, and nothing to tell.
func checkIdempotence(s snapshot.Snapshot, outcome tenant.Outcome) {
	GinkgoHelper()
	s.Partner = s.Partner.DeepCopy()
	others := slices.DeleteFunc(s.Partner.Status.Conditions, func(c metav1.Condition) bool {
		return slices.Contains(v1alpha1.PartnerConditions, v1alpha1.ConditionType(c.Type))
	})
	s.Partner.Status = outcome.Status
	s.Partner.Status.Conditions = slices.Concat(outcome.Status.Conditions, others)
	s.Now = s.Now.Add(time.Second)
	again := tenant.Settle(s)
	for i, host := range again.Status.Hosts {
		if first := outcome.Status.Hosts[i]; host.Until != nil && first.Until != nil { // all is written a second later
			Expect(host.Until.Time).To(BeTemporally("~", first.Until.Time, time.Second))
			again.Status.Hosts[i].Until = first.Until
		}
	}
	Expect(again.Status).To(Equal(outcome.Status))
	names := sets.New[v1alpha1.Host]()
	for _, host := range again.Status.Hosts {
		Expect(names.Has(host.Host)).To(BeFalse(), "a host is listed once")
		names.Insert(host.Host)
	}
	Expect(again.Events).To(BeEmpty())
}
