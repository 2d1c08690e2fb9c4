// Package plans has the SupportPlans that come with the operator.
package plans

import (
	"embed"
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

//go:embed basic.yaml premium.yaml mission-critical.yaml
var files embed.FS

// Shipped are the plans, from the files in this folder.
func Shipped() ([]*v1alpha1.SupportPlan, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var shipped []*v1alpha1.SupportPlan
	for _, entry := range entries {
		data, err := files.ReadFile(entry.Name())
		if err != nil {
			return nil, err
		}
		plan := &v1alpha1.SupportPlan{}
		if err := yaml.UnmarshalStrict(data, plan); err != nil {
			return nil, fmt.Errorf("%s: %w", entry.Name(), err)
		}
		shipped = append(shipped, plan)
	}
	return shipped, nil
}
