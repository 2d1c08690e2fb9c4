// Package gather reads what an evaluation decides from: the controllers gather from their
// caches, the plugin from the objects that it has read.
package gather
