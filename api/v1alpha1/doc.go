// Package v1alpha1 holds the kinds that describe Dispel's partner contracts to
// a cluster: Partner, SupportPlan, PCSMAllocation and SubdomainClaim.
//
// The kinds describe what was agreed. The operator provisions it and reports the result in the
// status. The operator does not write into specs that people declare, and the schemas have no
// defaults: the operator decides what an omitted field means and shows the result in the status.
// So applying a manifest from Git again changes nothing.
//
// +kubebuilder:object:generate=true
// +groupName=partner.dispel.com
package v1alpha1
