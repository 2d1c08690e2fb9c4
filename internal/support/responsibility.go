package support

import (
	"slices"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Role is a party's part in a task ("Partner Support Enablement", Role
// Descriptions).
type Role string

// The roles. A party without any has the empty one.
const (
	// Primary owns the task from start to finish.
	Primary Role = "Primary"
	// Secondary helps when the primary cannot resolve it.
	Secondary Role = "Secondary"
	// DocumentationAndTraining supplies the materials only.
	DocumentationAndTraining Role = "DocumentationAndTraining"
)

// Task is a category of work and each party's part in it ("Partner Support
// Enablement", RACI Matrix).
type Task struct {
	// Name is the task category.
	Name string `json:"name"`
	// ServiceType is the kind of work that it is.
	ServiceType v1alpha1.ServiceType `json:"serviceType"`
	// Customer and Partner are those parties' roles.
	Customer Role `json:"customer,omitempty"`
	Partner  Role `json:"partner,omitempty"`
	// Dispel are Dispel's roles. It can help out and supply the materials.
	Dispel []Role `json:"dispel"`
	// WithPCSM tells that Dispel's P-CSMs carry the task out beside the
	// partner's team, which stays Primary.
	WithPCSM bool `json:"withPCSM,omitempty"`
}

// EndUserSupport is the task that a request is which impairs nothing, and so has no
// severity ("Partner Support Enablement", Task Category Descriptions).
const EndUserSupport = "End-user support"

// matrix is that of an OEM or MSP that runs its own support, before Dispel's
// part as Secondary, which it is for all that is the partner's. Where the document lost a cell, the owner is read from its
// prose: end customers manage users, and Implementation and Maintenance are the
// partner's.
var matrix = []struct {
	name      string
	service   v1alpha1.ServiceType
	primary   v1alpha1.Party
	materials bool
}{
	{"User account management", v1alpha1.Implementation, v1alpha1.PartyCustomer, true},
	{"User access management", v1alpha1.Implementation, v1alpha1.PartyCustomer, true},
	{"Communication with partner's customers", v1alpha1.CustomerSuccess, v1alpha1.PartyPartner, true},
	{EndUserSupport, v1alpha1.CustomerSuccess, v1alpha1.PartyPartner, true},
	{"Wicket deployment and installation", v1alpha1.Implementation, v1alpha1.PartyPartner, true},
	{"Training and onboarding", v1alpha1.CustomerSuccess, v1alpha1.PartyPartner, true},
	{"Virtual desktop stack management", v1alpha1.CustomerSuccess, v1alpha1.PartyPartner, true},
	{"Network connectivity", v1alpha1.Implementation, v1alpha1.PartyPartner, false},
	{"Applying Wicket ESI patches and updates", v1alpha1.Maintenance, v1alpha1.PartyPartner, false},
	{"Zero Trust Engine bugs", v1alpha1.Maintenance, v1alpha1.PartyDispel, false},
	{"Zero Trust Engine security patches", v1alpha1.Maintenance, v1alpha1.PartyDispel, false},
	{"Critical infrastructure outages", v1alpha1.TechnicalSupport, v1alpha1.PartyDispel, false},
}

// Tasks returns who has which part in each task for a partner's customers, with
// or without P-CSMs contracted. Under a Reseller or Distributor, Dispel does
// what is an OEM's or MSP's own work (read from the channel table).
func Tasks(model v1alpha1.ChannelModel, pcsm bool) []Task {
	tasks := make([]Task, 0, len(matrix))
	for _, row := range matrix {
		task := Task{Name: row.name, ServiceType: row.service}
		switch {
		case row.primary == v1alpha1.PartyCustomer:
			task.Customer = Primary
		case row.primary == v1alpha1.PartyPartner && model.WhiteLabels():
			task.Partner = Primary
			task.Dispel = []Role{Secondary}
			task.WithPCSM = pcsm
		default:
			task.Dispel = []Role{Primary}
		}
		if row.materials && !slices.Contains(task.Dispel, Primary) {
			task.Dispel = append(task.Dispel, DocumentationAndTraining)
		}
		tasks = append(tasks, task)
	}
	return tasks
}

// Responsibilities returns who owns each kind of work ("Partner Support
// Enablement", channel models). P-CSMs work beside an OEM's or MSP's team in
// all four.
func Responsibilities(model v1alpha1.ChannelModel, pcsm bool) []v1alpha1.Responsibility {
	responsibilities := make([]v1alpha1.Responsibility, 0, 4)
	for _, service := range []v1alpha1.ServiceType{
		v1alpha1.Implementation, v1alpha1.CustomerSuccess, v1alpha1.Maintenance, v1alpha1.TechnicalSupport,
	} {
		responsible := v1alpha1.PartyDispel
		if model.WhiteLabels() && service != v1alpha1.TechnicalSupport {
			responsible = v1alpha1.PartyPartner
		}
		responsibilities = append(responsibilities, v1alpha1.Responsibility{
			ServiceType: service,
			Responsible: responsible,
			WithPCSM:    pcsm && model.WhiteLabels(),
		})
	}
	return responsibilities
}

// FirstContacts are how many of the Contacts an end customer turns to at first: with
// P-CSMs at work, the partner's team and the P-CSMs alike ("Customer Success Manager
// (P-CSM)", How customers interact with P-CSMs).
func (t Task) FirstContacts() int {
	if t.WithPCSM {
		return 2
	}
	return 1
}

// Contacts returns to whom an end customer turns with a task, the first one first
// ("Partner Support Enablement", Shared Responsibility): an OEM or MSP is the sole
// point of contact of its customers, and Dispel helps when it cannot. The customers
// of the others turn to Dispel. Where P-CSMs are at work, the partner's team and
// they are both first contacts.
func (t Task) Contacts(model v1alpha1.ChannelModel) []Contact {
	var contacts []Contact
	if t.Customer == Primary {
		contacts = append(contacts, Contact(v1alpha1.PartyCustomer))
	}
	if model.WhiteLabels() {
		contacts = append(contacts, Contact(v1alpha1.PartyPartner))
	}
	if t.WithPCSM {
		contacts = append(contacts, ContactPCSM)
	}
	return append(contacts, Contact(v1alpha1.PartyDispel))
}

// Contact is to whom an end customer turns: a party, or Dispel's P-CSMs.
type Contact string

// ContactPCSM are Dispel's P-CSMs, whom end customers reach in the support widget.
const ContactPCSM Contact = "DispelPCSM"

// Prioritised tells whether Dispel puts a severity before others ("Partner Support
// Enablement", RACI Matrix).
func Prioritised(severity int32) bool {
	return severity <= 2
}
