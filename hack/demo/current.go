package main

import (
	"bufio"
	"cmp"
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
		return fmt.Errorf("there is no current context to run the demo on: choose one with `kubectl config use-context`, or leave CLUSTER out for the embedded control plane (%w)", err)
	}
	var config struct {
		Context  string `json:"current-context"`
		Clusters []struct {
			Cluster struct{ Server string }
		}
	}
	if err := json.Unmarshal(kubeconfig, &config); err != nil || len(config.Clusters) != 1 {
		return fmt.Errorf("the current context names no cluster: %w", cmp.Or(err, errors.New(string(kubeconfig))))
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
	return d.Confirm(fmt.Sprintf("The demo installs CustomResourceDefinitions and sample partners into the cluster of context %q,\n"+
		"at %s, runs the operator there from this machine, and removes all of it at the end.", config.Context, config.Clusters[0].Cluster.Server), config.Context)
}

// unoccupied returns an error if the cluster has anything that the demo would change.
func (d *Demo) unoccupied(ctx context.Context, name string) error {
	crds, err := d.kubectl(ctx, "get", "customresourcedefinitions", "--output=name")
	if err != nil {
		return err
	}
	namespaces, err := d.kubectl(ctx, "get", "namespaces", managed, "--output=name")
	if err != nil {
		return err
	}
	if strings.Contains(crds, ".partner.dispel.com\n") || namespaces != "" {
		return fmt.Errorf("the cluster of context %q has partner-operator already, or what is left of it, which the demo would change: "+
			"choose another context, or leave CLUSTER out for the embedded control plane. Nothing was changed", name)
	}
	classes, err := d.kubectl(ctx, "get", "ingressclasses", "--output=name")
	d.found = strings.Fields(classes)
	return err
}

// without leaves out what the cluster has already of objects in YAML.
func (d *Demo) without(objects string) string {
	documents := slices.DeleteFunc(strings.Split(objects, "\n---\n"), func(document string) bool {
		return slices.ContainsFunc(d.found, func(class string) bool {
			return strings.Contains(document, "\nkind: IngressClass\n") &&
				strings.Contains(document, "\n  name: "+strings.TrimPrefix(class, "ingressclass.networking.k8s.io/")+"\n")
		})
	})
	return strings.Join(documents, "\n---\n")
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
	} {
		_, err := d.kubectl(ctx, args...)
		errs = append(errs, err)
	}
	samples, err := d.kubectl(ctx, "kustomize", "config/samples")
	errs = append(errs, err)
	for document := range strings.SplitSeq(d.without(samples), "\n---\n") {
		if strings.Contains(document, "\nkind: IngressClass\n") {
			_, err := d.kubectlWith(ctx, document, "delete", "--ignore-not-found", "--filename=-")
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("removing what the demo made: %w", err)
	}
	d.say("All that the demo made is removed")
	return nil
}

// ask returns a function that goes on only if its reader types the name of the context.
// An answer that is given beforehand is not asked for.
func ask(in io.Reader, out io.Writer, given string) func(question, context string) error {
	return func(question, context string) error {
		fmt.Fprintln(out, question)
		answer := given
		if answer == "" {
			fmt.Fprintf(out, "Type the name of the context to go on: ")
			line, err := bufio.NewReader(in).ReadString('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			answer = strings.TrimSpace(line)
		}
		if answer != context {
			return fmt.Errorf("the answer is %q, not %q: nothing was changed", answer, context)
		}
		return nil
	}
}
