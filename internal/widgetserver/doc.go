// Package widgetserver serves the support widget: a script, and for each
// sub-domain what the script shows there.
//
// Answers come from memory. The caches follow Partners, SupportPlans,
// PCSMAllocations and SubdomainClaims; an answer is made when a host is first
// asked for, and kept until an event or the date makes it old. Which partner a
// host belongs to is decided by the claim on it, as for the operator itself.
package widgetserver
