// Package intake makes manifests of tenants that were set up by hand: a Partner for each,
// its allocations, a plan where none fits, and the annotation that hands its namespace
// over. It reads what people wrote in a table and what is in their namespaces, says what
// it could not read, and writes nothing itself.
package intake
