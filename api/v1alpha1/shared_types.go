package v1alpha1

import "time"

// Host is a fully qualified DNS name in lower case, without a trailing dot or a
// wildcard: "remote.acmecorp.com". It is also a valid name for an Ingress, a
// Certificate and a SubdomainClaim.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="self == self.lowerAscii()",messageExpression="'a host is written in lower case: write ' + self.lowerAscii()"
// +kubebuilder:validation:XValidation:rule="!self.contains('*')",message="a wildcard covers the hosts of other partners: write the one host, such as remote.acmecorp.com"
// +kubebuilder:validation:XValidation:rule="!isIP(self)",message="an IP address cannot be claimed or certified for a partner: write a DNS name, such as remote.acmecorp.com"
// +kubebuilder:validation:XValidation:rule="isIP(self) || self.contains('.')",message="a single label is no fully qualified name: write it with its domain, such as remote.acmecorp.com"
// +kubebuilder:validation:XValidation:rule="isIP(self) || self.contains('*') || !self.contains('.') || self.matches('(?i)^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?[.])+[a-z]([-a-z0-9]{0,61}[a-z0-9])?$')",message="this is no DNS name: write labels of letters, digits and inner hyphens, at most 63 characters each, joined by dots, the last one starting with a letter, without scheme, port, path or trailing dot, such as remote.acmecorp.com"
type Host string

// Date is a calendar date, YYYY-MM-DD, such as "2026-12-01".
//
// +kubebuilder:validation:Format=date
// +kubebuilder:validation:MinLength=10
// +kubebuilder:validation:MaxLength=10
type Date string

// Time returns the first instant of the day in a time zone. It fails only for a
// date that the schema rejects.
func (d Date) Time(zone *time.Location) (time.Time, error) {
	return time.ParseInLocation(time.DateOnly, string(d), zone)
}

// TimeZone is the IANA name of a time zone, such as "Europe/Berlin". The operator
// reports an unknown name in a condition.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
type TimeZone string

// ObjectName is the name of a Kubernetes object.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="this is no name that an object can have: write lower-case letters, digits, hyphens and dots, starting and ending with a letter or digit"
type ObjectName string

// PartnerName is the name of a Partner.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=55
// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="this is no name that a Partner can have: write at most 55 lower-case letters, digits and inner hyphens"
type PartnerName string

// PartnerReference references a Partner.
type PartnerReference struct {
	// name is the name of the Partner.
	// +required
	Name PartnerName `json:"name,omitempty"`
}
