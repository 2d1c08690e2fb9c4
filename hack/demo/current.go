package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"

	"github.com/dispel/partner-operator/internal/controlplane"
)

// managed selects what the operator made.
const managed = "--selector=app.kubernetes.io/managed-by=partner-operator"

// currentClass is the IngressClass of the demo on a current cluster. It is no default
// one, so that nobody else's Ingress takes it.
const (
	currentClass  = "partner-operator-demo"
	classManifest = `{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: ` + currentClass + `}, spec: {controller: partner.dispel.com/demo}}`
)

// cleanUp removes by hand what a demo left behind that was killed.
const cleanUp = "kubectl delete --ignore-not-found --kustomize config/crd && kubectl delete namespaces " + managed +
	" && kubectl delete --ignore-not-found ingressclass " + currentClass

// useCurrent makes the cluster of the current kubeconfig the demo's, after asking.
// It refuses one where partner-operator is, so that all that is removed at the end is
// what the demo made.
func (d *Demo) useCurrent(ctx context.Context) (err error) {
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		return errors.New("CLUSTER=current needs kubectl, which is not on the PATH: install it, or leave CLUSTER out for the embedded control plane")
	}
	// A copy, so that the demo stays with this cluster whatever context is chosen meanwhile.
	kubeconfig, err := exec.CommandContext(ctx, kubectl, "config", "view", "--minify", "--flatten", "--raw", "--output=json").Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			err = errors.New(strings.TrimSpace(string(exit.Stderr)))
		}
		return fmt.Errorf("reading the current context: %w: choose one with `kubectl config use-context`, or leave CLUSTER out for the embedded control plane", err)
	}
	var config struct {
		Context  string `json:"current-context"`
		Clusters []struct {
			Cluster struct{ Server string }
		}
	}
	if err = json.Unmarshal(kubeconfig, &config); err != nil {
		return fmt.Errorf("reading the current context: %w", err)
	}
	if len(config.Clusters) != 1 {
		return fmt.Errorf("context %q names no cluster", config.Context)
	}
	if d.cluster, err = controlplane.Beside(kubeconfig, kubectl); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.cluster.Stop())
		}
	}()
	if err := d.unoccupied(ctx, config.Context); err != nil {
		return err
	}
	if err := d.Confirm(ctx, fmt.Sprintf("The demo creates CustomResourceDefinitions, an IngressClass, sample partners and their namespaces in the cluster of context %q,\n"+
		"at %s, runs the operator there from this machine, and removes everything at the end.", config.Context, config.Clusters[0].Cluster.Server), config.Context); err != nil {
		return err
	}
	// The answer may have taken a while.
	return d.unoccupied(ctx, config.Context)
}

// unoccupied returns an error if the cluster has anything that the demo would change.
func (d *Demo) unoccupied(ctx context.Context, name string) error {
	crds, err := d.kubectl(ctx, "get", "customresourcedefinitions", "--output=name")
	if err != nil {
		return err
	}
	namespaces, err := d.kubectl(ctx, "get", "namespaces", "--output=name")
	if err != nil {
		return err
	}
	if strings.Contains(crds, ".partner.dispel.com\n") || strings.Contains(namespaces, "namespace/partner-") {
		return fmt.Errorf("the cluster of context %q has partner-operator or namespaces of partners already, which the demo would change: "+
			"choose another context, or unset CLUSTER for the embedded control plane. Nothing was changed. If a demo that was killed left them behind, remove them with:\n  %s", name, cleanUp)
	}
	return nil
}

// withoutClasses leaves the IngressClasses of the samples out.
func withoutClasses(objects string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(objects, "\n---\n"), func(document string) bool {
		return strings.Contains(document, "\nkind: IngressClass\n")
	}), "\n---\n")
}

// removePartners deletes the samples while the operator runs, which ends what they had.
func (d *Demo) removePartners(ctx context.Context) error {
	d.say("Removing the samples")
	_, err := d.kubectl(ctx, "delete", "partners,pcsmallocations,supportplans", "--all", "--timeout=60s")
	return err
}

// removeAll removes the rest of what the demo made.
func (d *Demo) removeAll(ctx context.Context) error {
	var errs []error
	for _, args := range [][]string{
		{"delete", "namespaces", managed, "--timeout=120s"},
		{"delete", "--kustomize=config/crd", "--ignore-not-found", "--timeout=60s"},
		{"delete", "ingressclass", currentClass, "--ignore-not-found"},
	} {
		_, err := d.kubectl(ctx, args...)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("removing what the demo created: %w\nRemove the rest with:\n  %s", err, cleanUp)
	}
	d.say("Removed everything that the demo created")
	return nil
}

// ask returns a function that goes on only if its reader types the name of the context.
// An answer that is given beforehand is not asked for.
func ask(in io.Reader, out io.Writer, given string) func(ctx context.Context, question, name string) error {
	return func(ctx context.Context, question, name string) error {
		fmt.Fprintln(out, question)
		answer := given
		if answer == "" {
			fmt.Fprintf(out, "Type the name of the context to continue: ")
			lines := make(chan string, 1)
			go func() {
				line, _ := bufio.NewReader(in).ReadString('\n') // without a line, nothing was typed
				lines <- strings.TrimSpace(line)
			}()
			select {
			case <-ctx.Done():
				return ctx.Err()
			case answer = <-lines:
			}
		}
		if answer != name {
			return fmt.Errorf("the answer is %q, not %q: nothing was changed", answer, name)
		}
		return nil
	}
}
