// Package snapshot holds what was observed of a Partner at one time: all that decisions
// about it are made from. Converge notes there what it wrote.
package snapshot
