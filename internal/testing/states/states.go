// Package states has objects in every state that the operator's golden files show,
// for whatever judges health by a status.
package states

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

// State is an object in a state, which has a name.
type State struct {
	Name   string
	Object *unstructured.Unstructured
}

// Settled are objects whose status is about their newest spec.
func Settled() []State {
	GinkgoHelper()
	all := append(golden("tenant", "Partner"), golden("support", "SupportPlan")...)
	all = append(all, allocations()...)
	return append(all, State{"SubdomainClaim", object("SubdomainClaim", nil)})
}

// All are the settled ones, and each of them before its newest spec was looked at,
// before anything was, and while it is deleted.
func All() []State {
	GinkgoHelper()
	all := Settled()
	for _, settled := range all {
		deleted := settled.Object.DeepCopy()
		deleted.SetDeletionTimestamp(&metav1.Time{Time: time.Unix(0, 0)})
		all = append(all, State{settled.Name + ", while it is deleted", deleted})
		if settled.Object.Object["status"] == nil {
			continue
		}
		edited := settled.Object.DeepCopy()
		edited.SetGeneration(edited.GetGeneration() + 1)
		fresh := settled.Object.DeepCopy()
		delete(fresh.Object, "status")
		all = append(all, State{settled.Name + ", with a newer spec", edited}, State{settled.Name + ", when it is new", fresh})
	}
	return all
}

// golden are the statuses in the golden files of a package.
func golden(pkg, kind string) []State {
	GinkgoHelper()
	files, err := filepath.Glob(filepath.Join(cluster.Root(), "internal", pkg, "testdata", "*.out.yaml"))
	Expect(err).NotTo(HaveOccurred())
	Expect(files).NotTo(BeEmpty())
	var found []State
	for _, file := range files {
		data, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		var outcome struct {
			Status map[string]any `json:"status"`
		}
		data, err = yaml.YAMLToJSON(data)
		Expect(err).NotTo(HaveOccurred())
		Expect(json.NewDecoder(bytes.NewReader(data)).Decode(&outcome)).To(Succeed())
		if len(outcome.Status) > 0 {
			found = append(found, State{kind + " " + strings.TrimSuffix(filepath.Base(file), ".out.yaml"), object(kind, outcome.Status)})
		}
	}
	return found
}

// allocations are a PCSMAllocation in each of its states.
func allocations() []State {
	GinkgoHelper()
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	oem := &v1alpha1.Partner{Spec: v1alpha1.PartnerSpec{ChannelModel: v1alpha1.OEM}}
	reseller := &v1alpha1.Partner{Spec: v1alpha1.PartnerSpec{ChannelModel: v1alpha1.Reseller}}
	var found []State
	for _, in := range []struct {
		name    string
		spec    v1alpha1.PCSMAllocationSpec
		partner *v1alpha1.Partner
	}{
		{"counted", v1alpha1.PCSMAllocationSpec{}, oem},
		{"not yet valid", v1alpha1.PCSMAllocationSpec{ValidFrom: "2027-01-01"}, oem},
		{"expired", v1alpha1.PCSMAllocationSpec{ValidUntil: "2026-01-01"}, oem},
		{"without a partner", v1alpha1.PCSMAllocationSpec{}, nil},
		{"of a reseller", v1alpha1.PCSMAllocationSpec{}, reseller},
		{"in an unknown time zone", v1alpha1.PCSMAllocationSpec{Localization: &v1alpha1.Localization{TimeZone: "Mars/Base"}}, oem},
	} {
		status, _, _ := staffing.Status(&v1alpha1.PCSMAllocation{ObjectMeta: metav1.ObjectMeta{Generation: 1}, Spec: in.spec}, in.partner, now)
		data, err := json.Marshal(status)
		Expect(err).NotTo(HaveOccurred())
		var fields map[string]any
		Expect(json.Unmarshal(data, &fields)).To(Succeed())
		found = append(found, State{"PCSMAllocation " + in.name, object("PCSMAllocation", fields)})
	}
	return found
}

// object is an object with a status that is about its newest spec.
func object(kind string, status map[string]any) *unstructured.Unstructured {
	GinkgoHelper()
	fields := map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": kind,
		"metadata": map[string]any{"name": "acme", "generation": 1},
		"spec":     map[string]any{},
	}
	if status != nil {
		fields["status"] = status
		if observed, ok := status["observedGeneration"]; ok {
			fields["metadata"].(map[string]any)["generation"] = observed
		}
	}
	data, err := json.Marshal(fields)
	Expect(err).NotTo(HaveOccurred())
	made := &unstructured.Unstructured{}
	Expect(utiljson.Unmarshal(data, &made.Object)).To(Succeed()) // integers as int64
	return made
}
