// Package support holds what a support plan promises: its tier's terms and what
// the plan puts in their place, the operating hours, and who is responsible for
// which work.
//
// The rules are those of Dispel's "Partner Support Enablement" and "Customer
// Success Manager (P-CSM)".
package support
