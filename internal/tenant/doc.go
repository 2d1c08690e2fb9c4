// Package tenant decides what one Partner becomes.
//
// Evaluate turns a Snapshot (the Partner, its plan, its allocations, what is
// there already, what the cluster can do, the time) into an Outcome: the objects
// to have, those to remove, the status, the events, and when to look again. It
// reads nothing, writes nothing and has no memory, so that the controller, the
// command line and the tests reach the same conclusion.
//
// What can only be wanted once something else is there (a route once the host is
// held) is wanted by the next Evaluate, on a Snapshot that has it: evaluate,
// apply and observe until nothing is left to apply.
//
//	Partner --> Namespace ---> NetworkPolicy, RoleBinding, ResourceQuota   guards
//	        |              `-> ConfigMap dispel-support                    the contract
//	        `-> SubdomainClaim (named by the host)
//	              `-> Certificate, Service dispel-engine (external backend),
//	                  Service dispel-support-widget (with P-CSMs), Ingress
//
// The claim and what hangs on it, and the contract, are owned by the Partner, so
// that garbage collection closes the exposure of a deleted partner even while
// the operator is down. The namespace is owned only under deletionPolicy Delete,
// and the guards never are: they go with the namespace or stay with it.
package tenant
