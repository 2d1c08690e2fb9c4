package tenant

import "strings"

// AnnotationRefused says why an annotation cannot be on every route of the operator,
// and what to write in its place; empty if it can. The rules are those that the
// CustomResourceDefinition has for a Partner's own annotations.
func AnnotationRefused(key string) string {
	ends := func(suffixes ...string) bool {
		for _, suffix := range suffixes {
			if strings.HasSuffix(key, suffix) {
				return true
			}
		}
		return false
	}
	switch {
	case strings.HasPrefix(key, "partner.dispel.com/"):
		return "annotations under partner.dispel.com/ belong to the operator: remove it"
	case key == "kubernetes.io/ingress.class":
		return "it contradicts or repeats a setting: write the class in --ingress-class"
	case strings.HasPrefix(key, "cert-manager.io/"), strings.HasPrefix(key, "acme.cert-manager.io/"), key == "kubernetes.io/tls-acme",
		ends("/ssl-passthrough", "/router.tls.certresolver"), strings.Contains(key, "/router.tls.domains"):
		return "it contradicts or repeats a setting: write the issuer in --default-issuer"
	case ends("/server-alias", "/server-alias-regex", "/host-aliases", "/from-to-www-redirect", "/redirect-from", "/redirect-from-regex"),
		strings.HasPrefix(key, "external-dns.") && ends("hostname", "-hostname-source"):
		return "it gives routes other hosts than the Partners': remove it"
	case ends("/permanent-redirect", "/temporal-redirect", "/redirect-to", "/request-redirect"), strings.Contains(key, "ingress.kubernetes.io/canary"):
		return "it leads requests elsewhere than to the Partners' backends: remove it"
	}
	return ""
}
