package preview

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/dispel/partner-operator/internal/manifests"
)

// Severity says how bad a finding is.
type Severity string

// The severities.
const (
	// Error is what the API server refuses, what the operator cannot do, or
	// staffing that does not suffice.
	Error Severity = "error"
	// Warning is what will go wrong soon, or has no effect.
	Warning Severity = "warning"
	// Notice is what cannot be known from the manifests alone.
	Notice Severity = "notice"
)

// Reasons of findings that no condition has.
const (
	// ReasonUnreadable is of a document that cannot be read.
	ReasonUnreadable = "Unreadable"
	// ReasonAmbiguous is of a document that other tools read otherwise.
	ReasonAmbiguous = "Ambiguous"
	// ReasonFieldRemoved is of a field that an object in the cluster loses.
	ReasonFieldRemoved = "FieldRemoved"
	// ReasonInvalid is of an object that the API server refuses.
	ReasonInvalid = "Invalid"
	// ReasonDuplicate is of an object that is there twice.
	ReasonDuplicate = "Duplicate"
	// ReasonDeleting is of a Partner that is going in the cluster.
	ReasonDeleting = "Deleting"
	// ReasonNoMaterials is of a SupportPlan that lists no training materials for some
	// tasks for which Dispel owes them.
	ReasonNoMaterials = "NoTrainingMaterials"
	// ReasonUnknownKind is of an object of the operator's group, but of none of its
	// kinds.
	ReasonUnknownKind = "UnknownKind"
	// ReasonNothingDeclared is of manifests that declare nothing for the operator.
	ReasonNothingDeclared = "NothingDeclared"
	// ReasonNobodyOnDuty is of hours that an absence, an exception or a holiday leaves without
	// anybody.
	ReasonNobodyOnDuty = "NobodyOnDuty"
	// ReasonPlainHTTP is of a sub-domain that is served without TLS.
	ReasonPlainHTTP = "PlainHTTP"
)

// Refuses reports whether the API server would refuse what a finding is about, or nobody
// knows what it means.
func (f Finding) Refuses() bool {
	switch f.Reason {
	case ReasonUnreadable, ReasonInvalid, ReasonDuplicate, ReasonUnknownKind:
		return f.Severity == Error
	}
	return false
}

// Finding is something to know before the manifests are applied.
type Finding struct {
	Severity Severity `json:"severity"`
	// Reason is that of a condition, or one of this package's.
	Reason string `json:"reason"`
	// Message says what is wrong, by how much, and what to do about it.
	Message string `json:"message"`
	// Kind and Name are of the object that it is about; empty if there is none.
	Kind string `json:"kind,omitempty"`
	Name string `json:"name,omitempty"`
	// Position is where it is written; the zero Position if in no file.
	manifests.Position `json:",inline"`
}

// About is the object that the finding is about, for people; empty if there is
// none.
func (f Finding) About() string {
	return strings.TrimSpace(f.Kind + " " + f.Name)
}

// Sort orders findings by file and line.
func Sort(findings []Finding) {
	slices.SortStableFunc(findings, compare)
}

func compare(a, b Finding) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Name, b.Name), cmp.Compare(a.Message, b.Message))
}

// finding makes a finding about an object, at one of its fields.
func finding(source manifests.Source, field string, severity Severity, reason, message string) Finding {
	return Finding{severity, reason, message, source.Kind, source.Name, source.At(field)}
}

// unknownField finds the fields in what the API server says of unknown ones.
var unknownField = regexp.MustCompile(`unknown field "([^"]+)"`)

// notString finds the type in what the API server says of a value that must be a
// string.
var notString = regexp.MustCompile(`must be of type string: "(\w+)"`)

// refusals are the findings in the API server's refusal of an object: one for
// each field.
func refusals(source manifests.Source, refusal error) []Finding {
	var status apierrors.APIStatus
	if !errors.As(refusal, &status) || status.Status().Details == nil || len(status.Status().Details.Causes) == 0 {
		field := "metadata"
		if match := unknownField.FindStringSubmatch(refusal.Error()); match != nil {
			field = match[1]
		}
		return []Finding{finding(source, field, Error, ReasonInvalid, refusal.Error())}
	}
	var findings []Finding
	for _, cause := range status.Status().Details.Causes {
		if strings.Contains(cause.Message, "some validation rules were not checked") {
			continue // it comes with what is wrong, and is no fault of its own
		}
		const whole = "<nil>" // what the API server calls the whole object
		message, field := cause.Field+": "+cause.Message, cause.Field
		if field == whole {
			message, field = cause.Message, "metadata.name"
		}
		if match := notString.FindStringSubmatch(cause.Message); match != nil {
			message += source.QuoteHint(field, match[1])
		}
		findings = append(findings, finding(source, field, Error, ReasonInvalid, message))
	}
	return findings
}

// twice is the finding about an object that was there before.
func twice(source, first manifests.Source) Finding {
	return finding(source, "metadata.name", Error, ReasonDuplicate, fmt.Sprintf(
		"%s %q is declared in %s, too, and one would overwrite the other: remove one of them, or give it another name",
		source.Kind, source.Name, first.Position))
}
