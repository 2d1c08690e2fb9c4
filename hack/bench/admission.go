package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/scheme"
	"github.com/dispel/partner-operator/internal/testing/partners"
)

// admission is what the admission policies cost a tenant that writes an Ingress, among
// many tenants.
type admission struct {
	Partners int `json:"partners"`
	// Writes are how many Ingresses were created in each round, one after another.
	Writes int `json:"writes"`
	// Without and With have the median time of a creation, in milliseconds, in each
	// round, without the policies and with them.
	Without []float64 `json:"without"`
	With    []float64 `json:"with"`
}

// admission has a tenant's administrator create Ingresses, in turns without and with
// the policies.
func (g *ground) admission(ctx context.Context, rounds, n int) (a admission, err error) {
	a.Partners, a.Writes = n, 1000
	if err = each(ctx, n, func(ctx context.Context, i int) error {
		name := partnerName(i)
		return g.user.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: objects.DefaultNamespace(name), Labels: objects.Labels(name), Annotations: map[string]string{v1alpha1.HostsAnnotation: partners.Host(name)},
		}})
	}); err != nil {
		return a, err
	}
	if err = g.user.Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "tenants"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "tenant"}},
	}); err != nil {
		return a, err
	}
	config := g.cluster.Config()
	config.Impersonate = rest.ImpersonationConfig{UserName: "tenant", Groups: []string{"system:authenticated"}}
	administrator, err := client.New(config, client.Options{Scheme: scheme.New()})
	if err != nil {
		return a, err
	}
	policies, err := shippedPolicies()
	if err != nil {
		return a, err
	}
	for range rounds {
		without, err := createIngresses(ctx, administrator, a.Writes, n)
		if err != nil {
			return a, err
		}
		a.Without = append(a.Without, without)
		for _, policy := range policies {
			if err = g.user.Create(ctx, policy.DeepCopy()); err != nil {
				return a, err
			}
		}
		if err = refuses(ctx, administrator, true); err != nil {
			return a, err
		}
		with, err := createIngresses(ctx, administrator, a.Writes, n)
		if err != nil {
			return a, err
		}
		a.With = append(a.With, with)
		for _, policy := range policies {
			if err := g.user.Delete(ctx, policy.DeepCopy()); err != nil {
				return a, err
			}
		}
		if err := refuses(ctx, administrator, false); err != nil {
			return a, err
		}
	}
	return a, nil
}

// shippedPolicies are those of a default installation.
func shippedPolicies() ([]*unstructured.Unstructured, error) {
	files, err := filepath.Glob("config/admission/*-guard.yaml")
	if err != nil {
		return nil, err
	}
	var policies []*unstructured.Unstructured
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for document := range bytes.SplitSeq(data, []byte("\n---\n")) {
			policy := &unstructured.Unstructured{}
			if err := yaml.Unmarshal(document, &policy.Object); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			policies = append(policies, policy)
		}
	}
	return policies, nil
}

// ingress is one of a tenant's own, on its host.
func ingress(i int, host string) *networkingv1.Ingress {
	return &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Namespace: objects.DefaultNamespace(partnerName(i)), Name: "own", Annotations: map[string]string{
			"nginx.ingress.kubernetes.io/proxy-body-size": "8m", "external-dns.kubernetes.io/ttl": "60",
		}},
		Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: host}}},
	}
}

// createIngresses creates Ingresses, deletes them, and returns the median time of a
// creation in milliseconds.
func createIngresses(ctx context.Context, as client.Client, writes, among int) (float64, error) {
	times := make([]float64, 0, writes)
	for i := range writes {
		own := ingress(i*among/writes, partners.Host(partnerName(i*among/writes)))
		start := time.Now()
		if err := as.Create(ctx, own); err != nil {
			return 0, err
		}
		times = append(times, float64(time.Since(start).Microseconds())/1000)
		if err := as.Delete(ctx, own); err != nil {
			return 0, err
		}
	}
	slices.Sort(times)
	return quantile(times, 0.5), nil
}

// refuses waits until the API server heeds the policies, or no longer does.
func refuses(ctx context.Context, as client.Client, refused bool) error {
	return poll(ctx, 50*time.Millisecond, func() (bool, error) {
		err := as.Create(ctx, ingress(0, "victim.example.com"), client.DryRunAll)
		if err != nil && !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) {
			return false, err
		}
		return (err != nil) == refused, nil
	})
}
