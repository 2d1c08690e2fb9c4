// Package coverage judges in which of a plan's operating hours P-CSMs are on duty.
//
// Dispel's "Customer Success Manager (P-CSM)" asks for staffing that covers the hours,
// by people who work eight hours a day. Whether it does is known only where allocations
// declare shifts. All arithmetic is on whole minutes.
package coverage
