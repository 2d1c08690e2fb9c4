package intake

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/preview"
)

// tenancy fills in the guards of the namespace: as they are, so that nothing that runs
// there notices.
func (r *reading) tenancy() {
	spec := v1alpha1.Tenant{}
	if r.partner.Spec.Tenant != nil {
		spec = *r.partner.Spec.Tenant
	}
	if r.there != nil {
		for _, service := range r.there.Services {
			if slices.Contains(kinds.ReservedNames, service.Name) {
				r.reserved("Service", service.Name)
			}
		}
		r.quota(&spec)
		r.administrators(&spec)
		r.isolation(&spec)
		if level := r.there.Labels["pod-security.kubernetes.io/enforce"]; level != "restricted" {
			r.remarks = append(r.remarks, remark{preview.Warning, fmt.Sprintf(
				"the operator enforces the pod security standard restricted; today it is %s. New Pods that violate it are refused. Check first: "+
					"kubectl label --dry-run=server --overwrite namespace NAME pod-security.kubernetes.io/enforce=restricted", cmp.Or(level, "none"))})
		}
	}
	for _, text := range splitAdministrators(r.row.values["administrators"]) {
		administrator, err := parseAdministrator(text)
		if err != nil {
			r.fail("column \"administrators\": %s", err)
			continue
		}
		if !slices.Contains(spec.Administrators, administrator) {
			spec.Administrators = append(spec.Administrators, administrator)
		}
	}
	if spec.Namespace != "" || len(spec.Administrators) > 0 || len(spec.ResourceQuota) > 0 || spec.NetworkIsolation != "" {
		r.partner.Spec.Tenant = &spec
	}
}

// reserved warns of an object that the operator makes something else of, by its name.
func (r *reading) reserved(kind, name string) {
	r.warn("%s %s has a name that is reserved for the operator, which overwrites or deletes it: if you need it, recreate it under another name first", kind, name)
}

func (r *reading) quota(spec *v1alpha1.Tenant) {
	for _, quota := range r.there.Quotas {
		switch scoped := len(quota.Spec.Scopes) > 0 || quota.Spec.ScopeSelector != nil; {
		case quota.Name == kinds.QuotaName && (scoped || len(r.there.Quotas) > 1):
			r.reserved("ResourceQuota", quota.Name)
		case scoped || len(r.there.Quotas) > 1:
			r.note("ResourceQuota %s is not imported, since spec.tenant.resourceQuota is one without scopes: it stays as it is", quota.Name)
		default:
			spec.ResourceQuota = quota.Spec.Hard
			if quota.Name != kinds.QuotaName {
				r.note("ResourceQuota %s stays beside the operator's own of the same limits: delete it once the Partner is Ready", quota.Name)
			}
		}
	}
}

func (r *reading) administrators(spec *v1alpha1.Tenant) {
	for _, binding := range r.there.RoleBindings {
		if binding.Name == kinds.AdministratorsName && (binding.RoleRef.Kind != "ClusterRole" || binding.RoleRef.Name != "admin") {
			r.reserved("RoleBinding", binding.Name)
			continue
		}
		if binding.RoleRef.Kind != "ClusterRole" || binding.RoleRef.Name != "admin" {
			r.note("RoleBinding %s to %s %s is not imported, and stays as it is", binding.Name, binding.RoleRef.Kind, binding.RoleRef.Name)
			continue
		}
		for _, subject := range binding.Subjects {
			if subject.Kind != rbacv1.ServiceAccountKind && strings.HasPrefix(subject.Name, "system:") {
				r.warn("%s %s of RoleBinding %s is not imported: groups and users of Kubernetes itself can be no administrators. The binding stays as it is", subject.Kind, subject.Name, binding.Name)
				continue
			}
			administrator := v1alpha1.Administrator{Kind: v1alpha1.SubjectKind(subject.Kind), Name: subject.Name}
			if subject.Kind == rbacv1.ServiceAccountKind {
				administrator.Namespace = subject.Namespace
			}
			if !slices.Contains(spec.Administrators, administrator) {
				spec.Administrators = append(spec.Administrators, administrator)
			}
		}
		if binding.Name != kinds.AdministratorsName {
			r.note("RoleBinding %s stays beside the operator's own: delete it once the Partner is Ready, or the rights of its subjects outlive spec.tenant.administrators", binding.Name)
		}
	}
}

// isolation leaves a namespace without NetworkPolicies open.
func (r *reading) isolation(spec *v1alpha1.Tenant) {
	if slices.ContainsFunc(r.there.NetworkPolicies, func(policy *networkingv1.NetworkPolicy) bool { return policy.Name == kinds.IsolationName }) {
		r.reserved("NetworkPolicy", kinds.IsolationName)
		return
	}
	spec.NetworkIsolation = v1alpha1.NetworkIsolationDisabled
	r.remarks = append(r.remarks, remark{preview.Warning,
		"spec.tenant.networkIsolation is Disabled, as it is today: remove it once you know that only the namespace itself and the proxies of --proxy-namespaces connect to its Pods"})
}

// administratorStart is where an administrator begins in a list of some, and apart what comes between two of them. After
// a mere space, one begins only if its name follows at once: "Power User: EMEA" may be a name.
var (
	administratorStart = regexp.MustCompile(`(?i)(?:^|[\s\p{Z},;|])(?:Group|User|ServiceAccount):`)
	apart              = regexp.MustCompile(`[\n\r,;|][\s\p{Z}]*$`)
)

// another is what in a name looks like another administrator, of a kind that there is not.
var another = regexp.MustCompile(`[\s\p{Z},;|]\pL+:`)

// splitAdministrators takes a list of administrators apart, whose names may have spaces and commas.
func splitAdministrators(list string) []string {
	var found []string
	from := 0
	add := func(upTo int) {
		if text := strings.TrimFunc(list[from:upTo], func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(",;|", r) }); text != "" {
			found = append(found, text)
		}
		from = upTo
	}
	for _, at := range administratorStart.FindAllStringIndex(list, -1) {
		after, _ := utf8.DecodeRuneInString(list[at[1]:])
		_, width := utf8.DecodeRuneInString(list[at[0]:])
		if at[0] > 0 && unicode.IsSpace(after) && !apart.MatchString(list[:at[0]+width]) {
			continue
		}
		add(at[0])
	}
	add(len(list))
	return found
}

func parseAdministrator(text string) (v1alpha1.Administrator, error) {
	kind, name, ok := strings.Cut(text, ":")
	name = strings.TrimSpace(strings.ReplaceAll(name, "\u00a0", " ")) // the space that does not break, which no group has
	administrator := v1alpha1.Administrator{Kind: v1alpha1.SubjectKind(kind), Name: name}
	if administrator.Kind == v1alpha1.ServiceAccountSubject {
		administrator.Namespace, administrator.Name, ok = strings.Cut(name, "/")
	}
	known := slices.Contains([]v1alpha1.SubjectKind{v1alpha1.GroupSubject, v1alpha1.UserSubject, v1alpha1.ServiceAccountSubject}, administrator.Kind)
	if second := another.FindString(name); second != "" {
		return administrator, fmt.Errorf("%q has a second kind, %q: write Group:name, User:name or ServiceAccount:namespace/name, with a comma between two of them, and rename a group with such a colon", text, strings.TrimSpace(second))
	}
	if !ok || !known || administrator.Name == "" || strings.ContainsFunc(name, invisible) {
		return administrator, fmt.Errorf("%q is no administrator: write Group:name, User:name or ServiceAccount:namespace/name", text)
	}
	return administrator, nil
}
