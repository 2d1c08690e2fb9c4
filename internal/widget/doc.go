// Package widget decides what the support widget shows on a sub-domain. End
// customers of a partner open it to talk to Dispel's P-CSMs ("Customer Success
// Manager (P-CSM)", How customers interact with P-CSMs). Like the rest of the core
// it imports no client.
package widget
