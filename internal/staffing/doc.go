// Package staffing sets a partner's P-CSMs against its customers.
//
// The rules are those of Dispel's "Customer Success Manager (P-CSM)": dedicated
// people come in half units, one FTE supports so many customers, and a tier
// asks for so many FTE in any case. All arithmetic is on integers.
package staffing
