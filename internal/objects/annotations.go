package objects

import (
	"regexp"
	"slices"
	"strings"
)

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

// SettingAnnotations are settings of controllers by which a route takes no further hosts,
// if their values are plain. One that ends with * stands for all that begin so. The policy
// in config/admission/host-guard.yaml has the same.
var SettingAnnotations = []string{
	"external-dns.kubernetes.io/ttl", "external-dns.alpha.kubernetes.io/ttl", "kubernetes.io/ingress.class",
	"nginx.ingress.kubernetes.io/backend-protocol", "nginx.ingress.kubernetes.io/force-ssl-redirect",
	"nginx.ingress.kubernetes.io/limit-connections", "nginx.ingress.kubernetes.io/limit-rps",
	"nginx.ingress.kubernetes.io/proxy-body-size", "nginx.ingress.kubernetes.io/proxy-buffer-size",
	"nginx.ingress.kubernetes.io/proxy-connect-timeout", "nginx.ingress.kubernetes.io/proxy-read-timeout",
	"nginx.ingress.kubernetes.io/proxy-send-timeout", "nginx.ingress.kubernetes.io/ssl-redirect",
	"nginx.ingress.kubernetes.io/whitelist-source-range",
	"traefik.ingress.kubernetes.io/router.entrypoints", "traefik.ingress.kubernetes.io/router.tls",
	"haproxy.org/ssl-redirect", "haproxy.org/timeout-*", "haproxy-ingress.github.io/ssl-redirect", "haproxy-ingress.github.io/timeout-*",
	"konghq.com/preserve-host", "konghq.com/protocols", "konghq.com/strip-path",
}

var plainValue = regexp.MustCompile(`^[-A-Za-z0-9 .,:/_]*$`)

// AnnotationPlain reports whether the admission policies let a tenant have a setting of a
// controller on its route: one that is known to be harmless, with a value that a controller
// can copy into its configuration as it is.
func AnnotationPlain(key, value string) bool {
	return plainValue.MatchString(value) && slices.ContainsFunc(SettingAnnotations, func(known string) bool {
		prefix, all := strings.CutSuffix(known, "*")
		return key == known || all && strings.HasPrefix(key, prefix)
	})
}
