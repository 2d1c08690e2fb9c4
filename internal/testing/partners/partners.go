// Package partners makes Partners by the thousand, all with everything that a
// Partner can have on a cluster without cert-manager and the Gateway API.
package partners

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
)

// IngressClass is the cluster's default class, which serves all of them.
func IngressClass() *networkingv1.IngressClass {
	return &networkingv1.IngressClass{
		ObjectMeta: metav1.ObjectMeta{Name: "traefik", Annotations: map[string]string{networkingv1.AnnotationIsDefaultIngressClass: "true"}},
		Spec:       networkingv1.IngressClassSpec{Controller: "traefik.io/ingress-controller"},
	}
}

// Name is that of one of many partners.
func Name(prefix string, i int) string { return fmt.Sprintf("%s-%05d", prefix, i) }

// Host is the host of a partner that shares it with nobody.
func Host(partner string) string { return partner + ".example.com" }

// CustomerCount is how many customers each has.
const CustomerCount = 28

// New is an OEM on the plan premium, like the sample acme.
func New(name, host string) *v1alpha1.Partner {
	return &v1alpha1.Partner{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.PartnerSpec{
			DisplayName:    "Partner " + name,
			ChannelModel:   v1alpha1.OEM,
			CustomerCount:  ptr.To[int32](CustomerCount),
			SupportPlanRef: &v1alpha1.SupportPlanReference{Name: "premium"},
			Subdomain: &v1alpha1.Subdomain{
				Host:    v1alpha1.Host(host),
				Backend: v1alpha1.Backend{External: &v1alpha1.ExternalBackend{Host: "engine.example.net", Port: 8080}},
			},
			Tenant: &v1alpha1.Tenant{
				Administrators: []v1alpha1.Administrator{{Kind: v1alpha1.GroupSubject, Name: name + "-admins"}},
				ResourceQuota:  corev1.ResourceList{corev1.ResourcePods: resource.MustParse("50")},
			},
		},
	}
}

// Children are the objects that the operator makes for a partner on such a cluster,
// but for the namespace, as empty ones to read into.
func Children(partner string) []client.Object {
	var children []client.Object
	for _, kind := range kinds.All {
		if !kind.Made || kind.API != "" {
			continue
		}
		names := kind.Names
		if len(names) == 0 {
			names = []string{Host(partner)}
		}
		for _, name := range names {
			child := kind.New()
			child.SetName(name)
			if kind.Relation != kinds.ByHolder { // claims are in no namespace
				child.SetNamespace(objects.DefaultNamespace(partner))
			}
			children = append(children, child)
		}
	}
	return children
}

// Allocations are two P-CSM allocations for a partner, in two time zones, each of
// an amount that supports its customers.
func Allocations(partner string) []*v1alpha1.PCSMAllocation {
	var allocations []*v1alpha1.PCSMAllocation
	for _, in := range []struct {
		region string
		zone   v1alpha1.TimeZone
	}{{"americas", "America/New_York"}, {"emea", "Europe/Berlin"}} {
		allocations = append(allocations, &v1alpha1.PCSMAllocation{
			ObjectMeta: metav1.ObjectMeta{Name: partner + "-" + in.region},
			Spec: v1alpha1.PCSMAllocationSpec{
				PartnerRef:   v1alpha1.PartnerReference{Name: v1alpha1.PartnerName(partner)},
				FTE:          3 * v1alpha1.OneFTE / 2,
				Localization: &v1alpha1.Localization{TimeZone: in.zone, Languages: []v1alpha1.Language{"en"}},
			},
		})
	}
	return allocations
}

// InShifts are such allocations with two shifts and an absence each.
func InShifts(partner string) []*v1alpha1.PCSMAllocation {
	week := []v1alpha1.DayOfWeek{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"}
	allocations := Allocations(partner)
	for i, allocation := range allocations {
		allocation.Spec.Shifts = []v1alpha1.Shift{
			{Days: week, Start: "08:00", End: "16:00", FTE: v1alpha1.OneFTE},
			{Days: week[:4], Start: "16:00", End: "21:00", FTE: v1alpha1.HalfFTE},
		}
		from := time.Now().AddDate(0, 0, 10*(i+1))
		allocation.Spec.Absences = []v1alpha1.Absence{{From: v1alpha1.Date(from.Format(time.DateOnly)), Until: v1alpha1.Date(from.AddDate(0, 0, 6).Format(time.DateOnly))}}
	}
	return allocations
}

// ByDay are operating hours with a break, a short Friday and holidays.
func ByDay() *v1alpha1.OperatingHours {
	week := []v1alpha1.DayOfWeek{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"}
	return &v1alpha1.OperatingHours{TimeZone: "Europe/Berlin", Holidays: "DE", Windows: []v1alpha1.HoursWindow{
		{Days: week, Opens: "08:00", Closes: "12:00"}, {Days: week[:4], Opens: "13:00", Closes: "18:00"},
	}}
}
