// Package hosts decides what happens to each host of a Partner: the declared one, former
// ones, and one that is handed over to another Partner.
//
// A host has a phase, and a plan of its own: the objects to write, those that stay as they
// are, what it waits for, and when to look again. An object that no plan has is deleted.
//
//	Claiming -> Preparing -> Serving -> Draining -> Releasing -> (gone)
//	Serving -> Offered -> HandingOver -> Draining     the target's host: Claiming takes the offer
//	Serving <-> Dormant                               while the contract is not in force
//	any -> Releasing                                  until nothing routes it
//
// Nothing here reads, writes or remembers: the phase follows from what is observed, so that
// an operator that is killed at any time goes on where it was.
package hosts
