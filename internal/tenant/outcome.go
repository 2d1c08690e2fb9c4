package tenant

import (
	"time"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/kinds"
)

// Outcome is what Evaluate decides.
type Outcome struct {
	// Objects are the objects to have, in the order in which to write them.
	Objects []kinds.Object
	// Prune are objects to delete, in this order, once Objects are in place.
	Prune []kinds.Object
	// Status is the Partner's status.
	Status v1alpha1.PartnerStatus
	// Events tell of the conditions that changed, and of an Ingress that moved to another class.
	Events []conditions.Event
	// RequeueAt is when time alone changes the outcome; zero if it never does.
	RequeueAt time.Time
}

// IngressClassChanged is the reason of the Event that tells of an Ingress which serves a host, and
// is left to another controller in place.
const IngressClassChanged = "IngressClassChanged"
