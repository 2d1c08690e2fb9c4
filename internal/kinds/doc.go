// Package kinds is the registry of the kinds that a Partner becomes, or that the operator
// reads to judge what became of it: what objects of each are named, how they expose a host,
// which hosts and Gateways are in them, and whether one is the operator's own.
package kinds
