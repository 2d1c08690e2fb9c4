// Package probe walks the way that an end customer takes to a partner's sub-domain: name
// resolution, connection, certificate, HTTP, support widget. It names the first link that
// is broken. It talks to no cluster.
//
// Partners choose the hosts that it talks to. So it resolves a name once and connects to
// the addresses that it has checked, follows no redirect to another host, reads bodies up
// to a limit, and sends no credentials.
package probe
