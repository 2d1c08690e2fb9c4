// Package contract judges what is agreed with a partner, and whether the staff keeps it: the
// plan in force, operating hours, P-CSMs and their verdict, what is to come, the count of
// customers, and the window of the contract. Judge is the one place for that; everybody asks
// it. The package knows the API types and the time, and no object of a cluster.
package contract
