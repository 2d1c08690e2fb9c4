// Package objects says what each object of a Partner looks like. A Builder takes what is
// declared and the operator's settings, and returns full objects; Route is one that is there
// already, with what is noted on it.
package objects
