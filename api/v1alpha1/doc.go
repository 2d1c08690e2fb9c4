// Package v1alpha1 holds the kinds that describe Dispel's partner contracts to
// a cluster: Partner, SupportPlan, PCSMAllocation and SubdomainClaim.
//
// The kinds say what was agreed; the operator makes it so and reports in the
// status. Nothing is ever written into a spec, and the schemas carry no
// defaults: what a manifest leaves out is decided by the operator and shown in
// the status, so that a live object is always the manifest that Git holds.
//
// +kubebuilder:object:generate=true
// +groupName=partner.dispel.com
package v1alpha1
